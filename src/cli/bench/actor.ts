import { isMainThread, workerData } from 'node:worker_threads';
import { ControlLine, type ControlMessage } from './control.ts';
import type { ActorContext, FaceName, InitiatorStart, Part, Role, Subject, Task } from './subject.ts';
import { findSubject } from './subjects/index.ts';
import { runSide, type SideResult } from './tasks/index.ts';

/** What an actor is told when it starts. */
export interface ActorSpec {
  readonly control: string;
  readonly id: string;
  readonly role: Role;
  readonly subject: string;
  readonly face: FaceName;
  readonly bytes: number;
  readonly directory: string;
  readonly initiator: InitiatorStart;
}

/** `arm` starts the responder's side of a window; the answer to `run` comes when the window is over. */
export type ActorOperation = 'open' | 'arm' | 'run';

/** One end of one subject, obeying the harness. */
class Actor {
  readonly #spec: ActorSpec;
  readonly #subject: Subject;
  readonly #handedOver: unknown;
  readonly #shared: Map<string, unknown>;
  #line: ControlLine | undefined;
  #part: Part | undefined;
  #armed: Promise<SideResult> | undefined;

  constructor(spec: ActorSpec, handedOver: unknown, shared: Map<string, unknown> = new Map()) {
    this.#spec = spec;
    this.#subject = findSubject(spec.subject);
    this.#handedOver = handedOver;
    this.#shared = shared;
  }

  /** Reports to the harness and obeys; resolves when the harness has let go. */
  async report(): Promise<void> {
    const line = await ControlLine.dial(this.#spec.control, (message) => this.#obey(message));
    this.#line = line;
    line.send({ type: 'hello', id: this.#spec.id, pid: process.pid });
    await line.ended;
  }

  #obey(message: ControlMessage): void {
    if (message.type !== 'request') return;
    const { call, operation, argument } = message;
    this.#perform(operation as ActorOperation, argument).then(
      (value) => this.#line?.send({ type: 'answer', call, value }),
      (error: unknown) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#line?.send({ type: 'failure', call, error: text });
      },
    );
  }

  async #perform(operation: ActorOperation, argument: unknown): Promise<unknown> {
    switch (operation) {
      case 'open':
        await this.#open();
        return null;
      case 'arm':
        // Started, not awaited: the answer says that the responder is ready before the first message comes.
        this.#armed = this.#run(argument as Task);
        this.#armed.catch(() => {}); // reported by 'run'
        return null;
      case 'run':
        return (this.#armed ?? this.#run(argument as Task)).finally(() => {
          this.#armed = undefined;
        });
      default:
        throw new Error(`unknown operation ${operation satisfies never}`);
    }
  }

  async #open(): Promise<void> {
    const { role, face, directory, bytes, initiator } = this.#spec;
    const ends = this.#subject[face];
    if (ends === undefined) throw new Error(`${this.#subject.name} has no face ${face}`);
    const context: ActorContext = {
      directory,
      bytes,
      initiator,
      handedOver: this.#handedOver,
      shared: this.#shared,
      listening: () => this.#line?.send({ type: 'listening' }),
    };
    if (role === 'responder' && this.#subject.initiatorLives === 'same-thread') {
      void new Actor(JSON.parse(initiator.argument) as ActorSpec, undefined, this.#shared).report();
    }
    this.#part = await ends[role](context);
    context.listening();
  }

  async #run(task: Task): Promise<SideResult> {
    if (this.#part === undefined) throw new Error(`actor ${this.#spec.id} has nothing open`);
    return runSide(this.#spec.role, this.#spec.face, this.#part, task);
  }
}

/** A worker is given its specification and what its starter hands over; a process, its only argument. */
const worker = isMainThread ? undefined : (workerData as { argument: string; handedOver: unknown });
const spec = JSON.parse(worker?.argument ?? process.argv[2] ?? '{}') as ActorSpec;
await new Actor(spec, worker?.handedOver).report();
process.exit(); // in a worker this ends the thread alone
