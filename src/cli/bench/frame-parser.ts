import type { MessageHandler } from './subject.ts';

/** Bytes of the little-endian length in front of each frame. */
export const PREFIX_BYTES = 4;

/**
 * Cuts a byte stream into frames of `u32 length | bytes`. A frame that lies within a chunk is handed over
 * where it is; one that spans chunks is put together in a buffer that is kept for the next such frame.
 */
export class FrameParser {
  readonly #handler: MessageHandler;
  /** prefix and bytes of a frame that is not complete */
  #partial: Buffer;
  #partialBytes = 0;

  /** @param frameBytes size of the usual frame; larger ones grow the buffer once */
  constructor(frameBytes: number, handler: MessageHandler) {
    this.#handler = handler;
    this.#partial = Buffer.allocUnsafe(PREFIX_BYTES + frameBytes);
  }

  push(chunk: Buffer): void {
    let at = this.#partialBytes > 0 ? this.#complete(chunk) : 0;
    while (chunk.length - at >= PREFIX_BYTES) {
      const length = chunk.readInt32LE(at);
      const end = at + PREFIX_BYTES + length;
      if (end > chunk.length) break;
      this.#handler(chunk, at + PREFIX_BYTES, length);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk, at, chunk.length);
  }

  /** Adds what the partial frame lacks. @returns where the next frame begins */
  #complete(chunk: Buffer): number {
    let at = 0;
    if (this.#partialBytes < PREFIX_BYTES) {
      at = Math.min(chunk.length, PREFIX_BYTES - this.#partialBytes);
      this.#keep(chunk, 0, at);
      if (this.#partialBytes < PREFIX_BYTES) return at;
    }
    const length = this.#partial.readInt32LE(0);
    const end = Math.min(chunk.length, at + PREFIX_BYTES + length - this.#partialBytes);
    this.#keep(chunk, at, end);
    if (this.#partialBytes === PREFIX_BYTES + length) {
      this.#partialBytes = 0;
      this.#handler(this.#partial, PREFIX_BYTES, length);
    }
    return end;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const needed = this.#partialBytes + (to - from);
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafe(needed * 2);
      this.#partial.copy(grown, 0, 0, this.#partialBytes);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#partialBytes, from, to);
    this.#partialBytes = needed;
  }
}
