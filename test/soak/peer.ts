import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Order, Saying } from './orders.ts';

/** Generous: the machine may be busy, and stopped peers hold others up. */
export const DEADLINE_MS = 60_000;

type Say = Saying['say'];
type SayingOf<S extends Say> = Extract<Saying, { readonly say: S }>;

/** Waits until `condition` holds. @throws Error naming `what` after a minute */
export async function until(condition: () => boolean, what: () => string): Promise<void> {
  const giveUpAt = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${DEADLINE_MS} ms for ${what()}`);
    await sleep(5);
  }
}

/** A process of the soak: a program of `peers/`. */
export class SoakPeer implements Disposable {
  readonly name: string;
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  stderr = '';
  fault: string | undefined = undefined;
  readonly #heard = new Map<Say, Saying>();

  constructor(program: string, name: string, args: readonly string[], onSaying?: (saying: Saying) => void) {
    this.name = name;
    this.process = fork(fileURLToPath(new URL(`./peers/${program}.js`, import.meta.url)), args, {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.exited = once(this.process, 'close');
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.process.on('error', () => {}); // an order to a killed peer
    this.process.on('message', (saying: Saying) => {
      if (saying.say === 'fault') this.fault ??= saying.text;
      this.#heard.set(saying.say, saying);
      onSaying?.(saying);
    });
  }

  get pid(): number {
    return this.process.pid as number; // it was spawned
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  tell(order: Order): void {
    if (this.process.connected) this.process.send(order);
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  /** The next saying of this kind; it may have come already. */
  async hears<S extends Say>(kind: S): Promise<SayingOf<S>> {
    await until(
      () => this.#heard.has(kind) || !this.running || this.fault !== undefined,
      () => `${this.name} to say "${kind}"`,
    );
    this.check();
    const saying = this.#heard.get(kind) as SayingOf<S> | undefined; // kept under its own kind
    if (saying === undefined) throw new Error(`${this.name} ended before it said "${kind}": ${this.stderr}`);
    this.#heard.delete(kind);
    return saying;
  }

  /** @throws Error when it has told of a fault, or ended badly */
  check(): void {
    if (this.fault !== undefined) throw new Error(`${this.name}: ${this.fault}`);
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null && exitCode !== 0) throw new Error(`${this.name} exit ${exitCode}: ${this.stderr}`);
    if (signalCode !== null && signalCode !== 'SIGKILL') throw new Error(`${this.name}: ${signalCode}`);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Waits until it ends by itself, and well. */
  async ends(): Promise<void> {
    await until(
      () => !this.running || this.fault !== undefined,
      () => `${this.name} to end by itself; what keeps it alive?`,
    );
    this.check();
    await this.exited;
  }

  get gone(): boolean {
    return !existsSync(`/proc/${this.pid}`);
  }

  [Symbol.dispose](): void {
    if (this.stderr !== '') process.stderr.write(`${this.name}: ${this.stderr}`);
    if (this.running) this.process.kill('SIGKILL');
  }
}
