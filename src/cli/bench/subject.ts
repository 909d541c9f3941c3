import type { MessageSink, MessageSource } from './message.ts';

/**
 * What the benchmark compares. A subject is one way to move messages: a transport of Tendon, or a peer.
 * It offers *faces*; a workload takes the subjects that have the face it needs. Both ends of a face run in
 * actors: processes (or threads) that the harness starts, arms and times.
 *
 * A new subject is one file in `subjects/` and one line in `subjects/index.ts`.
 */
export interface Subject {
  /** stable name, `subject` in the JSON */
  readonly name: string;
  /** one line for people: which parts, which settings */
  readonly summary: string;
  readonly group: 'tendon' | 'peer' | 'control' | 'limit';
  /** a subject between threads is no rival in the floors about processes */
  readonly between: 'processes' | 'threads' | 'callers';
  /** Resolves to the reason why it cannot run here, or to undefined. */
  unavailable?(): Promise<string | undefined>;
  /**
   * How the initiator comes to life: started by the harness (default), forked by the responder (for what
   * connects a parent and its child), as a worker thread of it, or on the very same thread.
   */
  readonly initiatorLives?: 'forked' | 'worker' | 'same-thread';

  readonly oneWay?: Face<Receiver, Sender>;
  readonly duplex?: Face<Duplex, Duplex>;
  readonly spin?: Face<SpinDuplex, SpinDuplex>;
  readonly calls?: Face<CallServer, CallClient>;
  readonly dial?: Face<Listening, Dialer>;
  /** Runs whole tasks in a program of its own instead of in actors. */
  readonly native?: NativeSubject;
}

export type FaceName = 'oneWay' | 'duplex' | 'spin' | 'calls' | 'dial';
export type Role = 'initiator' | 'responder';

/** The two ends of a face. The responder opens first and calls `context.listening()` when it can be reached. */
export interface Face<R extends Part, I extends Part> {
  responder(context: ActorContext): Promise<R>;
  initiator(context: ActorContext): Promise<I>;
}

/** One opened end. Nobody closes it: an end goes with its actor, and the harness ends that. */
export type Part = Sender | Receiver | Duplex | SpinDuplex | CallServer | CallClient | Dialer | Listening;

/** Sends one window: fills each message by `source.write` where the subject wants it, until `source.done`. */
export interface Sender {
  sendAll(source: MessageSource): Promise<void>;
}

/** Receives one window: hands each message to `sink.accept`, until `sink.done`. */
export interface Receiver {
  receiveAll(sink: MessageSink): Promise<void>;
}

/** `bytes[offset .. offset + length)` is valid during the call. */
export type MessageHandler = (bytes: Uint8Array, offset: number, length: number) => void;

/** Messages both ways, driven by the event loop. */
export interface Duplex {
  /** Sends; the bytes are the caller's again when it returns. */
  post(bytes: Uint8Array, offset: number, length: number): void;
  /** Names who gets the messages from now on. */
  listen(handler: MessageHandler): void;
  /** Resolves when the other end is gone. Absent when the subject is never told. */
  readonly ended?: Promise<void>;
}

/** Messages both ways, driven by a loop that never leaves the thread. */
export interface SpinDuplex {
  /** @returns false when there was no room */
  offer(bytes: Uint8Array): boolean;
  /** Takes what is there, never waits. @returns how many messages were handed over */
  poll(handler: MessageHandler): number;
}

export interface CallClient {
  call(request: Uint8Array): Promise<Uint8Array>;
}

export interface CallServer {
  /** Answers every call by `answer`, from now on. */
  serve(answer: (request: Uint8Array) => Uint8Array): void;
}

export interface Dialer {
  /** Opens a new connection, has one message echoed over it, notes the time by `done()`, then closes it. */
  dial(message: Uint8Array, done: () => void): Promise<void>;
}

/** The end that is dialled: echoes what comes, for as long as it lives. */
export interface Listening {
  readonly listens: true;
}

/** What an actor tells the subject that it runs. */
export interface ActorContext {
  /** a directory of this pair alone, for sockets and the like; removed afterwards */
  readonly directory: string;
  /** message size that will be used */
  readonly bytes: number;
  /** Says that the initiator may open now; implied when the responder's opening resolves. */
  listening(): void;
  /** How to start the initiator, for a subject whose `initiatorLives` is not with the harness. */
  readonly initiator: InitiatorStart;
  /** What the starter of this actor handed over (a MessagePort), when it was a worker. */
  readonly handedOver: unknown;
  /** What two actors on one thread share. */
  readonly shared: Map<string, unknown>;
}

export interface InitiatorStart {
  /** compiled entry of an actor */
  readonly entry: string;
  /** its only argument */
  readonly argument: string;
  /** program and leading arguments that start Node at the wanted place */
  readonly command: readonly string[];
}

/** A subject that is not JavaScript. */
export interface NativeSubject {
  /** Kinds of task, and modes of round trip, that it can run. */
  readonly kinds: readonly Task['kind'][];
  readonly modes: readonly LatencyMode[];
  /** Builds it. @param directory a directory of the run, removed afterwards */
  prepare(directory: string): Promise<NativeRunner>;
}

export interface NativeRunner {
  run(task: Task, cpus: CpuPair, signal: AbortSignal): Promise<TaskResult>;
}

/** Where the two sides run; undefined lets the scheduler choose. */
export interface CpuPair {
  readonly initiator: number | undefined;
  readonly responder: number | undefined;
}

export type Task =
  | { readonly kind: 'one-way'; readonly bytes: number; readonly seconds: number; readonly verify: boolean }
  | {
      readonly kind: 'round-trip';
      readonly mode: LatencyMode;
      readonly bytes: number;
      readonly seconds: number;
      /** pause between an answer and the next question */
      readonly gapMs: number;
    }
  | { readonly kind: 'echo'; readonly bytes: number; readonly inFlight: number; readonly seconds: number }
  | { readonly kind: 'connect'; readonly bytes: number; readonly seconds: number }
  | { readonly kind: 'idle'; readonly seconds: number }
  | { readonly kind: 'death' };

export type LatencyMode = 'spin' | 'poll' | 'park';

/** What one window gave; a kind of task fills the fields that it is about. */
export interface TaskResult {
  /** messages, calls or connections */
  readonly count: number;
  /** from the first send to the last arrival, one monotonic clock for both sides */
  readonly seconds: number;
  /** processor time of both sides together, user and system */
  readonly cpuSeconds: number;
  /** messages that were lost, repeated, reordered or torn */
  readonly faults: number;
  /** microseconds: p50, p99 and p99.9 of the durations taken one by one; a share that too few samples carry is absent */
  readonly percentiles?: Readonly<Partial<Record<PercentileName, number>>>;
}

export type PercentileName = 'p50' | 'p99' | 'p99.9';
