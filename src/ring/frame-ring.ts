import { TendonError } from '../core/index.ts';
import type { SpscConsumer } from './spsc-consumer.ts';
import type { SpscProducer } from './spsc-producer.ts';

/**
 * Frames of any size over an SPSC ring: what fits one record is one record, what is larger travels in parts.
 *
 * ```
 * record kinds                                        record body
 *   1  FRAME     a whole frame                         its bytes
 *   2  FIRST     the first part of a large frame       u32 bytes of the whole frame | u32 0 | bytes
 *   3  MIDDLE    a part in between                     bytes
 *   4  LAST      its last part                         bytes
 *   5  MARKER    what follows does not come by ring    nothing
 * ```
 */
export const FRAME = 1;
export const FIRST = 2;
export const MIDDLE = 3;
export const LAST = 4;
export const MARKER = 5;

/** FRAME for the hot path: an exported constant is loaded each time, a local one is folded into the code. */
const WHOLE = 1;

/** What stands before the bytes of a FIRST part. */
export const FIRST_HEADER_BYTES = 8;

/** A part is at most so large, so that the reader copies one while the writer fills the next. */
const PART_BYTES = 64 * 1024;
/** A reassembly buffer up to this size is kept for the next large frame. */
const KEPT_BYTES = 4 * 1024 * 1024;

/**
 * Writes what fits of a frame, starting `from` bytes into it. Whole records are published as they are written.
 *
 * @returns how many bytes of the frame are written now; `bytes.length` when it is complete; the producer's
 *   negative outcome when nothing of it could be written and `from` is 0, else `from`
 */
export function writeFrame(ring: SpscProducer, bytes: Uint8Array, from: number): number {
  const total = bytes.length;
  if (total <= ring.maxRecordBytes) {
    const at = ring.offer(bytes, 0, total, FRAME);
    return at < 0 ? at : total;
  }
  let written = from;
  while (written < total) {
    const header = written === 0 ? FIRST_HEADER_BYTES : 0;
    const length = Math.min(total - written, Math.min(PART_BYTES, ring.maxRecordBytes) - header);
    const last = written + length === total;
    const at = ring.tryClaim(header + length, written === 0 ? FIRST : last ? LAST : MIDDLE);
    if (at < 0) return written === 0 ? at : written;
    const target = ring.bytes;
    if (header > 0) {
      target.fill(0, at, at + FIRST_HEADER_BYTES);
      for (let i = 0; i < 4; i++) target[at + i] = (total >>> (8 * i)) & 0xff;
    }
    target.set(bytes.subarray(written, written + length), at + header);
    ring.commit();
    written += length;
  }
  return written;
}

/** A whole frame, in place; valid during the call. */
export type RingFrameHandler = (bytes: Uint8Array, offset: number, length: number) => void;

const NO_HANDLER: RingFrameHandler = () => {};

/**
 * Reads frames from an SPSC ring and puts large ones together again. The writer is input: an impossible order or
 * size of parts stops the reading with REGION_CORRUPT, thrown by `poll` like the ring's own.
 */
export class FrameReader {
  readonly ring: SpscConsumer;
  readonly #maxFrameBytes: number;
  #handler: RingFrameHandler = NO_HANDLER;
  #frames = 0;
  #bytes = 0;
  #limit = 0;
  #failure: TendonError | undefined = undefined;
  /** the handler is at work: an error that surfaces now is its own */
  #handling = false;
  #assembly: Uint8Array = new Uint8Array(0);
  #assembled = 0;
  /** bytes of the large frame under way; 0 when there is none */
  #total = 0;
  #marked = false;

  constructor(ring: SpscConsumer, maxFrameBytes: number) {
    this.ring = ring;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** A MARKER was read: the next frames come by another way. `poll` reads nothing until `resume`. */
  get marked(): boolean {
    return this.#marked;
  }

  /** After a MARKER: frames come by ring again. */
  resume(): void {
    this.#marked = false;
  }

  /** The last `poll` threw an error of the handler, not of the ring. */
  get handlerFailed(): boolean {
    return this.#handling;
  }

  /** Bytes of the frames that the last `poll` handed over. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many frames the last `poll` handed over. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Hands over up to `limit` frames. @hot
   *
   * @returns how many
   * @throws TendonError REGION_CORRUPT (`handlerFailed` is false then); whatever the handler throws
   */
  poll(handler: RingFrameHandler, limit: number): number {
    if (this.#marked) return 0;
    this.#handler = handler;
    this.#frames = 0;
    this.#bytes = 0;
    this.#limit = limit;
    this.#handling = false;
    // Parts are records too, so the ring may hand over more records than frames; `#onRecord` stops at the limit.
    this.ring.poll(this.#onRecord);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#frames;
  }

  readonly #onRecord = (bytes: Uint8Array, offset: number, length: number, kind: number): void => {
    if (kind === WHOLE && this.#total === 0) {
      if (++this.#frames >= this.#limit) this.ring.stop();
      this.#bytes += length;
      this.#handling = true;
      this.#handler(bytes, offset, length);
      this.#handling = false;
      return;
    }
    this.#onPart(bytes, offset, length, kind);
  };

  #onPart(bytes: Uint8Array, offset: number, length: number, kind: number): void {
    if (kind === MARKER && this.#total === 0) {
      this.#marked = true;
      this.ring.stop();
      return;
    }
    if (kind === FIRST && this.#total === 0 && length > FIRST_HEADER_BYTES) {
      let total = 0;
      for (let i = 3; i >= 0; i--) total = total * 256 + bytes[offset + i]!;
      if (total > this.#maxFrameBytes || total <= length - FIRST_HEADER_BYTES) {
        this.#fail('frame length', total);
        return;
      }
      if (this.#assembly.length < total) this.#assembly = new Uint8Array(total);
      this.#total = total;
      this.#append(bytes, offset + FIRST_HEADER_BYTES, length - FIRST_HEADER_BYTES);
      return;
    }
    const whole = this.#assembled + length;
    const fits = kind === LAST ? whole === this.#total : kind === MIDDLE && length > 0 && whole < this.#total;
    if (this.#total === 0 || !fits) {
      this.#fail(`part of kind ${kind} with length`, length);
      return;
    }
    this.#append(bytes, offset, length);
    if (kind !== LAST) return;
    const total = this.#total;
    const frame = this.#assembly;
    this.#total = 0;
    this.#assembled = 0;
    if (frame.length > KEPT_BYTES) this.#assembly = new Uint8Array(0);
    if (++this.#frames >= this.#limit) this.ring.stop();
    this.#bytes += total;
    this.#handling = true;
    this.#handler(frame, 0, total);
    this.#handling = false;
  }

  #append(bytes: Uint8Array, offset: number, length: number): void {
    this.#assembly.set(bytes.subarray(offset, offset + length), this.#assembled);
    this.#assembled += length;
  }

  #fail(what: string, value: number): void {
    const message = `${what} is ${value}, which no correct peer writes`;
    this.#failure = new TendonError('REGION_CORRUPT', message, { what, value });
    this.ring.stop();
  }
}
