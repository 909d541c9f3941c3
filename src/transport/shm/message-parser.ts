import type { TendonError } from '../../core/index.ts';
import { DOORBELL, FRAME_ON_SOCKET, HEADER_BYTES, MAX_CONTROL_BYTES, protocolError } from './protocol.ts';

/** `body` is valid during the call only. */
export type MessageHandler = (type: number, body: Uint8Array) => void;

const FIRST_BUFFER_BYTES = 4096;

/**
 * Cuts the bytes of a life-line into messages. The stream is input: a type of zero, a header that is not clean or a
 * body beyond its limit ends it.
 */
export class MessageParser {
  readonly #endpoint: string;
  readonly #onMessage: MessageHandler;
  readonly #onDoorbell: () => void;
  /** FRAME_ON_SOCKET is refused while this is 0, so a stranger cannot make us allocate. */
  maxFrameBytes = 0;
  /** a message that is not whole yet */
  #partial = new Uint8Array(FIRST_BUFFER_BYTES);
  #partialBytes = 0;

  constructor(endpoint: string, onMessage: MessageHandler, onDoorbell: () => void) {
    this.#endpoint = endpoint;
    this.#onMessage = onMessage;
    this.#onDoorbell = onDoorbell;
  }

  /** True in the middle of a message: the end of the stream now is a death, not a goodbye. */
  get midway(): boolean {
    return this.#partialBytes > 0;
  }

  /** @throws TendonError PROTOCOL_ERROR: the stream is out of step for good; and what the handler throws */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partialBytes > 0) {
        at += this.#fill(chunk, at);
        continue;
      }
      if (chunk[at] === DOORBELL) {
        at++;
        this.#onDoorbell();
        continue;
      }
      const left = chunk.length - at;
      if (left < HEADER_BYTES) {
        this.#keep(chunk.subarray(at));
        return;
      }
      const length = this.#bodyLength(chunk, at);
      if (left < HEADER_BYTES + length) {
        this.#keep(chunk.subarray(at));
        return;
      }
      const body = chunk.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
      const type = chunk[at] as number; // `at` is within the chunk
      at += HEADER_BYTES + length;
      this.#onMessage(type, body);
    }
  }

  /** Adds what the partial message lacks; hands it over when it is whole. @returns bytes taken from the chunk */
  #fill(chunk: Uint8Array, at: number): number {
    const left = chunk.length - at;
    if (this.#partialBytes < HEADER_BYTES) {
      const taken = Math.min(left, HEADER_BYTES - this.#partialBytes);
      this.#keep(chunk.subarray(at, at + taken));
      if (this.#partialBytes === HEADER_BYTES) this.#deliverWhole();
      return taken;
    }
    const length = this.#bodyLength(this.#partial, 0);
    const taken = Math.min(left, HEADER_BYTES + length - this.#partialBytes);
    this.#keep(chunk.subarray(at, at + taken));
    this.#deliverWhole();
    return taken;
  }

  #deliverWhole(): void {
    const length = this.#bodyLength(this.#partial, 0);
    if (this.#partialBytes < HEADER_BYTES + length) return;
    const whole = this.#partial;
    this.#partialBytes = 0;
    if (whole.length > 1 << 20) this.#partial = new Uint8Array(FIRST_BUFFER_BYTES);
    this.#onMessage(whole[0] as number, whole.subarray(HEADER_BYTES, HEADER_BYTES + length));
  }

  #keep(bytes: Uint8Array): void {
    const needed = this.#partialBytes + bytes.length;
    if (this.#partial.length < needed) {
      const grown = new Uint8Array(Math.max(needed, this.#partial.length * 2));
      grown.set(this.#partial.subarray(0, this.#partialBytes));
      this.#partial = grown;
    }
    this.#partial.set(bytes, this.#partialBytes);
    this.#partialBytes = needed;
  }

  #bodyLength(bytes: Uint8Array, at: number): number {
    const type = bytes[at] as number;
    const reserved = (bytes[at + 1] as number) | (bytes[at + 2] as number) | (bytes[at + 3] as number);
    let length = 0;
    for (let i = 7; i >= 4; i--) length = length * 256 + (bytes[at + i] as number);
    const limit = type === FRAME_ON_SOCKET ? this.maxFrameBytes : MAX_CONTROL_BYTES;
    if (type === 0 || reserved !== 0 || length > limit) throw this.#garbage(type, length, limit);
    return length;
  }

  #garbage(type: number, length: number, limit: number): TendonError {
    return protocolError(
      this.#endpoint,
      `a message of type ${type} and ${length} bytes, at most ${limit} are allowed`,
    );
  }
}
