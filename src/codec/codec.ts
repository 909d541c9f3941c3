/**
 * Turns values into bytes and back. An implementation has a folder of its own below this one.
 *
 * Bytes handed to `decode` may lie in memory that another process writes: a codec reads each byte it decides by
 * once, or copies first.
 */
export interface Codec<T = unknown> {
  /** On the wire, 1 to 63. See `CODEC_IDS`. */
  readonly id: number;
  /** For people and configuration: `'json'`. */
  readonly name: string;
  /**
   * Bytes of `value`, owned by the caller: no later call changes them. When the value is bytes already, as with the
   * bytes codec, they are the value's own memory and not a copy.
   *
   * @throws TendonError ENCODE_FAILED when the codec cannot express the value (cause kept)
   */
  encode(value: T): Uint8Array;
  /**
   * Writes `value` at `offset` of `target`, beyond which nothing is written.
   *
   * @returns bytes written, or -1 when they do not fit; bytes of `target` behind `offset` may then have been overwritten
   * @throws TendonError ENCODE_FAILED as `encode`
   */
  encodeInto?(value: T, target: Uint8Array, offset: number): number;
  /**
   * The value in `length` bytes at `offset`: all of them, no less. The result owns its memory: it never aliases `bytes`.
   *
   * @throws TendonError DECODE_FAILED with `position` counted from `offset`
   */
  decode(bytes: Uint8Array, offset: number, length: number): T;
}

/** Numbers on the wire. 6 bits: 0 says that the ends agreed elsewhere. */
export const CODEC_IDS = {
  /** raw bytes, untouched */
  BYTES: 1,
  JSON: 2,
  PROTOBUF: 3,
  MESSAGE_PACK: 4,
  FLAT_BUFFERS: 5,
  /** typed arrays with their element type */
  BINARY: 6,
  /** 7 to 31 are Tendon's; 32 to 63 are the application's */
  FIRST_OF_APPLICATION: 32,
  LAST: 63,
} as const;
