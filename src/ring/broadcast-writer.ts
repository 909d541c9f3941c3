// Over 400 lines because the claim, its publication and what it does to each reader are one state machine.
import { BACK_PRESSURED, CLOSED, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { checkPlace } from './control-block.ts';
import { copyIntoRecord } from './copy.ts';
import { misuse, recordRefused } from './failures.ts';
import {
  BROADCAST_DATA_OFFSET,
  BROADCAST_DATA_WORD,
  BROADCAST_HEADER_BYTES,
  BROADCAST_MASK,
  BROADCAST_ROUND,
  CURSOR_BYTES,
  CURSOR_EVICTED,
  CURSOR_LOST_HIGH_WORD,
  CURSOR_LOST_LOW_WORD,
  CURSOR_MAGIC,
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
  MAGIC_WORD,
  POLICY_DISCONNECT,
  POLICY_WAIT,
  READER_PARKED_WORD,
  RESERVED_WORD,
  SEGMENTS,
  SEGMENTS_WORD,
  TAIL_WORD,
  VERSION,
  VERSION_WORD,
  WRITER_PARKED_WORD,
} from './layout.ts';
import type { SpscSideOptions } from './spsc-producer.ts';
import { NO_WAITER, type RingWaiter } from './waiter.ts';

/** Why the writer gave a reader up: too far behind (policy 'disconnect'), or a cursor that no correct reader writes. */
export type EvictionReason = 'lagging' | 'corrupt';

export interface BroadcastWriterOptions {
  /** Called when a reader was evicted, from within the claim that found it; it must not use the writer. */
  readonly onEvicted?: (cursor: BroadcastCursor, reason: EvictionReason) => void;
}

export interface BroadcastCursorOptions {
  /** Memory of the cursor: at least `BroadcastRing.cursorBytes`, shared with this reader only. */
  readonly memory: ArrayBufferLike;
  /** A multiple of 64. Default 0. */
  readonly byteOffset?: number;
  /** Called when this reader parked and something was published. */
  readonly waiter?: RingWaiter;
}

/** One reader as the writer knows it. */
export class BroadcastCursor {
  readonly words: Int32Array;
  readonly waiter: RingWaiter;
  /** The last position that was believed. */
  seen: number;
  /** The most records that were seen to be lost. */
  lost: number;

  /** Made by `BroadcastWriter.addReader`. */
  constructor(words: Int32Array, waiter: RingWaiter, seen: number) {
    this.words = words;
    this.waiter = waiter;
    this.seen = seen;
    this.lost = 0;
  }
}

/**
 * The writing side of a `BroadcastRing`: one copy in memory for all readers.
 *
 * Cursors are input: one that runs backwards, or beyond what was published, gets its reader evicted and harms nobody
 * else.
 */
export class BroadcastWriter {
  /** The data of the ring: claims are offsets into it. */
  readonly bytes: Uint8Array;
  readonly capacityBytes: number;
  /** The largest body of one record. */
  readonly maxRecordBytes: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #policy: number;
  /** What the writer reserves in one go where it does not wait: readers lose so much of their reach. */
  readonly #reserveBytes: number;
  readonly #corkBytes: number;
  #tail: number;
  /** Where the claimed record ends; equal to `#tail` when none is claimed. */
  #claimEnd: number;
  #claimLength: number;
  #published: number;
  /** How far the tail may go before the cursors are read, or more is reserved. */
  #limit: number;
  #sequenceLow: number;
  #sequenceHigh: number;
  /** The eighth of the data in which the last record began. */
  #segment: number;
  readonly #segmentShift: number;
  #corked: boolean;
  #closed: boolean;
  #cursors: BroadcastCursor[];
  readonly #onEvicted: ((cursor: BroadcastCursor, reason: EvictionReason) => void) | undefined;

  /** Use `BroadcastRing.writer()`. */
  constructor(
    ring: SpscSideOptions,
    policy: number,
    position: number,
    sequence: number,
    options: BroadcastWriterOptions,
  ) {
    refuseUnknownOptions('BroadcastRing.writer', options, ['onEvicted']);
    const { memory, byteOffset, capacityBytes } = ring;
    this.bytes = new Uint8Array(memory, byteOffset + BROADCAST_DATA_OFFSET, capacityBytes);
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = capacityBytes / 4 - BROADCAST_HEADER_BYTES;
    this.#words = new Int32Array(memory, byteOffset, (BROADCAST_DATA_OFFSET + capacityBytes) / 4);
    this.#mask = capacityBytes - 1;
    this.#policy = policy;
    this.#reserveBytes = capacityBytes / 16;
    this.#corkBytes = capacityBytes / 16;
    this.#tail = position;
    this.#claimEnd = position;
    this.#claimLength = 0;
    this.#published = position;
    this.#limit = position;
    this.#sequenceLow = sequence | 0;
    this.#sequenceHigh = Math.floor(sequence / 2 ** 32);
    this.#segment = -1;
    this.#segmentShift = Math.log2(capacityBytes / SEGMENTS);
    this.#corked = false;
    this.#closed = false;
    this.#cursors = [];
    this.#onEvicted = options.onEvicted;
  }

  /**
   * Adds a reader: it gets every record from here on. Its cursor is written; then the reader may attach.
   *
   * @throws TendonError OPTION_INVALID when the cursor does not fit its memory
   */
  addReader(options: BroadcastCursorOptions): BroadcastCursor {
    refuseUnknownOptions('addReader', options, ['memory', 'byteOffset', 'waiter']);
    const byteOffset = checkPlace('cursor memory', options.memory, options.byteOffset ?? 0, CURSOR_BYTES);
    if (this.#claimEnd !== this.#tail) misuse('addReader within a claim');
    this.publish();
    const words = new Int32Array(options.memory, byteOffset, CURSOR_BYTES / 4);
    words.fill(0);
    words[VERSION_WORD] = VERSION;
    words[CURSOR_STATE_WORD] = CURSOR_READING;
    words[CURSOR_START_WORD] = this.#tail;
    words[CURSOR_SEQUENCE_LOW_WORD] = this.#sequenceLow;
    words[CURSOR_SEQUENCE_HIGH_WORD] = this.#sequenceHigh;
    words[CURSOR_NEXT_LOW_WORD] = this.#sequenceLow;
    words[CURSOR_NEXT_HIGH_WORD] = this.#sequenceHigh;
    words[CURSOR_POSITION_WORD] = this.#tail;
    Atomics.store(words, MAGIC_WORD, CURSOR_MAGIC); // SYNC(cursor.magic) release: a cursor with its magic is whole
    const cursor = new BroadcastCursor(words, options.waiter ?? NO_WAITER, this.#tail);
    this.#cursors.push(cursor);
    return cursor;
  }

  /** Forgets a reader: it left, or its process is gone. Nobody waits for it from here on. */
  removeReader(cursor: BroadcastCursor): void {
    const index = this.#cursors.indexOf(cursor);
    if (index < 0) return;
    this.#cursors = this.#cursors.filter((other) => other !== cursor);
    if (cursor.words.length !== 0) Atomics.store(cursor.words, CURSOR_STATE_WORD, CURSOR_EVICTED); // SYNC(cursor.state) release
  }

  get readers(): number {
    return this.#cursors.length;
  }

  /** Bytes that a reader has not consumed, as far as its cursor can be believed. */
  behindBytes(cursor: BroadcastCursor): number {
    return (this.#published - this.#believed(cursor)) | 0;
  }

  /**
   * Records that a reader missed under 'drop': what it reported, and what it did not reach before it was overwritten.
   * The reader's own count, so a lying one harms its own number only; it never falls.
   */
  lostRecords(cursor: BroadcastCursor): number {
    const words = cursor.words;
    if (words.length === 0 || this.#words.length === 0) return cursor.lost;
    const position = Atomics.load(words, CURSOR_POSITION_WORD); // SYNC(cursor.position) acquire
    const next = numberOf(words[CURSOR_NEXT_LOW_WORD]!, words[CURSOR_NEXT_HIGH_WORD]!);
    const reported = numberOf(words[CURSOR_LOST_LOW_WORD]!, words[CURSOR_LOST_HIGH_WORD]!);
    const overrun = ((this.#limit - position) | 0) > this.capacityBytes ? this.#oldestSequence() - next : 0;
    const lost = reported + Math.max(0, overrun);
    if (lost > cursor.lost && lost <= this.sequence) cursor.lost = lost;
    return cursor.lost;
  }

  /**
   * Reserves a record to be written in place. @hot
   *
   * @returns the offset of the body in `bytes`, a multiple of 16; BACK_PRESSURED when the policy is 'wait' and the
   *   slowest reader still needs the room; or CLOSED
   * @throws TendonError FRAME_TOO_LARGE, OPTION_INVALID; STATE_INVALID when a claim is open
   */
  tryClaim(length: number, kind = 1): number {
    let tail = this.#tail;
    if (this.#claimEnd !== tail) misuse('the last claim was neither committed nor aborted');
    if (!(length >= 0 && length <= this.maxRecordBytes) || (kind - 1) >>> 0 >= KIND_MAX) {
      recordRefused(length, kind, this.maxRecordBytes);
    }
    const words = this.#words;
    const size = (length + BROADCAST_ROUND) & BROADCAST_MASK;
    let at = tail & this.#mask;
    const toEnd = this.capacityBytes - at;
    const required = size <= toEnd ? size : size + toEnd;
    if (((this.#limit - tail) | 0) < required && !this.#extend(required)) return this.#refusal();
    if (size > toEnd) {
      const pad = BROADCAST_DATA_WORD + (at >> 2);
      words[pad] = toEnd - BROADCAST_HEADER_BYTES;
      words[pad + 1] = KIND_PAD;
      tail = (tail + toEnd) | 0;
      this.#tail = tail;
      at = 0;
    }
    const header = BROADCAST_DATA_WORD + (at >> 2);
    words[header] = length;
    words[header + 1] = kind;
    words[header + 2] = this.#sequenceLow;
    words[header + 3] = this.#sequenceHigh;
    this.#claimLength = length;
    this.#claimEnd = (tail + size) | 0;
    return at + BROADCAST_HEADER_BYTES;
  }

  /** Ends the claim: the bytes are final, and (unless corked) readers see them. See `SpscProducer.commit`. @hot */
  commit(length?: number): void {
    if (length !== undefined) this.#shorten(length);
    const start = this.#tail;
    const tail = this.#claimEnd;
    if (tail === start) misuse('commit without a claim');
    const segment = (start & this.#mask) >> this.#segmentShift;
    if (segment !== this.#segment) {
      this.#segment = segment;
      this.#words[SEGMENTS_WORD + segment] = start;
    }
    this.#sequenceLow = (this.#sequenceLow + 1) | 0;
    if (this.#sequenceLow === 0) this.#sequenceHigh = (this.#sequenceHigh + 1) | 0;
    this.#tail = tail;
    if (this.#corked && ((tail - this.#published) | 0) < this.#corkBytes) return;
    this.#publish(tail);
  }

  /** Gives the claim back: nothing was sent, and no sequence number is used. Without a claim it does nothing. */
  abort(): void {
    this.#claimEnd = this.#tail;
  }

  /** Copies one record into the ring; see `SpscProducer.offer`. @hot */
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
    copyIntoRecord(this.bytes, this.#words, BROADCAST_DATA_WORD, at, source, offset, length);
    this.commit();
    return at;
  }

  /** From here on `commit` gathers, up to a sixteenth of the ring; `uncork` publishes. */
  cork(): void {
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
    this.publish();
  }

  /** Publishes what was gathered; stays corked. */
  publish(): void {
    if (this.#tail !== this.#published) this.#publish(this.#tail);
  }

  /**
   * Tells the readers that the writer sleeps until there is room for a record of `length` bytes. When it answers
   * true, go to sleep: each reader that goes on rings once; then try again, and `unpark`. Only for policy 'wait'.
   *
   * @returns false when there is room (or the ring was closed): do not sleep
   */
  park(length = 0): boolean {
    this.publish();
    for (const cursor of this.#cursors) Atomics.store(cursor.words, WRITER_PARKED_WORD, 1); // SYNC(cursor.writer-parked) release
    const size = (length + BROADCAST_ROUND) & BROADCAST_MASK;
    const toEnd = this.capacityBytes - (this.#tail & this.#mask);
    if (!this.#closed && !this.#extend(size <= toEnd ? size : size + toEnd)) return true;
    this.unpark();
    return false;
  }

  unpark(): void {
    for (const cursor of this.#cursors) Atomics.store(cursor.words, WRITER_PARKED_WORD, 0);
  }

  /** Where the next record begins: bytes since the start, modulo 2^32, as an int32. */
  get position(): number {
    return this.#tail;
  }

  /** The number that the next record gets. */
  get sequence(): number {
    return this.#sequenceHigh * 2 ** 32 + (this.#sequenceLow >>> 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Publishes what was committed and refuses everything after. Readers are not told. */
  close(): void {
    if (this.#closed) return;
    this.abort();
    if (this.#words.length !== 0) this.publish();
    this.#closed = true;
    this.#limit = this.#tail;
  }

  #publish(tail: number): void {
    this.#published = tail;
    Atomics.store(this.#words, TAIL_WORD, tail); // SYNC(broadcast.tail) release: bytes first, position second
    const cursors = this.#cursors;
    for (let i = 0; i < cursors.length; i++) {
      const cursor = cursors[i]!;
      // SYNC(cursor.reader-parked) acquire: after the tail, so that a reader that missed the tail is seen parked
      if (Atomics.load(cursor.words, READER_PARKED_WORD) === 0) continue;
      if (Atomics.exchange(cursor.words, READER_PARKED_WORD, 0) !== 0) cursor.waiter.notify();
    }
  }

  /** Makes room for `bytes` as the policy says. */
  #extend(bytes: number): boolean {
    if (this.#closed) return false;
    const needed = (this.#tail + bytes) | 0;
    if (this.#policy === POLICY_WAIT) {
      this.#limit = this.#slowest();
      return ((this.#limit - needed) | 0) >= 0;
    }
    const limit = (this.#tail + Math.max(bytes, this.#reserveBytes)) | 0;
    if (this.#policy === POLICY_DISCONNECT) this.#evictBehind(limit);
    this.#limit = limit;
    // Before any byte is overwritten: a reader that finds its record intact afterwards has read it whole.
    Atomics.store(this.#words, RESERVED_WORD, limit); // SYNC(broadcast.reserved) release
    return true;
  }

  /** The number of the oldest record that is known to be whole still. */
  #oldestSequence(): number {
    let oldest = this.#published;
    for (let segment = 0; segment < SEGMENTS; segment++) {
      const position = this.#words[SEGMENTS_WORD + segment]!;
      const whole =
        ((this.#limit - position) | 0) <= this.capacityBytes && ((this.#published - position) | 0) > 0;
      if (whole && ((oldest - position) | 0) > 0) oldest = position;
    }
    if (oldest === this.#published) return this.sequence;
    const header = BROADCAST_DATA_WORD + ((oldest & this.#mask) >> 2);
    return numberOf(this.#words[header + 2]!, this.#words[header + 3]!);
  }

  /** How far the slowest reader lets the tail go. */
  #slowest(): number {
    let least = this.capacityBytes;
    for (const cursor of this.#cursors) {
      const room = (this.#believed(cursor) + this.capacityBytes - this.#published) | 0;
      if (room < least && this.#cursors.includes(cursor)) least = room;
    }
    return (this.#published + least) | 0;
  }

  #evictBehind(limit: number): void {
    for (const cursor of this.#cursors) {
      if (((limit - this.#believed(cursor)) | 0) > this.capacityBytes) this.#evict(cursor, 'lagging');
    }
  }

  /** A reader's position, which it may set to anything: one that no correct reader has costs it the ring. */
  #believed(cursor: BroadcastCursor): number {
    const position = Atomics.load(cursor.words, CURSOR_POSITION_WORD); // SYNC(cursor.position) acquire
    const moved = (position - cursor.seen) >>> 0;
    if ((position & 15) === 0 && moved <= (this.#published - cursor.seen) >>> 0) cursor.seen = position;
    else this.#evict(cursor, 'corrupt');
    return cursor.seen;
  }

  #evict(cursor: BroadcastCursor, reason: EvictionReason): void {
    if (!this.#cursors.includes(cursor)) return;
    this.removeReader(cursor);
    // A parked reader must wake to learn of it.
    if (Atomics.exchange(cursor.words, READER_PARKED_WORD, 0) !== 0) cursor.waiter.notify();
    this.#onEvicted?.(cursor, reason);
  }

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
    this.#words[BROADCAST_DATA_WORD + ((this.#tail & this.#mask) >> 2)] = length;
    this.#claimEnd = (this.#tail + ((length + BROADCAST_ROUND) & BROADCAST_MASK)) | 0;
  }
}

/** A 64-bit count of two words. */
function numberOf(low: number, high: number): number {
  return (high >>> 0) * 2 ** 32 + (low >>> 0);
}
