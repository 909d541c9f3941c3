import type { FrameHandler } from '../index.ts';
import { FRAME_HEADER_BYTES, GOODBYE, HEARTBEAT, LENGTH_LIMIT } from './layout.ts';

const NOTHING = new Uint8Array(0);
/** What a chunk costs besides its bytes: the objects around it, in Node and here. */
const CHUNK_COST_BYTES = 256;
/** An assembly buffer of this size is kept for the next frame that arrives in pieces; a larger one is not. */
const KEPT_ASSEMBLY_BYTES = 4 * 1024 * 1024;
/** What is set aside for a frame before its bytes are there: a length alone must not cost memory. */
const FIRST_ASSEMBLY_BYTES = 64 * 1024;

/**
 * Cuts a stream of bytes into frames. A frame that lies within one chunk is handed over where it is; one that
 * spans chunks is put together in a buffer that is used again.
 */
export class FrameReader {
  readonly #maxFrameBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #next = 0;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** header bytes of a frame whose header spans chunks */
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #assembly: Uint8Array = NOTHING;
  #assembled = 0;
  /** length of the frame that is being put together; -1 when none is */
  #wanted = -1;
  #halted = false;

  /** bytes that were pushed and not looked at yet */
  unreadBytes = 0;
  frames = 0;
  bytes = 0;
  /** the peer said that nothing follows */
  goodbye = false;
  /** what the peer did that it must not; nothing is read any more */
  violation: string | undefined = undefined;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Takes a chunk over; it is not copied and must not change. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#halted) return;
    this.#chunks.push(chunk);
    this.unreadBytes += chunk.length;
  }

  /** What the unread chunks cost, in bytes: a peer that sends byte by byte costs far more than its bytes. */
  get unreadCost(): number {
    return this.unreadBytes + (this.#chunks.length - this.#next) * CHUNK_COST_BYTES;
  }

  /** True while chunks are there that `poll` has not looked at. */
  get unread(): boolean {
    return this.unreadBytes > 0;
  }

  /** Part of a frame is there and its rest is not. */
  get torn(): boolean {
    return this.#headerBytes > 0 || this.#wanted >= 0;
  }

  /** Hands over nothing more and forgets what is there. */
  halt(): void {
    this.#halted = true;
    this.#chunks.length = 0;
    this.#next = 0;
    this.#chunk = NOTHING;
    this.#at = 0;
    this.#assembly = NOTHING;
    this.unreadBytes = 0;
  }

  /** Frames in order; errors of the handler pass through, its frame is consumed. @hot */
  poll(handler: FrameHandler, limit: number): number {
    let count = 0;
    while (count < limit) {
      if (this.#at === this.#chunk.length && !this.#advance()) break;
      if (this.#wanted >= 0) {
        if (!this.#assemble()) continue;
        this.#wanted = -1;
        this.frames++;
        this.bytes += this.#assembled;
        count++;
        const frame = this.#assembly;
        if (frame.length > KEPT_ASSEMBLY_BYTES) this.#assembly = NOTHING;
        handler(frame, 0, this.#assembled);
        continue;
      }
      const chunk = this.#chunk;
      const at = this.#at;
      let length: number;
      if (this.#headerBytes === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
        length = (chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 24)) >>> 0;
        this.#take(FRAME_HEADER_BYTES);
      } else {
        this.#header[this.#headerBytes++] = chunk[at]!;
        this.#take(1);
        if (this.#headerBytes < FRAME_HEADER_BYTES) continue;
        this.#headerBytes = 0;
        const header = this.#header;
        length = (header[0]! | (header[1]! << 8) | (header[2]! << 16) | (header[3]! << 24)) >>> 0;
      }
      if (length > this.#maxFrameBytes || this.goodbye) {
        if (this.#control(length)) continue;
        break;
      }
      const offset = this.#at;
      if (this.#chunk.length - offset >= length) {
        this.#take(length);
        this.frames++;
        this.bytes += length;
        count++;
        handler(this.#chunk, offset, length);
      } else {
        this.#wanted = length;
        this.#assembled = 0;
      }
    }
    return count;
  }

  /** Looks ahead, without consuming, for the goodbye that ends an orderly stream. */
  endsWithGoodbye(): boolean {
    if (this.goodbye) return true;
    let skip = this.#wanted >= 0 ? this.#wanted - this.#assembled : 0;
    let have = this.#headerBytes;
    let length = 0;
    for (let index = 0; index < have; index++) length += this.#header[index]! * 2 ** (8 * index);
    for (let index = this.#next - 1; index < this.#chunks.length; index++) {
      const current = index === this.#next - 1;
      const chunk = current ? this.#chunk : this.#chunks[index]!;
      let at = current ? this.#at : 0;
      while (at < chunk.length) {
        if (skip > 0) {
          const step = Math.min(skip, chunk.length - at);
          skip -= step;
          at += step;
          continue;
        }
        length += chunk[at++]! * 2 ** (8 * have++);
        if (have < FRAME_HEADER_BYTES) continue;
        if (length === GOODBYE) return true;
        skip = length === HEARTBEAT ? 0 : length;
        have = 0;
        length = 0;
      }
    }
    return false;
  }

  /** A length that is none. @returns whether reading goes on */
  #control(length: number): boolean {
    if (!this.goodbye) {
      if (length === HEARTBEAT) return true;
      if (length === GOODBYE) {
        this.goodbye = true;
        return true;
      }
    }
    this.violation = this.goodbye
      ? 'sent more after its goodbye'
      : length > LENGTH_LIMIT
        ? `sent the reserved frame length 0x${length.toString(16)}`
        : `sent a frame of ${length} bytes; ${this.#maxFrameBytes} were agreed on`;
    this.halt();
    return false;
  }

  #take(bytes: number): void {
    this.#at += bytes;
    this.unreadBytes -= bytes;
  }

  /** @returns whether there is another chunk */
  #advance(): boolean {
    if (this.#next === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#next = 0;
      this.#chunk = NOTHING;
      this.#at = 0;
      return false;
    }
    this.#chunk = this.#chunks[this.#next]!;
    this.#chunks[this.#next++] = NOTHING; // let the last one go as soon as it is read
    this.#at = 0;
    return true;
  }

  /** Moves what the current chunk has of the wanted frame. @returns whether the frame is complete */
  #assemble(): boolean {
    const wanted = this.#wanted;
    const step = Math.min(wanted - this.#assembled, this.#chunk.length - this.#at);
    const needed = this.#assembled + step;
    if (this.#assembly.length < needed) {
      const grown = Math.max(needed, this.#assembly.length * 2, FIRST_ASSEMBLY_BYTES, this.#foreseen());
      const larger = new Uint8Array(Math.min(grown, this.#maxFrameBytes));
      larger.set(this.#assembled === 0 ? NOTHING : this.#assembly.subarray(0, this.#assembled));
      this.#assembly = larger;
    }
    this.#assembly.set(this.#chunk.subarray(this.#at, this.#at + step), this.#assembled);
    this.#assembled = needed;
    this.#take(step);
    return needed === wanted;
  }

  /** How much of the wanted frame is there already. */
  #foreseen(): number {
    return Math.min(this.#wanted, this.#assembled + this.unreadBytes);
  }
}
