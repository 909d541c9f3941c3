import { BACK_PRESSURED } from '../../core/index.ts';
import { FRAME_HEADER_BYTES, GOODBYE } from './layout.ts';

/** Where batches go: what a `net.Socket` has of it. */
export interface ByteSink {
  /** Takes `bytes` over until `writableLength` is 0 again. */
  write(bytes: Uint8Array): unknown;
  /** bytes that were written and that the system has not taken yet; 0 means that no buffer is in use */
  readonly writableLength: number;
  /**
   * It is gone, or a write has failed and Node destroys it a tick later: what is written disappears, and
   * `writableLength` says nothing.
   */
  readonly destroyed: boolean;
  readonly errored: Error | null;
  cork(): void;
  uncork(): void;
}

/** A batch leaves when it holds this much, whether or not its turn is over. */
const BATCH_BYTES = 64 * 1024;
/** More than this between us and the system is back-pressure. */
const HIGH_WATER_BYTES = 512 * 1024;
/** the largest frame that is claimed in place */
export const MAX_CLAIM_BYTES = 256 * 1024;
/** frames from this size on go to the socket without a copy where the caller holds them still */
const UNCOPIED_BYTES = 32 * 1024;
const FIRST_BATCH_BYTES = 4 * 1024;
/** buffers that wait for their next batch, in bytes */
const SPARE_BYTES = 2 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

/**
 * Collects frames in a buffer that goes to the socket as one write: at the end of the turn (a microtask), when
 * it is full, or at `uncork`.
 *
 * The system usually takes a write at once (`writableLength` is 0 after it) and the buffer is used again; else it
 * rests until the socket has drained, and the next batch has another one.
 */
export class FrameWriter {
  readonly #sink: ByteSink;
  #buffer: Uint8Array = NOTHING;
  /** what is before was flushed already */
  #start = 0;
  #end = 0;
  /** size of the next buffer: grows with what a turn produces, so that idle connections stay small */
  #batchBytes = FIRST_BATCH_BYTES;
  /** payload offset of the open claim, or -1 */
  #claim = -1;
  #claimBytes = 0;
  #corked = false;
  #scheduled = false;
  #closed = false;
  readonly #inUse: Uint8Array[] = [];
  #spare: Uint8Array[] = [];
  #spareBytes = 0;
  /** a frame that the socket holds without a copy */
  #held: Uint8Array | undefined = undefined;
  #heldTaken = false;

  /** too much is on its way: BACK_PRESSURED until `drained` */
  blocked = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  get buffer(): Uint8Array {
    return this.#buffer;
  }

  get claimBytes(): number {
    return this.#claimBytes;
  }

  get claimed(): boolean {
    return this.#claim >= 0;
  }

  /** Reserves a frame in the batch. @returns the offset of its payload in `buffer`, or BACK_PRESSURED @hot */
  tryClaim(length: number): number {
    if (this.blocked || !this.#reserve(length)) return BACK_PRESSURED;
    const offset = this.#end + FRAME_HEADER_BYTES;
    this.#claim = offset;
    this.#claimBytes = length;
    return offset;
  }

  commit(): void {
    this.#putLength(this.#claimBytes);
    this.#end += this.#claimBytes;
    this.#claim = -1;
    this.#committed();
  }

  abort(): void {
    this.#claim = -1;
  }

  /** Takes a copy of a frame. @returns 0, or BACK_PRESSURED @hot */
  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.blocked || !this.#reserve(length)) return BACK_PRESSURED;
    this.#putLength(length);
    const buffer = this.#buffer;
    const end = this.#end;
    if (length <= 32)
      for (let index = 0; index < length; index++) buffer[end + index] = bytes[offset + index]!;
    else
      buffer.set(
        offset === 0 && length === bytes.length ? bytes : bytes.subarray(offset, offset + length),
        end,
      );
    this.#end = end + length;
    this.#committed();
    return 0;
  }

  /**
   * Takes a frame that its owner holds still until it is complete. Large ones are not copied.
   *
   * @returns `bytes.length` when the frame is complete; 0 while the socket holds it: call again, with the same
   *   bytes, after `drained`; BACK_PRESSURED
   */
  writeHeld(bytes: Uint8Array): number {
    if (this.#held === bytes) {
      if (!this.#heldTaken) return 0;
      this.#held = undefined;
      return bytes.length;
    }
    if (bytes.length < UNCOPIED_BYTES) {
      return this.write(bytes, 0, bytes.length) < 0 ? BACK_PRESSURED : bytes.length;
    }
    if (this.blocked || !this.#reserve(0)) return BACK_PRESSURED;
    this.#putLength(bytes.length);
    this.#sink.cork();
    this.flush();
    this.#sink.write(bytes);
    this.#sink.uncork();
    this.#settle();
    if (this.#sink.writableLength === 0 && !this.#failed) return bytes.length;
    this.#held = bytes;
    this.#heldTaken = false;
    this.blocked = true;
    return 0;
  }

  /** Nothing follows. */
  goodbye(): void {
    this.#claim = -1;
    this.#corked = false;
    this.#reserve(0);
    this.#putLength(GOODBYE);
    this.flush();
  }

  cork(): void {
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
    this.flush();
  }

  /** Writes what is committed to the socket. */
  flush(): void {
    const end = this.#end;
    if (this.#closed) return;
    if (end === this.#start) {
      // What was committed beside an open claim has left as a copy, so the whole buffer is free again.
      if (this.#claim < 0) this.#start = this.#end = 0;
      return;
    }
    if (this.#claim >= 0) {
      // Somebody is still writing behind what is committed, so the buffer cannot go: a copy does.
      const committed = this.#buffer.slice(this.#start, end);
      this.#start = end;
      this.#sink.write(committed);
    } else {
      const buffer = this.#buffer;
      const start = this.#start;
      if (end > this.#batchBytes / 2 && this.#batchBytes < BATCH_BYTES) this.#batchBytes *= 4;
      this.#buffer = NOTHING;
      this.#start = 0;
      this.#end = 0;
      this.#inUse.push(buffer);
      this.#sink.write(buffer.subarray(start, end));
    }
    this.#settle();
  }

  /** The socket holds nothing any more. @returns whether that ended a back-pressure */
  drained(): boolean {
    if (this.#closed || this.#failed || this.#sink.writableLength > 0) return false;
    const was = this.blocked;
    this.#settle();
    return was && !this.blocked;
  }

  close(): void {
    this.#closed = true;
    this.blocked = true;
    this.#buffer = NOTHING;
    this.#inUse.length = 0;
    this.#spare = [];
    this.#held = undefined;
  }

  get #failed(): boolean {
    return this.#sink.destroyed || this.#sink.errored !== null;
  }

  /** After each write and drain: who is free, and is it too much? */
  #settle(): void {
    const queued = this.#sink.writableLength;
    if (this.#failed) {
      this.blocked = true; // until the end is reported; nothing may count as sent in between
    } else if (queued === 0) {
      for (let buffer = this.#inUse.pop(); buffer !== undefined; buffer = this.#inUse.pop())
        this.#keep(buffer);
      this.#heldTaken = true;
      this.blocked = false;
    } else if (queued > HIGH_WATER_BYTES) {
      this.blocked = true;
    }
  }

  #keep(buffer: Uint8Array): void {
    if (this.#spareBytes + buffer.length > SPARE_BYTES || buffer.length < this.#batchBytes) return;
    this.#spare.push(buffer);
    this.#spareBytes += buffer.length;
  }

  #committed(): void {
    if (this.#end - this.#start >= BATCH_BYTES) this.flush();
    else if (!this.#corked && !this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#endOfTurn);
    }
  }

  readonly #endOfTurn = (): void => {
    this.#scheduled = false;
    if (!this.#corked) this.flush();
  };

  /** Makes room for a frame behind `#end`. @returns false when making it has filled the socket */
  #reserve(length: number): boolean {
    const needed = FRAME_HEADER_BYTES + length;
    if (this.#end + needed <= this.#buffer.length) return true;
    this.flush();
    if (this.blocked) return false;
    if (this.#buffer.length < needed) this.#buffer = this.#take(needed);
    return true;
  }

  #take(needed: number): Uint8Array {
    for (let index = this.#spare.length - 1; index >= 0; index--) {
      const spare = this.#spare[index]!;
      if (spare.length < needed) continue;
      this.#spare.splice(index, 1);
      this.#spareBytes -= spare.length;
      return spare;
    }
    const bytes = needed <= this.#batchBytes ? this.#batchBytes : Math.max(needed, BATCH_BYTES);
    // Not from Buffer's pool, and a real Uint8Array: `slice` of a Buffer is a view.
    const buffer = Buffer.allocUnsafeSlow(bytes);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, bytes);
  }

  #putLength(length: number): void {
    const buffer = this.#buffer;
    const end = this.#end;
    buffer[end] = length;
    buffer[end + 1] = length >>> 8;
    buffer[end + 2] = length >>> 16;
    buffer[end + 3] = length >>> 24;
    this.#end = end + FRAME_HEADER_BYTES;
  }
}
