import { BACK_PRESSURED, CLOSED, TendonError } from '../core/index.ts';
import { copyIntoRecord } from './copy.ts';
import { corrupt, misuse, recordRefused } from './failures.ts';
import * as layout from './layout.ts';
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

/** The ring as a side needs it. */
export interface SpscSideOptions {
  readonly memory: ArrayBufferLike;
  readonly byteOffset: number;
  readonly capacityBytes: number;
}

/**
 * The sending side of an `SpscRing`: claim, write in place, commit; or `offer` a copy.
 *
 * Nothing here waits. What the consumer can write, its position and the parked flag, is bounded on every read.
 */
export class SpscProducer {
  /** The data of the ring: claims are offsets into it. Other records lie beside yours: stay within the claim. */
  readonly bytes: Uint8Array;
  readonly capacityBytes: number;
  /** The largest body of one record. */
  readonly maxRecordBytes: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  /** Unpublished bytes that a corked batch gathers before it goes out on its own, so that the consumer can start. */
  readonly #corkBytes: number;
  /** Where the next record begins: ours alone, never read back from memory. */
  #tail: number;
  /** Where the claimed record ends; equal to `#tail` when none is claimed. */
  #claimEnd: number;
  #claimLength: number;
  /** The tail that the consumer knows. */
  #published: number;
  /** How far the tail may go before the head has to be read again. */
  #limit: number;
  #corked: boolean;
  #closed: boolean;
  readonly #waiter: RingWaiter;

  /** Use `SpscRing.producer()`: it checks what is given here. */
  constructor(ring: SpscSideOptions, tail: number, head: number, waiter: RingWaiter = NO_WAITER) {
    const { memory, byteOffset, capacityBytes } = ring;
    this.bytes = new Uint8Array(memory, byteOffset + SPSC_DATA_OFFSET, capacityBytes);
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(capacityBytes);
    this.#words = new Int32Array(memory, byteOffset, (SPSC_DATA_OFFSET + capacityBytes) / 4);
    this.#mask = capacityBytes - 1;
    this.#corkBytes = capacityBytes / 4;
    this.#tail = tail;
    this.#claimEnd = tail;
    this.#claimLength = 0;
    this.#published = tail;
    this.#limit = (head + capacityBytes) | 0;
    this.#corked = false;
    this.#closed = false;
    this.#waiter = waiter;
  }

  /**
   * Reserves a record to be written in place. @hot
   *
   * @param length bytes of the body, at most `maxRecordBytes`
   * @param kind what the record is, 1 to 255; the ring passes it on and gives it no meaning
   * @returns the offset of the body in `bytes`, a multiple of 8; or BACK_PRESSURED, or CLOSED
   * @throws TendonError FRAME_TOO_LARGE, OPTION_INVALID; STATE_INVALID when a claim is open; REGION_CORRUPT
   */
  tryClaim(length: number, kind = 1): number {
    let tail = this.#tail;
    if (this.#claimEnd !== tail) misuse('the last claim was neither committed nor aborted');
    if (!(length >= 0 && length <= this.maxRecordBytes) || (kind - 1) >>> 0 >= KIND_MAX) {
      recordRefused(length, kind, this.maxRecordBytes);
    }
    const words = this.#words;
    const size = (length + RECORD_ROUND) & RECORD_MASK;
    let at = tail & this.#mask;
    const toEnd = this.capacityBytes - at;
    if (size <= toEnd) {
      if (((this.#limit - tail) | 0) < size && !this.#findRoom(size)) return this.#refusal();
    } else {
      if (((this.#limit - tail) | 0) < size + toEnd && !this.#findRoom(size + toEnd)) return this.#refusal();
      const pad = SPSC_DATA_WORD + (at >> 2);
      words[pad] = toEnd - HEADER_BYTES;
      words[pad + 1] = KIND_PAD;
      tail = (tail + toEnd) | 0;
      this.#tail = tail;
      at = 0;
    }
    const header = SPSC_DATA_WORD + (at >> 2);
    words[header] = length;
    words[header + 1] = kind;
    this.#claimLength = length;
    this.#claimEnd = (tail + size) | 0;
    return at + HEADER_BYTES;
  }

  /**
   * Ends the claim: the bytes are final, and (unless corked) the consumer sees them. @hot
   *
   * @param length fewer bytes than were claimed, when that turned out to be enough
   * @throws TendonError STATE_INVALID without a claim; OPTION_INVALID when longer than the claim
   */
  commit(length?: number): void {
    if (length !== undefined) this.#shorten(length);
    const tail = this.#claimEnd;
    if (tail === this.#tail) misuse('commit without a claim');
    this.#tail = tail;
    if (this.#corked && ((tail - this.#published) | 0) < this.#corkBytes) return;
    this.#publish(tail);
  }

  /** Gives the claim back: nothing was sent. Without a claim it does nothing. */
  abort(): void {
    this.#claimEnd = this.#tail;
  }

  /**
   * Copies one record into the ring. @hot
   *
   * @returns the offset of the copy in `bytes`, or BACK_PRESSURED, or CLOSED
   * @throws TendonError as `tryClaim`; OPTION_INVALID when the range does not lie within `source`
   */
  offer(source: Uint8Array, offset = 0, length: number = source.length - offset, kind = 1): number {
    if (!(offset >= 0 && length >= 0 && offset + length <= source.length)) {
      throw new TendonError(
        'OPTION_INVALID',
        `offset and length must lie within the ${source.length} bytes of the source, got ${offset} and ${length}`,
        { option: 'offset', value: offset },
      );
    }
    const at = this.tryClaim(length, kind);
    if (at < 0) return at;
    copyIntoRecord(this.bytes, this.#words, SPSC_DATA_WORD, at, source, offset, length);
    this.commit();
    return at;
  }

  /**
   * From here on `commit` gathers; `uncork` publishes. A batch of more than a quarter of the ring, or one that meets
   * a full ring, goes out in parts on its own, so a corked producer never starves its consumer.
   */
  cork(): void {
    this.#corked = true;
  }

  /** Publishes what was gathered, with one atomic store, and goes back to publishing each record. */
  uncork(): void {
    this.#corked = false;
    this.publish();
  }

  /** Publishes what was gathered; stays corked. */
  publish(): void {
    const tail = this.#tail;
    if (tail !== this.#published) this.#publish(tail);
  }

  /**
   * Tells the consumer that this side sleeps until there is room for a record of `length` bytes; publishes first.
   * When it answers true, go to sleep: the waiter of the consumer will be called once. Then `unpark`.
   *
   * @returns false when there is room (or the ring was closed): do not sleep
   */
  park(length = 0): boolean {
    this.publish();
    const size = (length + RECORD_ROUND) & RECORD_MASK;
    const toEnd = this.capacityBytes - (this.#tail & this.#mask);
    const wanted = size <= toEnd ? size : size + toEnd;
    Atomics.store(this.#words, PRODUCER_PARKED_WORD, wanted); // SYNC(ring.producer-parked) release
    // The flag first, the look second: a consumer that frees room after this look has seen the flag.
    if (!this.#closed && !this.#findRoom(wanted)) return true;
    this.unpark();
    return false;
  }

  /** Takes the flag of `park` back; harmless when it is not set. */
  unpark(): void {
    Atomics.store(this.#words, PRODUCER_PARKED_WORD, 0);
  }

  /** Where the next record begins: bytes since the start, modulo 2^32, as an int32. */
  get position(): number {
    return this.#tail;
  }

  /** Where the consumer is, in the same count. @throws TendonError REGION_CORRUPT */
  get consumerPosition(): number {
    return this.#readHead();
  }

  /** Bytes that were committed (or corked) and are not consumed yet. @throws TendonError REGION_CORRUPT */
  get usedBytes(): number {
    return (this.#tail - this.#readHead()) | 0;
  }

  /** Bytes free for records, headers included. @throws TendonError REGION_CORRUPT */
  get freeBytes(): number {
    return this.capacityBytes - this.usedBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Publishes what was committed and refuses everything after. It is for this side only: the consumer is not told.
   * Call it before the memory is unmapped. The second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.abort();
    if (this.#words.length !== 0) this.publish();
    this.#closed = true;
    this.#limit = this.#tail; // no room: the next claim takes the slow way and finds CLOSED
  }

  #publish(tail: number): void {
    const words = this.#words;
    this.#published = tail;
    Atomics.store(words, TAIL_WORD, tail); // SYNC(ring.tail) release: bytes first, position second
    // SYNC(ring.consumer-parked) acquire: after the tail, so that a consumer that missed the tail is seen parked
    if (Atomics.load(words, CONSUMER_PARKED_WORD) !== 0) this.#wakeConsumer();
  }

  /** Whoever takes the flag away rings: one doorbell for each time the consumer parked. */
  #wakeConsumer(): void {
    if (Atomics.exchange(this.#words, CONSUMER_PARKED_WORD, 0) !== 0) this.#waiter.notify();
  }

  /** Reads the head again; says whether `bytes` are free now. */
  #findRoom(bytes: number): boolean {
    if (this.#closed) return false;
    const limit = (this.#readHead() + this.capacityBytes) | 0;
    this.#limit = limit;
    return ((limit - this.#tail) | 0) >= bytes;
  }

  /** The consumer's position, which it may set to anything: bounded by what it had and by what it was given. */
  #readHead(): number {
    const head = Atomics.load(this.#words, HEAD_WORD); // SYNC(ring.head) acquire: the consumer has left the bytes
    if (!this.#closed) {
      const seen = (this.#limit - this.capacityBytes) | 0;
      if ((head & 7) !== 0 || (head - seen) >>> 0 > (this.#published - seen) >>> 0)
        corrupt('ring head', head);
    }
    return head;
  }

  /** Full or closed. What a full ring holds must be visible, or nobody would ever empty it. */
  #refusal(): number {
    if (this.#closed) return CLOSED;
    this.publish();
    return BACK_PRESSURED;
  }

  #shorten(length: number): void {
    if (this.#claimEnd === this.#tail) return; // commit() says so
    if (!(length >= 0 && length <= this.#claimLength)) {
      throw new TendonError(
        'OPTION_INVALID',
        `length must be from 0 to the ${this.#claimLength} bytes claimed, got ${length}`,
        { option: 'length', value: length },
      );
    }
    this.#words[SPSC_DATA_WORD + ((this.#tail & this.#mask) >> 2)] = length;
    this.#claimEnd = (this.#tail + ((length + RECORD_ROUND) & RECORD_MASK)) | 0;
  }
}
