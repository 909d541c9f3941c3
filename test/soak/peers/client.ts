import { Context } from 'tendon/core';
import { SeededRandom } from 'tendon/testing';
import { Gate } from '../gate.ts';
import { type Deeds, fault, holding, type Order, say } from '../orders.ts';

export interface ClientArguments {
  readonly runtimeDirectory: string;
  readonly endpoint: string;
  readonly name: string;
  readonly seed: number;
  /** lives through the whole soak: keeps its connection, is never killed */
  readonly lasting: boolean;
  /** subscribers: how many frames to take every `paceMs`; 0 takes them as they come */
  readonly limit: number;
  readonly paceMs: number;
  /** subscribers: numbers may be skipped */
  readonly gaps: boolean;
  /** where the count of certain frames goes; undefined when nobody asks */
  readonly journal?: string;
}

/** What all client programs have in common: arguments, orders, counts. */
export class Client {
  readonly args: ClientArguments;
  readonly context: Context;
  readonly random: SeededRandom;
  readonly gate = new Gate();
  readonly deeds: Deeds = { frames: 0, calls: 0, connections: 0, switches: 0, missed: 0 };
  finishing = false;
  /** loops that have to stand at the gate before this client is at rest */
  loops = 1;

  constructor() {
    this.args = JSON.parse(process.argv[2] ?? '{}') as ClientArguments; // the test wrote it
    this.context = new Context({ runtimeDirectory: this.args.runtimeDirectory });
    this.random = new SeededRandom(this.args.seed);
    process.on('message', (order: Order) => {
      if (order === 'pause') this.#pause();
      if (order === 'resume') this.gate.closed = false;
      if (order === 'finish') this.finishing = true;
    });
    process.once('disconnect', () => process.exit(this.finishing ? 0 : 3)); // the test is gone
  }

  /** Runs `work` to its end, which tells the test what was done and lets go. */
  run(work: () => Promise<void>): void {
    work().then(
      () => {
        say({ say: 'done', deeds: this.deeds });
        process.removeAllListeners('message');
        process.removeAllListeners('disconnect');
        process.disconnect();
      },
      (error: unknown) => {
        fault(error);
        process.exitCode = 1;
        setTimeout(() => process.exit(), 100);
      },
    );
  }

  #pause(): void {
    this.gate.closed = true;
    const look = (): void => {
      if (!this.gate.closed) return;
      if (this.loops > 0 && this.gate.waiting === this.loops) say({ say: 'paused', holding: holding(true) });
      else setTimeout(look, 5);
    };
    look();
  }
}
