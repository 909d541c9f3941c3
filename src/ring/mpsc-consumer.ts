import { CLOSED } from '../core/index.ts';
import { corrupt, misuse } from './failures.ts';
import {
  CONSUMER_PARKED_WORD,
  HEAD_WORD,
  HEADER_BYTES,
  MPSC_DATA_OFFSET,
  MPSC_DATA_WORD,
  MPSC_SLOTS,
  maxRecordBytesOf,
  PRODUCER_PARKED_WORD,
  RECORD_MASK,
  RECORD_ROUND,
  SLOT_GENERATION,
  SLOT_INTENT_BYTES,
  SLOT_INTENT_POSITION,
  SLOT_OWNER,
  slotWord,
  TAIL_WORD,
} from './layout.ts';
import type { RecordHandler } from './spsc-consumer.ts';
import type { SpscSideOptions } from './spsc-producer.ts';
import { NO_WAITER, type RingWaiter } from './waiter.ts';

/** What the consumer is doing. */
const IDLE = 0;
const POLLING = 1;
const STOPPING = 2;

/** Answers whether the producer that was opened with this `ownerId` can still write. A wrong `false` loses records. */
export type Liveness = (ownerId: number) => boolean;

/**
 * The receiving side of an `MpscRing`. Records come in the order of their claims, so one that is still being written
 * holds up those behind it; `unblock` takes back what a dead producer left.
 *
 * What producers write is input: bounded before use, REGION_CORRUPT when it cannot be.
 */
export class MpscConsumer {
  /** The data of the ring, where handlers find their records. */
  readonly bytes: Uint8Array;
  readonly capacityBytes: number;
  readonly maxRecordBytes: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #releaseBytes: number;
  #head: number;
  #released: number;
  #tailSeen: number;
  #state: number;
  #closed: boolean;
  readonly #waiter: RingWaiter;

  /** Use `MpscRing.consumer()`. */
  constructor(ring: SpscSideOptions, tail: number, head: number, waiter: RingWaiter = NO_WAITER) {
    const { memory, byteOffset, capacityBytes } = ring;
    this.bytes = new Uint8Array(memory, byteOffset + MPSC_DATA_OFFSET, capacityBytes);
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(capacityBytes);
    this.#words = new Int32Array(memory, byteOffset, (MPSC_DATA_OFFSET + capacityBytes) / 4);
    this.#mask = capacityBytes - 1;
    this.#releaseBytes = capacityBytes / 4;
    this.#head = head;
    this.#released = head;
    this.#tailSeen = tail;
    this.#state = IDLE;
    this.#closed = false;
    this.#waiter = waiter;
  }

  /**
   * Hands committed records to `handler`, in the order of their claims, up to the first that is not committed. @hot
   *
   * @returns how many were handed over; 0 when there was none; CLOSED after `close`
   * @throws TendonError REGION_CORRUPT; STATE_INVALID inside a handler; and whatever the handler throws, its record
   *   consumed
   */
  poll(handler: RecordHandler, limit = 0x7fffffff): number {
    if (this.#state !== IDLE) misuse('poll inside a handler');
    if (this.#closed) return CLOSED;
    const words = this.#words;
    const bytes = this.bytes;
    const tail = this.#readTail();
    let head = this.#head;
    if (head === tail) return 0;
    let count = 0;
    this.#state = POLLING;
    try {
      while (head !== tail && count < limit) {
        const at = head & this.#mask;
        const header = MPSC_DATA_WORD + (at >> 2);
        const state = Atomics.load(words, header); // SYNC(ring.record) acquire: header and body are final
        if (state <= 0) break;
        const kind = words[header + 1]! & 255;
        const size = this.#checkedSize(head, tail, state, kind);
        if (((head - this.#released) | 0) >= this.#releaseBytes) this.#release(head);
        head = (head + size) | 0;
        if (kind === 0) continue;
        count++;
        handler(bytes, at + HEADER_BYTES, state - HEADER_BYTES, kind);
        if (this.#state !== POLLING) break;
      }
    } finally {
      this.#state = IDLE;
      this.#head = head;
      if (head !== this.#released && words.length !== 0) this.#release(head);
    }
    return count;
  }

  /** Called by a handler: its record is the last one of this `poll`. */
  stop(): void {
    if (this.#state === POLLING) this.#state = STOPPING;
  }

  /** True when something is claimed but the oldest claim is not committed, so that `poll` answers 0. */
  get blocked(): boolean {
    const head = this.#head;
    return this.#readTail() !== head && Atomics.load(this.#words, this.#headerAt(head)) <= 0;
  }

  /**
   * Takes back what dead producers claimed and never committed, and their slots. For a caller that found the ring
   * `blocked` for longer than a living producer needs, or saw a producer die.
   *
   * A claim that may still belong to a living producer is left alone. An owner that is judged dead must never write
   * again: it would write into memory that is somebody else's by then.
   *
   * @returns how many claims became padding
   * @throws TendonError REGION_CORRUPT; STATE_INVALID inside a handler
   */
  unblock(isAlive: Liveness): number {
    if (this.#state !== IDLE) misuse('unblock inside a handler');
    if (this.#closed) return 0;
    const tail = this.#readTail();
    let recovered = 0;
    for (let slot = 0; slot < MPSC_SLOTS; slot++) {
      const word = slotWord(slot);
      const owner = Atomics.load(this.#words, word + SLOT_OWNER);
      if (owner === 0 || isAlive(owner)) continue;
      const outcome = this.#resolveIntent(slot, tail, isAlive);
      if (outcome < 0) continue; // a living producer may have won that claim: look again later
      recovered += outcome;
      this.#words[word + SLOT_INTENT_BYTES] = 0;
      // A record of this owner further on is found by its slot being free or of another generation.
      Atomics.compareExchange(this.#words, word + SLOT_OWNER, owner, 0);
    }
    return recovered + this.#recoverClaims(tail, isAlive);
  }

  /** Tells producers that this side sleeps; see `SpscConsumer.park`. A record that is not committed does not count. */
  park(): boolean {
    Atomics.store(this.#words, CONSUMER_PARKED_WORD, 1); // SYNC(ring.consumer-parked) release
    if (!this.#closed) {
      const tail = this.#readTail();
      if (tail === this.#head || Atomics.load(this.#words, this.#headerAt(this.#head)) <= 0) return true;
    }
    this.unpark();
    return false;
  }

  unpark(): void {
    Atomics.store(this.#words, CONSUMER_PARKED_WORD, 0);
  }

  /** Where the next record begins: bytes since the start, modulo 2^32, as an int32. */
  get position(): number {
    return this.#head;
  }

  /** Bytes claimed and not consumed. @throws TendonError REGION_CORRUPT */
  get claimedBytes(): number {
    return (this.#readTail() - this.#head) | 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Refuses everything after, on this side only. Call it before the memory is unmapped. */
  close(): void {
    this.#closed = true;
    this.stop();
  }

  #headerAt(position: number): number {
    return MPSC_DATA_WORD + ((position & this.#mask) >> 2);
  }

  /** Zero first, then the head: a claim must find no trace of older records, or it could pass for a record itself. */
  #release(head: number): void {
    const words = this.#words;
    const from = this.#released & this.#mask;
    const bytes = (head - this.#released) | 0;
    const toEnd = this.capacityBytes - from;
    if (bytes <= toEnd) {
      this.bytes.fill(0, from, from + bytes);
    } else {
      this.bytes.fill(0, from);
      this.bytes.fill(0, 0, bytes - toEnd);
    }
    this.#released = head;
    Atomics.store(words, HEAD_WORD, head); // SYNC(ring.head) release: reads and zeros first, position second
    // SYNC(ring.producer-parked) acquire: after the head, so that a producer that missed the head is seen parked
    if (Atomics.load(words, PRODUCER_PARKED_WORD) !== 0) this.#wakeProducers();
  }

  /** Half of the ring must be free: more than any record and its padding need. */
  #wakeProducers(): void {
    const words = this.#words;
    const used = (Atomics.load(words, TAIL_WORD) - this.#released) | 0;
    if (used > this.capacityBytes / 2) return;
    if (Atomics.exchange(words, PRODUCER_PARKED_WORD, 0) !== 0) this.#waiter.notify();
  }

  #readTail(): number {
    const tail = Atomics.load(this.#words, TAIL_WORD); // SYNC(ring.tail) acquire
    const used = (tail - this.#released) >>> 0;
    if ((tail & 7) !== 0 || used > this.capacityBytes || used < (this.#tailSeen - this.#released) >>> 0) {
      corrupt('ring tail', tail);
    }
    this.#tailSeen = tail;
    return tail;
  }

  /** Bytes that a committed record or padding takes, bounded by the data and by the tail. */
  #checkedSize(head: number, tail: number, state: number, kind: number): number {
    const size = kind === 0 ? state : (state - HEADER_BYTES + RECORD_ROUND) & RECORD_MASK;
    if (kind === 0) {
      if ((state & 7) !== 0) corrupt('padding length', state);
    } else if (state < HEADER_BYTES || state - HEADER_BYTES > this.maxRecordBytes) {
      corrupt('record length', state - HEADER_BYTES);
    }
    if (size > ((tail - head) | 0) || size > this.capacityBytes - (head & this.#mask)) {
      corrupt('record length', state);
    }
    return size;
  }

  /**
   * A producer died with an intent. When its claim has no header yet, the claim becomes padding.
   * @returns claims taken back, 0 or 1; -1 when a living producer announced the same place and either may have it
   */
  #resolveIntent(slot: number, tail: number, isAlive: Liveness): number {
    const words = this.#words;
    const position = words[slotWord(slot) + SLOT_INTENT_POSITION]!;
    if (!this.#intends(slot, position, tail)) return 0;
    if (Atomics.load(words, this.#headerAt(position)) !== 0) return 0; // somebody won it and wrote the header
    let bytes = 0;
    for (let other = 0; other < MPSC_SLOTS; other++) {
      if (!this.#intends(other, position, tail)) continue;
      const owner = Atomics.load(words, slotWord(other) + SLOT_OWNER);
      if (owner !== 0 && isAlive(owner)) return -1;
      // Several dead: the claim is the one that ends where another begins.
      const claim = words[slotWord(other) + SLOT_INTENT_BYTES]!;
      if (bytes === 0 || this.#beginsAt((position + claim) | 0, tail)) bytes = claim;
    }
    this.#pad(position, bytes);
    return 1;
  }

  /** Does this slot announce a claim at `position`, within what is claimed? Its words are bounded here. */
  #intends(slot: number, position: number, tail: number): boolean {
    const word = slotWord(slot);
    const bytes = this.#words[word + SLOT_INTENT_BYTES]!;
    if (bytes === 0 || this.#words[word + SLOT_INTENT_POSITION] !== position || (position & 7) !== 0)
      return false;
    const before = (position - this.#head) | 0;
    const after = (tail - position) | 0;
    return before >= 0 && after > 0 && bytes > 0 && (bytes & 7) === 0 && bytes <= after;
  }

  /** Is there a header, an intent or the tail at this position? */
  #beginsAt(position: number, tail: number): boolean {
    if (position === tail || Atomics.load(this.#words, this.#headerAt(position)) !== 0) return true;
    for (let slot = 0; slot < MPSC_SLOTS; slot++) if (this.#intends(slot, position, tail)) return true;
    return false;
  }

  /** Turns `bytes` from `position` into padding; in two parts when they go around the end. */
  #pad(position: number, bytes: number): void {
    const toEnd = this.capacityBytes - (position & this.#mask);
    if (bytes > toEnd) {
      this.#padPart((position + toEnd) | 0, bytes - toEnd);
      this.#padPart(position, toEnd);
    } else {
      this.#padPart(position, bytes);
    }
  }

  #padPart(position: number, bytes: number): void {
    const header = this.#headerAt(position);
    this.#words[header + 1] = 0;
    Atomics.store(this.#words, header, bytes);
  }

  /** Walks the claims from the head on and turns those of the dead into padding. */
  #recoverClaims(tail: number, isAlive: Liveness): number {
    const words = this.#words;
    let recovered = 0;
    let position = this.#head;
    while (position !== tail) {
      const header = this.#headerAt(position);
      const state = Atomics.load(words, header); // SYNC(ring.record) acquire
      if (state === 0) break; // a living producer is about to write its header
      const signature = words[header + 1]!;
      if (state > 0) {
        position = (position + this.#checkedSize(position, tail, state, signature & 255)) | 0;
        continue;
      }
      const size = this.#checkedSize(position, tail, -state | 0, signature & 255);
      if (!this.#ownerLives(signature, isAlive)) {
        words[header + 1] = 0;
        if (Atomics.compareExchange(words, header, state, size) === state) recovered++;
      }
      position = (position + size) | 0;
    }
    return recovered;
  }

  #ownerLives(signature: number, isAlive: Liveness): boolean {
    const slot = slotWord((signature >>> 8) & (MPSC_SLOTS - 1));
    const owner = Atomics.load(this.#words, slot + SLOT_OWNER);
    return owner !== 0 && this.#words[slot + SLOT_GENERATION] === signature >>> 16 && isAlive(owner);
  }
}
