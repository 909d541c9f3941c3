import { abortedError, integerOption, refuseUnknownOptions, type TendonError } from '../core/index.ts';
import type { FrameHandler, ReceiveOptions } from './contract.ts';
import { copyOf } from './copy.ts';

/** What the iterator needs of its connection. */
export interface FrameSource {
  poll(handler: FrameHandler, limit: number): number;
  /** nothing is left and nothing will come */
  readonly ended: boolean;
  /** why it ended; undefined after an orderly close */
  readonly endReason: TendonError | undefined;
  /** asks to be served (`FrameIterator.serve`) from the duty cycle */
  wait(): void;
  /** the loop is over; the receiving side is free again */
  done(): void;
}

type Result = IteratorResult<readonly Uint8Array[], undefined>;

/** Batches that may follow each other without the event loop getting a turn. */
const BATCHES_PER_TURN = 16;
/** A batch is closed when it holds this much, so that large frames do not pile up as copies. */
const BATCH_BYTES = 1 << 20;
const POLL_AT_ONCE = 8;

export interface ResolvedReceiveOptions {
  readonly signal: AbortSignal | undefined;
  readonly maxBatch: number;
}

export function resolveReceiveOptions(options: ReceiveOptions): ResolvedReceiveOptions {
  refuseUnknownOptions('receive', options, ['signal', 'maxBatch']);
  return {
    signal: options.signal,
    maxBatch: integerOption('maxBatch', options.maxBatch ?? 64, 1, 65_536),
  };
}

/** `for await (const batch of connection.receive())`: owned copies, taken only when asked for. */
export class FrameIterator implements AsyncIterator<readonly Uint8Array[], undefined> {
  readonly #source: FrameSource;
  readonly #maxBatch: number;
  readonly #signal: AbortSignal | undefined;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #streak = 0;
  #over = false;
  /** somebody waits in `next()`: serve it when frames come */
  waiting = false;
  #resolve: ((result: Result) => void) | undefined = undefined;
  #reject: ((error: unknown) => void) | undefined = undefined;

  constructor(options: ResolvedReceiveOptions, source: FrameSource) {
    this.#maxBatch = options.maxBatch;
    this.#signal = options.signal;
    this.#source = source;
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  next(): Promise<Result> {
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    if (this.waiting) return Promise.reject(new Error('next() was called while an earlier next() waits'));
    if (this.#signal?.aborted) return Promise.reject(this.#aborted());
    if (this.#streak < BATCHES_PER_TURN) {
      const batch = this.#collect();
      if (batch !== undefined) {
        this.#streak++;
        return Promise.resolve({ done: false, value: batch });
      }
    }
    this.#streak = 0;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.waiting = true;
      this.#source.wait();
      if (this.#source.ended) this.serve();
    });
  }

  return(): Promise<Result> {
    this.#finish();
    const resolve = this.#resolve;
    this.#clearWaiter();
    resolve?.({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Called by the duty cycle: gives the waiting `next()` what has come. @returns units of work */
  serve(): number {
    if (!this.waiting) return 0;
    const batch = this.#collect();
    if (!this.waiting) return 1; // polling ended the connection, and that has served us already
    const resolve = this.#resolve;
    const reject = this.#reject;
    if (batch !== undefined) {
      this.#clearWaiter();
      resolve?.({ done: false, value: batch });
      return 1;
    }
    if (!this.#source.ended) return 0;
    this.#clearWaiter();
    const reason = this.#source.endReason;
    this.#finish();
    if (reason === undefined) resolve?.({ done: true, value: undefined });
    else reject?.(reason);
    return 1;
  }

  #collect(): Uint8Array[] | undefined {
    while (this.#batch.length < this.#maxBatch && this.#batchBytes < BATCH_BYTES) {
      // A few at a time, so that large frames stop at BATCH_BYTES and do not all become copies.
      const room = Math.min(this.#maxBatch - this.#batch.length, POLL_AT_ONCE);
      if (this.#source.poll(this.#keep, room) === 0) break;
    }
    if (this.#batch.length === 0) return undefined;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    return batch;
  }

  readonly #keep = (bytes: Uint8Array, offset: number, length: number): void => {
    this.#batch.push(copyOf(bytes, offset, length));
    this.#batchBytes += length;
  };

  readonly #onAbort = (): void => {
    const reject = this.#reject;
    this.#clearWaiter();
    if (reject !== undefined) reject(this.#aborted());
  };

  #aborted(): TendonError {
    const error = abortedError(this.#signal as AbortSignal, 'receive'); // only an aborted signal comes here
    this.#finish();
    return error;
  }

  #clearWaiter(): void {
    this.waiting = false;
    this.#resolve = undefined;
    this.#reject = undefined;
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#source.done();
  }
}
