import { CLOSED } from '../core/index.ts';
import { corrupt, misuse } from './failures.ts';
import {
  BROADCAST_DATA_OFFSET,
  BROADCAST_DATA_WORD,
  BROADCAST_HEADER_BYTES,
  BROADCAST_MASK,
  BROADCAST_ROUND,
  CURSOR_LOST_HIGH_WORD,
  CURSOR_LOST_LOW_WORD,
  CURSOR_NEXT_HIGH_WORD,
  CURSOR_NEXT_LOW_WORD,
  CURSOR_POSITION_WORD,
  CURSOR_READING,
  CURSOR_SEQUENCE_HIGH_WORD,
  CURSOR_SEQUENCE_LOW_WORD,
  CURSOR_START_WORD,
  CURSOR_STATE_WORD,
  KIND_MAX,
  KIND_PAD,
  POLICY_DROP,
  POLICY_WAIT,
  READER_PARKED_WORD,
  RESERVED_WORD,
  SEGMENTS,
  SEGMENTS_WORD,
  TAIL_WORD,
  WRITER_PARKED_WORD,
} from './layout.ts';
import type { RecordHandler } from './spsc-consumer.ts';
import type { SpscSideOptions } from './spsc-producer.ts';
import { NO_WAITER, type RingWaiter } from './waiter.ts';

const IDLE = 0;
const POLLING = 1;
const STOPPING = 2;

/**
 * One reader of a `BroadcastRing`. It writes nothing but its cursor, so the data may be mapped read-only.
 *
 * With policy 'wait' the writer never overwrites what is unread and handlers get records in place. With the others it
 * may, at any moment: a poll copies what is there in one go, then checks that it was not overtaken, then hands out
 * records of its own copy. Either way each record's 64-bit sequence number must be the expected one.
 */
export class BroadcastReader {
  readonly capacityBytes: number;
  readonly maxRecordBytes: number;
  readonly #data: Uint8Array;
  readonly #words: Int32Array;
  readonly #cursor: Int32Array;
  readonly #mask: number;
  readonly #policy: number;
  readonly #releaseBytes: number;
  /** Our copy of the ring's next bytes, for the policies that overwrite; empty otherwise. */
  readonly #copy: Uint8Array;
  readonly #copyWords: Int32Array;
  /** What of the copy was not handed over yet. */
  #copyAt: number;
  #copyEnd: number;
  #head: number;
  #released: number;
  /** The sequence number of the next record, unless `#resync`: then any later one, and the gap is what was lost. */
  #sequenceLow: number;
  #sequenceHigh: number;
  #resync: boolean;
  #lost: number;
  #overtaken: number;
  #state: number;
  #closed: boolean;
  readonly #waiter: RingWaiter;

  /** Use `BroadcastRing.reader()`. */
  constructor(ring: SpscSideOptions, policy: number, cursor: Int32Array, waiter: RingWaiter = NO_WAITER) {
    const { memory, byteOffset, capacityBytes } = ring;
    const start = cursor[CURSOR_START_WORD]!;
    if ((start & 15) !== 0) corrupt('cursor start', start);
    const copyBytes = policy === POLICY_WAIT ? 0 : capacityBytes / 4;
    const copy = new ArrayBuffer(copyBytes);
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = capacityBytes / 4 - BROADCAST_HEADER_BYTES;
    this.#data = new Uint8Array(memory, byteOffset + BROADCAST_DATA_OFFSET, capacityBytes);
    this.#words = new Int32Array(memory, byteOffset, (BROADCAST_DATA_OFFSET + capacityBytes) / 4);
    this.#cursor = cursor;
    this.#mask = capacityBytes - 1;
    this.#policy = policy;
    this.#releaseBytes = capacityBytes / 8;
    this.#copy = new Uint8Array(copy);
    this.#copyWords = new Int32Array(copy);
    this.#copyAt = 0;
    this.#copyEnd = 0;
    this.#head = start;
    this.#released = start;
    this.#sequenceLow = cursor[CURSOR_SEQUENCE_LOW_WORD]!;
    this.#sequenceHigh = cursor[CURSOR_SEQUENCE_HIGH_WORD]!;
    this.#resync = false;
    this.#lost = 0;
    this.#overtaken = 0;
    this.#state = IDLE;
    this.#closed = false;
    this.#waiter = waiter;
  }

  /**
   * Hands records to `handler`, oldest first: in place with policy 'wait', else from a copy that is reused by the
   * next poll. A reader that was overtaken under 'drop' goes on further ahead; see `lostRecords`. @hot
   *
   * @returns how many were handed over; 0 when there was none; CLOSED after `close` or when the writer evicted this
   *   reader
   * @throws TendonError REGION_CORRUPT; STATE_INVALID inside a handler; and whatever the handler throws, its record
   *   consumed
   */
  poll(handler: RecordHandler, limit = 0x7fffffff): number {
    if (this.#state !== IDLE) misuse('poll inside a handler');
    if (this.#closed) return CLOSED;
    if (this.#policy === POLICY_WAIT) return this.#pollInPlace(handler, limit);
    return this.#pollCopy(handler, limit);
  }

  /** Called by a handler: its record is the last one of this `poll`. */
  stop(): void {
    if (this.#state === POLLING) this.#state = STOPPING;
  }

  /** Records that the writer overwrote before this reader came; a gap is counted with the first record after it. */
  get lostRecords(): number {
    return this.#lost;
  }

  /** How often this reader was overtaken. */
  get timesOvertaken(): number {
    return this.#overtaken;
  }

  /** The writer has given this reader up. */
  get evicted(): boolean {
    return this.#cursor[CURSOR_STATE_WORD] !== CURSOR_READING; // SYNC(cursor.state) acquire
  }

  /** Tells the writer that this reader sleeps; see `SpscConsumer.park`. */
  park(): boolean {
    Atomics.store(this.#cursor, READER_PARKED_WORD, 1); // SYNC(cursor.reader-parked) release
    if (!this.#closed && !this.evicted && this.#readTail() === this.#head) return true;
    this.unpark();
    return false;
  }

  unpark(): void {
    Atomics.store(this.#cursor, READER_PARKED_WORD, 0);
  }

  /** Where the next record begins: bytes since the start, modulo 2^32, as an int32. */
  get position(): number {
    return this.#head;
  }

  /** The number of the next record, if nothing gets lost before it. */
  get sequence(): number {
    return this.#sequenceHigh * 2 ** 32 + (this.#sequenceLow >>> 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Refuses everything after. The writer is not told: it has to remove the reader. */
  close(): void {
    this.#closed = true;
    this.stop();
  }

  #pollInPlace(handler: RecordHandler, limit: number): number {
    if (this.evicted) return CLOSED;
    const words = this.#words;
    const tail = this.#readTail();
    let head = this.#head;
    if ((tail - head) >>> 0 > this.capacityBytes) corrupt('ring tail', tail);
    let count = 0;
    this.#state = POLLING;
    try {
      while (head !== tail && count < limit) {
        const at = head & this.#mask;
        const header = BROADCAST_DATA_WORD + (at >> 2);
        const length = words[header]!;
        const kind = words[header + 1]!;
        const size = this.#checkedSize(
          length,
          kind,
          Math.min((tail - head) | 0, this.capacityBytes - at),
          at,
        );
        if (((head - this.#released) | 0) >= this.#releaseBytes) this.#release(head);
        if (kind !== KIND_PAD && !this.#expected(words[header + 2]!, words[header + 3]!)) {
          corrupt('record sequence', words[header + 2]!);
        }
        head = (head + size) | 0;
        if (kind === KIND_PAD) continue;
        count++;
        handler(this.#data, at + BROADCAST_HEADER_BYTES, length, kind);
        if (this.#state !== POLLING) break;
      }
    } finally {
      this.#state = IDLE;
      this.#head = head;
      if (head !== this.#released && words.length !== 0) this.#release(head);
    }
    return count;
  }

  #pollCopy(handler: RecordHandler, limit: number): number {
    const words = this.#copyWords;
    let count = 0;
    // Each lap is one copy; the laps end with what was published at the start, so that a poll ends.
    const tail = this.#readTail();
    this.#state = POLLING;
    try {
      while (count < limit && this.#state === POLLING) {
        if (this.#copyAt === this.#copyEnd && !this.#refill(tail)) break;
        const at = this.#copyAt;
        const header = at >> 2;
        const length = words[header]!;
        const kind = words[header + 1]!;
        const left = this.#copyEnd - at;
        const size = (length + BROADCAST_ROUND) & BROADCAST_MASK;
        if (length >= 0 && size > left && at !== 0) {
          this.#copyEnd = at; // the copy ends within this record: the next one begins with it
          continue;
        }
        this.#checkedSize(length, kind, left, this.#head & this.#mask);
        if (kind !== KIND_PAD && !this.#expected(words[header + 2]!, words[header + 3]!)) {
          // Overtaken by a whole number of laps of the 32-bit position: only the full sequence can tell.
          this.#copyEnd = at;
          if (!this.#jump()) break;
          continue;
        }
        this.#head = (this.#head + size) | 0;
        this.#copyAt = at + size;
        if (kind === KIND_PAD) continue;
        count++;
        handler(this.#copy, at + BROADCAST_HEADER_BYTES, length, kind);
      }
    } finally {
      this.#state = IDLE;
      if (this.#head !== this.#released && this.#words.length !== 0) this.#release(this.#head);
    }
    return count === 0 && this.evicted ? CLOSED : count;
  }

  /** Copies the next published bytes, as far as they are contiguous; false when there are none (or we were evicted). */
  #refill(tail: number): boolean {
    if (this.evicted) return false;
    if (this.#isOvertaken() && !this.#jump()) return false;
    const available = (tail - this.#head) | 0;
    if (available <= 0) return false;
    const at = this.#head & this.#mask;
    const bytes = Math.min(available, this.capacityBytes - at, this.#copy.length);
    this.#copy.set(this.#data.subarray(at, at + bytes));
    this.#copyAt = 0;
    this.#copyEnd = bytes;
    if (!this.#isOvertaken()) return true;
    // Overwritten while we copied: none of it counts.
    this.#copyEnd = 0;
    this.#jump();
    return false;
  }

  #isOvertaken(): boolean {
    const reserved = Atomics.load(this.#words, RESERVED_WORD); // SYNC(broadcast.reserved) acquire
    return (reserved - this.#head) >>> 0 > this.capacityBytes;
  }

  /**
   * Goes on at the oldest record that the writer will not reach soon. The records in between are counted as lost when
   * the next one shows its number.
   * @returns false under 'disconnect': an overtaken reader is out
   */
  #jump(): boolean {
    if (this.#policy !== POLICY_DROP) return false;
    if (!this.#resync) this.#overtaken++;
    this.#resync = true;
    const tail = this.#readTail();
    const reach = (this.capacityBytes / SEGMENTS) * 5;
    const current = Math.floor(((tail & this.#mask) * SEGMENTS) / this.capacityBytes);
    for (let step = 3; step <= SEGMENTS; step++) {
      const position = this.#words[SEGMENTS_WORD + ((current + step) & (SEGMENTS - 1))]!;
      const behind = (tail - position) | 0;
      if (behind <= 0 || behind > reach || (position & 15) !== 0) continue;
      this.#head = position;
      return true;
    }
    this.#head = tail;
    return true;
  }

  /** Compares a record's number with the expected one, counts a gap after a jump, and moves on to the next. */
  #expected(low: number, high: number): boolean {
    if (low !== this.#sequenceLow || high !== this.#sequenceHigh) {
      if (!this.#resync) return false;
      const gap = (high - this.#sequenceHigh) * 2 ** 32 + ((low >>> 0) - (this.#sequenceLow >>> 0));
      if (gap < 0 || !Number.isSafeInteger(this.#lost + gap)) corrupt('record sequence', low);
      this.#lost += gap;
    }
    this.#resync = false;
    this.#sequenceLow = (low + 1) | 0;
    this.#sequenceHigh = this.#sequenceLow === 0 ? (high + 1) | 0 : high;
    return true;
  }

  #checkedSize(length: number, kind: number, left: number, at: number): number {
    if (kind === KIND_PAD) {
      if (length !== this.capacityBytes - at - BROADCAST_HEADER_BYTES) corrupt('padding length', length);
    } else {
      if ((kind - 1) >>> 0 >= KIND_MAX) corrupt('record kind', kind);
      if (length >>> 0 > this.maxRecordBytes) corrupt('record length', length);
    }
    const size = (length + BROADCAST_ROUND) & BROADCAST_MASK;
    if (size > left) corrupt('record length', length);
    return size;
  }

  #release(head: number): void {
    const cursor = this.#cursor;
    this.#released = head;
    // The number before the loss: a writer that looks in between counts too few for a moment, never too many.
    cursor[CURSOR_NEXT_LOW_WORD] = this.#sequenceLow;
    cursor[CURSOR_NEXT_HIGH_WORD] = this.#sequenceHigh;
    cursor[CURSOR_LOST_LOW_WORD] = (this.#lost % 2 ** 32) | 0;
    cursor[CURSOR_LOST_HIGH_WORD] = this.#lost / 2 ** 32;
    Atomics.store(cursor, CURSOR_POSITION_WORD, head); // SYNC(cursor.position) release
    // SYNC(cursor.writer-parked) acquire: after the position, so that a writer that missed it is seen parked
    if (Atomics.load(cursor, WRITER_PARKED_WORD) === 0) return;
    if (Atomics.exchange(cursor, WRITER_PARKED_WORD, 0) !== 0) this.#waiter.notify();
  }

  #readTail(): number {
    const tail = Atomics.load(this.#words, TAIL_WORD); // SYNC(broadcast.tail) acquire
    if ((tail & 15) !== 0) corrupt('ring tail', tail);
    return tail;
  }
}
