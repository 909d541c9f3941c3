import { BACK_PRESSURED, CLOSED, TendonError } from '../core/index.ts';
import { copyIntoRecord } from './copy.ts';
import { corrupt, misuse, recordRefused } from './failures.ts';
import {
  CONSUMER_PARKED_WORD,
  HEAD_WORD,
  HEADER_BYTES,
  KIND_MAX,
  MPSC_DATA_OFFSET,
  MPSC_DATA_WORD,
  maxRecordBytesOf,
  PRODUCER_PARKED_WORD,
  RECORD_MASK,
  RECORD_ROUND,
  SLOT_INTENT_BYTES,
  SLOT_INTENT_POSITION,
  SLOT_OWNER,
  slotWord,
  TAIL_WORD,
} from './layout.ts';
import type { SpscSideOptions } from './spsc-producer.ts';
import { NO_WAITER, type RingWaiter } from './waiter.ts';

/**
 * One of up to 64 sending sides of an `MpscRing`: claim, write in place, commit; or `offer` a copy.
 *
 * A claim moves the shared tail with one compare-and-set. What is claimed is announced in the producer's slot first,
 * and its header says who writes, so that the consumer can take back the claim of a producer that died.
 */
export class MpscProducer {
  /** The data of the ring: claims are offsets into it. */
  readonly bytes: Uint8Array;
  readonly capacityBytes: number;
  /** The largest body of one record. */
  readonly maxRecordBytes: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #slot: number;
  /** Slot and generation as a record's header carries them. */
  readonly #signature: number;
  /** How far the tail may go before the head has to be read again. */
  #limit: number;
  /** Offset of the claimed body in `bytes`; -1 when none is claimed. */
  #claimAt: number;
  #claimLength: number;
  #closed: boolean;
  readonly #waiter: RingWaiter;

  /** Use `MpscRing.producer()`: it takes the slot. */
  constructor(
    ring: SpscSideOptions,
    head: number,
    slot: number,
    generation: number,
    waiter: RingWaiter = NO_WAITER,
  ) {
    const { memory, byteOffset, capacityBytes } = ring;
    this.bytes = new Uint8Array(memory, byteOffset + MPSC_DATA_OFFSET, capacityBytes);
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(capacityBytes);
    this.#words = new Int32Array(memory, byteOffset, (MPSC_DATA_OFFSET + capacityBytes) / 4);
    this.#mask = capacityBytes - 1;
    this.#slot = slotWord(slot);
    this.#signature = (slot << 8) | (generation << 16);
    this.#limit = (head + capacityBytes) | 0;
    this.#claimAt = -1;
    this.#claimLength = 0;
    this.#closed = false;
    this.#waiter = waiter;
  }

  /**
   * Reserves a record to be written in place. Until it is committed or aborted, later records wait behind it. @hot
   *
   * @param length bytes of the body, at most `maxRecordBytes`
   * @param kind what the record is, 1 to 255
   * @returns the offset of the body in `bytes`, a multiple of 8; or BACK_PRESSURED, or CLOSED
   * @throws TendonError FRAME_TOO_LARGE, OPTION_INVALID; STATE_INVALID when a claim is open; REGION_CORRUPT
   */
  tryClaim(length: number, kind = 1): number {
    if (this.#claimAt >= 0) misuse('the last claim was neither committed nor aborted');
    if (!(length >= 0 && length <= this.maxRecordBytes) || (kind - 1) >>> 0 >= KIND_MAX) {
      recordRefused(length, kind, this.maxRecordBytes);
    }
    if (this.#closed) return CLOSED;
    const words = this.#words;
    const slot = this.#slot;
    const size = (length + RECORD_ROUND) & RECORD_MASK;
    let tail = Atomics.load(words, TAIL_WORD);
    let at: number;
    let toEnd: number;
    for (;;) {
      at = tail & this.#mask;
      toEnd = this.capacityBytes - at;
      const required = size <= toEnd ? size : size + toEnd;
      const free = (this.#limit - tail) | 0;
      if (free < required || free > this.capacityBytes || (tail & 7) !== 0) {
        if (!this.#findRoom(tail, required)) {
          words[slot + SLOT_INTENT_BYTES] = 0;
          return BACK_PRESSURED;
        }
      }
      // The intent comes before the claim: whoever finds the claim without a header can tell whose it may be.
      words[slot + SLOT_INTENT_POSITION] = tail;
      words[slot + SLOT_INTENT_BYTES] = required;
      const found = Atomics.compareExchange(words, TAIL_WORD, tail, (tail + required) | 0); // SYNC(ring.tail) release
      if (found === tail) break;
      tail = found;
    }
    if (size <= toEnd) {
      this.#writeHeader(at, length, kind);
    } else {
      // The record before its padding: a claim that begins with 0 is taken back as a whole.
      this.#writeHeader(0, length, kind);
      words[MPSC_DATA_WORD + (at >> 2) + 1] = 0;
      Atomics.store(words, MPSC_DATA_WORD + (at >> 2), toEnd); // SYNC(ring.record) release
      at = 0;
    }
    words[slot + SLOT_INTENT_BYTES] = 0;
    this.#claimAt = at + HEADER_BYTES;
    this.#claimLength = length;
    return at + HEADER_BYTES;
  }

  /**
   * Ends the claim: the bytes are final and the consumer may see them. @hot
   *
   * @param length fewer bytes than were claimed, when that turned out to be enough
   * @throws TendonError STATE_INVALID without a claim, or when the consumer took it back; OPTION_INVALID
   */
  commit(length?: number): void {
    const at = this.#claimAt;
    if (at < 0) misuse('commit without a claim');
    let committed = this.#claimLength;
    const header = MPSC_DATA_WORD + ((at - HEADER_BYTES) >> 2);
    if (length !== undefined) {
      this.#shorten(header, length);
      committed = length;
    }
    this.#end(header, HEADER_BYTES + committed);
  }

  /** Gives the claim back: its bytes become padding. Without a claim it does nothing. */
  abort(): void {
    if (this.#claimAt < 0) return;
    const header = MPSC_DATA_WORD + ((this.#claimAt - HEADER_BYTES) >> 2);
    this.#words[header + 1] = 0;
    this.#end(header, (this.#claimLength + RECORD_ROUND) & RECORD_MASK);
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
    copyIntoRecord(this.bytes, this.#words, MPSC_DATA_WORD, at, source, offset, length);
    this.commit();
    return at;
  }

  /**
   * Tells the consumer that a producer sleeps until there is room for a record of `length` bytes. When it answers
   * true, go to sleep: the waiter of the consumer is called once half of the ring is free, for all producers that
   * sleep. Then try again. There is no `unpark`: the flag belongs to all.
   *
   * @returns false when there is room (or the ring was closed): do not sleep
   */
  park(length = 0): boolean {
    if (this.#closed) return false;
    const words = this.#words;
    Atomics.store(words, PRODUCER_PARKED_WORD, 1); // SYNC(ring.producer-parked) release
    const tail = Atomics.load(words, TAIL_WORD);
    const size = (length + RECORD_ROUND) & RECORD_MASK;
    const toEnd = this.capacityBytes - (tail & this.#mask);
    return !this.#findRoom(tail, size <= toEnd ? size : size + toEnd);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Aborts an open claim and gives the slot back. Call it before the memory is unmapped. */
  close(): void {
    if (this.#closed) return;
    this.abort();
    this.#closed = true;
    if (this.#words.length !== 0) Atomics.store(this.#words, this.#slot + SLOT_OWNER, 0);
  }

  #writeHeader(at: number, length: number, kind: number): void {
    const words = this.#words;
    const header = MPSC_DATA_WORD + (at >> 2);
    words[header + 1] = kind | this.#signature;
    words[header] = -(HEADER_BYTES + length);
  }

  /** Compare, then set: a claim that was taken back may be somebody else's by now. */
  #end(header: number, state: number): void {
    const words = this.#words;
    const claimed = -(HEADER_BYTES + this.#claimLength);
    this.#claimAt = -1;
    const found = Atomics.compareExchange(words, header, claimed, state); // SYNC(ring.record) release
    if (found !== claimed) misuse('the claim was taken back: its producer had been judged dead');
    // SYNC(ring.consumer-parked) acquire: after the record, so that a consumer that missed it is seen parked
    if (Atomics.load(words, CONSUMER_PARKED_WORD) !== 0) this.#wakeConsumer();
  }

  #wakeConsumer(): void {
    if (Atomics.exchange(this.#words, CONSUMER_PARKED_WORD, 0) !== 0) this.#waiter.notify();
  }

  #findRoom(tail: number, bytes: number): boolean {
    const head = Atomics.load(this.#words, HEAD_WORD); // SYNC(ring.head) acquire: the bytes are zero again
    const used = (tail - head) | 0;
    if ((tail & 7) !== 0) corrupt('ring tail', tail);
    if ((head & 7) !== 0) corrupt('ring head', head);
    // A head that overtook our tail means that other producers went on: then the compare-and-set will fail.
    const overtaken = used < 0 && used > -0x40000000 && Atomics.load(this.#words, TAIL_WORD) !== tail;
    if (used > this.capacityBytes || (used < 0 && !overtaken)) corrupt('ring used bytes', used);
    this.#limit = (head + this.capacityBytes) | 0;
    return this.capacityBytes - used >= bytes;
  }

  #shorten(header: number, length: number): void {
    if (!(length >= 0 && length <= this.#claimLength)) {
      throw new TendonError(
        'OPTION_INVALID',
        `length must be from 0 to the ${this.#claimLength} bytes claimed, got ${length}`,
        { option: 'length', value: length },
      );
    }
    const size = (length + RECORD_ROUND) & RECORD_MASK;
    const rest = ((this.#claimLength + RECORD_ROUND) & RECORD_MASK) - size;
    if (rest === 0) return;
    // What is left over becomes padding, unseen until the record before it is committed.
    this.#words[header + (size >> 2)] = rest;
    this.#words[header + (size >> 2) + 1] = 0;
  }
}
