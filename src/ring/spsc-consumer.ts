import { CLOSED } from '../core/index.ts';
import { corrupt, misuse } from './failures.ts';
import * as layout from './layout.ts';
import type { SpscSideOptions } from './spsc-producer.ts';
import { NO_WAITER, type RingWaiter } from './waiter.ts';

// Local constants are folded into the code, imported ones are loaded each time: 5 ns a record.
const {
  CONSUMER_PARKED_WORD,
  HEAD_WORD,
  HEADER_BYTES,
  KIND_MAX,
  KIND_PAD,
  PRODUCER_PARKED_WORD,
  RECORD_MASK,
  RECORD_ROUND,
  SPSC_DATA_OFFSET,
  SPSC_DATA_WORD,
  TAIL_WORD,
  maxRecordBytesOf,
} = layout;

/**
 * Gets a record in place: `length` bytes from `offset` of `bytes`, valid until it returns.
 *
 * The producer may be hostile and still write there: copy first what must not change between check and use.
 * A handler that throws has consumed its record.
 */
export type RecordHandler = (bytes: Uint8Array, offset: number, length: number, kind: number) => void;

/** `peek` found nothing to read. */
export const EMPTY = -1;

/** What the consumer is doing. */
const IDLE = 0;
const POLLING = 1;
const STOPPING = 2;

/**
 * The receiving side of an `SpscRing`.
 *
 * Nothing here waits. The producer's position and each record's header are input: read once, bounded, then used.
 * A bad one throws REGION_CORRUPT and is not passed over; later calls throw again.
 */
export class SpscConsumer {
  /** The data of the ring, where handlers and `peek` find their records. */
  readonly bytes: Uint8Array;
  readonly capacityBytes: number;
  readonly maxRecordBytes: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  /** A long batch gives back what it consumed each time it has this much, so that the producer goes on meanwhile. */
  readonly #releaseBytes: number;
  /** Where the next record begins: ours alone, never read back from memory. */
  #head: number;
  /** The head that the producer knows. */
  #released: number;
  #tailSeen: number;
  #state: number;
  /** Where the peeked record ends; equal to `#head` when none is. */
  #peekEnd: number;
  #peekLength: number;
  #peekKind: number;
  #closed: boolean;
  readonly #waiter: RingWaiter;

  /** Use `SpscRing.consumer()`: it checks what is given here. */
  constructor(ring: SpscSideOptions, tail: number, head: number, waiter: RingWaiter = NO_WAITER) {
    const { memory, byteOffset, capacityBytes } = ring;
    this.bytes = new Uint8Array(memory, byteOffset + SPSC_DATA_OFFSET, capacityBytes);
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(capacityBytes);
    this.#words = new Int32Array(memory, byteOffset, (SPSC_DATA_OFFSET + capacityBytes) / 4);
    this.#mask = capacityBytes - 1;
    this.#releaseBytes = capacityBytes / 4;
    this.#head = head;
    this.#released = head;
    this.#tailSeen = tail;
    this.#state = IDLE;
    this.#peekEnd = head;
    this.#peekLength = 0;
    this.#peekKind = 0;
    this.#closed = false;
    this.#waiter = waiter;
  }

  /**
   * Hands records to `handler`, oldest first. @hot
   *
   * @param limit at most so many records
   * @returns how many were handed over; 0 when there was none; CLOSED after `close`
   * @throws TendonError REGION_CORRUPT; STATE_INVALID inside a handler or while a record is peeked; and whatever the
   *   handler throws, its record consumed
   */
  poll(handler: RecordHandler, limit = 0x7fffffff): number {
    if (this.#state !== IDLE || this.#peekEnd !== this.#head)
      misuse('poll inside a handler, or before release()');
    if (this.#closed) return CLOSED;
    const words = this.#words;
    const bytes = this.bytes;
    const mask = this.#mask;
    const maxRecordBytes = this.maxRecordBytes;
    const releaseBytes = this.#releaseBytes;
    const tail = this.#readTail();
    let head = this.#head;
    if (head === tail) return 0;
    let count = 0;
    this.#state = POLLING;
    try {
      while (head !== tail && count < limit) {
        const at = head & mask;
        const header = SPSC_DATA_WORD + (at >> 2);
        const length = words[header]!;
        const kind = words[header + 1]!;
        if (length >>> 0 > maxRecordBytes || (kind - 1) >>> 0 >= KIND_MAX) {
          head = this.#skipPad(head, tail, length, kind);
          continue;
        }
        const size = (length + RECORD_ROUND) & RECORD_MASK;
        if (((tail - head) | 0) < size || at + size > mask + 1) corrupt('record length', length);
        // Only what earlier handlers have left goes back: this record's bytes are still in use.
        if (((head - this.#released) | 0) >= releaseBytes) this.#release(head);
        head = (head + size) | 0;
        count++;
        handler(bytes, at + HEADER_BYTES, length, kind);
        if (this.#state !== POLLING) break;
      }
    } finally {
      this.#state = IDLE;
      this.#head = head;
      this.#peekEnd = head;
      if (head !== this.#released && words.length !== 0) this.#release(head);
    }
    return count;
  }

  /** Called by a handler: its record is the last one of this `poll`. */
  stop(): void {
    if (this.#state === POLLING) this.#state = STOPPING;
  }

  /**
   * Looks at the next record without consuming it; `recordLength` and `recordKind` tell the rest. The record stays in
   * place, and further calls answer the same, until `release`. @hot
   *
   * @returns the offset of its body in `bytes`; EMPTY, or CLOSED
   * @throws TendonError REGION_CORRUPT; STATE_INVALID inside a handler
   */
  peek(): number {
    if (this.#state !== IDLE) misuse('peek inside a handler');
    if (this.#closed) return CLOSED;
    let head = this.#head;
    if (this.#peekEnd !== head) return (head & this.#mask) + HEADER_BYTES;
    const words = this.#words;
    const tail = head === this.#tailSeen ? this.#readTail() : this.#tailSeen;
    while (head !== tail) {
      const at = head & this.#mask;
      const header = SPSC_DATA_WORD + (at >> 2);
      const length = words[header]!;
      const kind = words[header + 1]!;
      if (length >>> 0 > this.maxRecordBytes || (kind - 1) >>> 0 >= KIND_MAX) {
        head = this.#skipPad(head, tail, length, kind);
        this.#head = head;
        this.#peekEnd = head;
        continue;
      }
      const size = (length + RECORD_ROUND) & RECORD_MASK;
      if (((tail - head) | 0) < size || at + size > this.capacityBytes) corrupt('record length', length);
      this.#peekEnd = (head + size) | 0;
      this.#peekLength = length;
      this.#peekKind = kind;
      return at + HEADER_BYTES;
    }
    if (head !== this.#released) this.#release(head); // nothing but padding was there
    return EMPTY;
  }

  /** Bytes of the peeked record. */
  get recordLength(): number {
    return this.#peekLength;
  }

  /** Kind of the peeked record, 1 to 255. */
  get recordKind(): number {
    return this.#peekKind;
  }

  /** Consumes the peeked record: its bytes are the producer's again. @hot */
  release(): void {
    if (this.#peekEnd === this.#head) misuse('release without a peeked record');
    this.#head = this.#peekEnd;
    this.#release(this.#head);
  }

  /**
   * Tells the producer that this side sleeps. When it answers true, go to sleep: the waiter of the producer will be
   * called once. Then `unpark`.
   *
   * @returns false when there is something to read (or the ring was closed): do not sleep
   * @throws TendonError REGION_CORRUPT
   */
  park(): boolean {
    Atomics.store(this.#words, CONSUMER_PARKED_WORD, 1); // SYNC(ring.consumer-parked) release
    // The flag first, the look second: a producer that publishes after this look has seen the flag.
    if (!this.#closed && this.#readTail() === this.#head) return true;
    this.unpark();
    return false;
  }

  /** Takes the flag of `park` back; harmless when it is not set. */
  unpark(): void {
    Atomics.store(this.#words, CONSUMER_PARKED_WORD, 0);
  }

  /** Where the next record begins: bytes since the start, modulo 2^32, as an int32. */
  get position(): number {
    return this.#head;
  }

  /** How far the producer has published, in the same count. @throws TendonError REGION_CORRUPT */
  get producerPosition(): number {
    return this.#readTail();
  }

  /** Bytes published and not consumed, headers and padding included. @throws TendonError REGION_CORRUPT */
  get availableBytes(): number {
    return (this.#readTail() - this.#head) | 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Refuses everything after, on this side only. Call it before the memory is unmapped. The second call does nothing. */
  close(): void {
    this.#closed = true;
    this.stop();
  }

  #release(head: number): void {
    const words = this.#words;
    this.#released = head;
    Atomics.store(words, HEAD_WORD, head); // SYNC(ring.head) release: reads first, position second
    // SYNC(ring.producer-parked) acquire: after the head, so that a producer that missed the head is seen parked
    const wanted = Atomics.load(words, PRODUCER_PARKED_WORD);
    // A producer asleep has a tail at rest; a tail that we have not read yet only makes this wake it early.
    if (wanted !== 0 && this.capacityBytes - ((this.#tailSeen - head) | 0) >= wanted) this.#wakeProducer();
  }

  /** Whoever takes the flag away rings: one doorbell for each time the producer parked. */
  #wakeProducer(): void {
    if (Atomics.exchange(this.#words, PRODUCER_PARKED_WORD, 0) !== 0) this.#waiter.notify();
  }

  /** The producer's position, which it may set to anything: bounded by what it had and by what it may use. */
  #readTail(): number {
    const tail = Atomics.load(this.#words, TAIL_WORD); // SYNC(ring.tail) acquire: the bytes before it are final
    const seen = this.#tailSeen;
    if (
      (tail & 7) !== 0 ||
      (tail - this.#released) >>> 0 > this.capacityBytes ||
      (tail - this.#released) >>> 0 < (seen - this.#released) >>> 0
    ) {
      corrupt('ring tail', tail);
    }
    this.#tailSeen = tail;
    return tail;
  }

  /** What is no record of the user's must be padding that reaches exactly to the end of the data. */
  #skipPad(head: number, tail: number, length: number, kind: number): number {
    const toEnd = this.capacityBytes - (head & this.#mask);
    if (kind !== KIND_PAD) {
      if ((kind - 1) >>> 0 >= KIND_MAX) corrupt('record kind', kind);
      corrupt('record length', length);
    }
    if (length !== toEnd - HEADER_BYTES) corrupt('padding length', length);
    if (((tail - head) | 0) < toEnd) corrupt('padding beyond the tail', length);
    return (head + toEnd) | 0;
  }
}
