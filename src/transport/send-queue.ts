import { abortedError, TendonError } from '../core/index.ts';
import { copyOf } from './copy.ts';

/** A `send` that waits for room. */
export interface QueuedSend {
  bytes: Uint8Array;
  /** how many of its bytes the transport has taken */
  written: number;
  readonly resolve: () => void;
  readonly reject: (error: TendonError) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
  /** its caller was told already (aborted in the middle): the rest is written, nobody is told again */
  settled: boolean;
}

/** `send` calls in the order they came, bounded in number and in the bytes that they keep in memory. */
export class SendQueue {
  readonly #limit: number;
  readonly #limitBytes: number;
  /** of all frames in the queue, whole ones: what is written of the head is kept until its end */
  #bytes = 0;
  #queue: QueuedSend[] = [];
  #first = 0;
  #idle: (() => void)[] = [];
  /** How many calls wait; a plain field because the fast face reads it for every frame. */
  waiting = 0;

  /** @param limitBytes an empty queue takes a frame of any size */
  constructor(limit: number, limitBytes: number) {
    this.#limit = limit;
    this.#limitBytes = limitBytes;
  }

  get head(): QueuedSend | undefined {
    return this.#queue[this.#first];
  }

  /** @param written bytes of it that are on their way already */
  add(bytes: Uint8Array, written: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted && written === 0) return Promise.reject(abortedError(signal, 'send'));
    if (this.waiting >= this.#limit) {
      const message = `${this.waiting} sends wait already; await them, or raise maxQueuedSends`;
      return Promise.reject(new TendonError('QUEUE_FULL', message, { queue: 'send', limit: this.#limit }));
    }
    if (this.waiting > 0 && this.#bytes + bytes.length > this.#limitBytes) {
      const message = `sends of ${this.#bytes} bytes wait already, and ${bytes.length} more do not fit; await them, or raise maxQueuedBytes`;
      const details = { queue: 'send bytes', limit: this.#limitBytes };
      return Promise.reject(new TendonError('QUEUE_FULL', message, details));
    }
    return new Promise<void>((resolve, reject) => {
      let entry: QueuedSend | undefined;
      const onAbort = signal === undefined ? undefined : () => this.#abort(entry as QueuedSend);
      entry = { bytes, written, resolve, reject, signal, onAbort, settled: false };
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(entry);
      this.waiting++;
      this.#bytes += bytes.length;
    });
  }

  /** The head is written to its end. */
  complete(): void {
    const entry = this.#queue[this.#first];
    if (entry === undefined) return;
    this.#first++;
    if (this.#first === this.#queue.length || this.#first > 1024) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    this.waiting--;
    this.#bytes -= entry.bytes.length;
    this.#settle(entry);
    if (!entry.settled) entry.resolve();
    entry.settled = true;
    this.#tellIdle();
  }

  failAll(reason: TendonError): void {
    const failed = this.#queue.slice(this.#first);
    this.#queue = [];
    this.#first = 0;
    this.waiting = 0;
    this.#bytes = 0;
    for (const entry of failed) {
      this.#settle(entry);
      if (!entry.settled) entry.reject(reason);
      entry.settled = true;
    }
    this.#tellIdle();
  }

  /** Resolves when nothing waits any more. */
  idle(): Promise<void> {
    if (this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #abort(entry: QueuedSend): void {
    const signal = entry.signal as AbortSignal; // it is what called
    entry.settled = true;
    if (entry.written > 0) {
      // A frame cannot be taken back half-way: its rest leaves from a copy, since the caller may reuse its bytes.
      entry.bytes = copyOf(entry.bytes);
    } else {
      const index = this.#queue.indexOf(entry, this.#first);
      if (index >= 0) {
        this.#queue.splice(index, 1);
        this.waiting--;
        this.#bytes -= entry.bytes.length;
      }
    }
    entry.reject(abortedError(signal, 'send'));
    this.#tellIdle();
  }

  #settle(entry: QueuedSend): void {
    if (entry.onAbort !== undefined) entry.signal?.removeEventListener('abort', entry.onAbort);
  }

  #tellIdle(): void {
    if (this.waiting > 0 || this.#idle.length === 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
