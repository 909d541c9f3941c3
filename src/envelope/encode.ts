import { type Crc32, crc32c, TendonError } from '../core/index.ts';
import { Blocks, checkBytes } from './blocks.ts';
import { CHECKSUM_OFFSET, FLAGS_SHIFT, Flag, WORD_OFFSET } from './layout.ts';
import type { MessageInit } from './message.ts';
import { frameChecksum } from './reader.ts';

const EMPTY = new Uint8Array(0);

/**
 * Bytes before the payload of `message`: base and blocks, a multiple of 8.
 *
 * @throws TendonError ENCODE_FAILED when a field does not fit its place
 */
export function headerLength(message: MessageInit): number {
  return new Blocks(message).headerBytes;
}

/**
 * Bytes of the whole frame of `message`.
 *
 * @throws TendonError ENCODE_FAILED when a field does not fit its place
 */
export function encodedLength(message: MessageInit): number {
  return new Blocks(message).headerBytes + payloadOf(message).length;
}

/**
 * Encodes `message` into memory of its own.
 *
 * @throws TendonError ENCODE_FAILED when a field does not fit its place
 */
export function encodeMessage(message: MessageInit): Uint8Array {
  const blocks = new Blocks(message);
  const payload = payloadOf(message);
  const frame = new Uint8Array(blocks.headerBytes + payload.length);
  blocks.write(frame, 0);
  frame.set(payload, blocks.headerBytes);
  sealFrame(frame, 0, frame.length);
  return frame;
}

/**
 * Encodes `message` at `offset` of `target`.
 *
 * @returns bytes written, `encodedLength(message)`
 * @throws TendonError ENCODE_FAILED when a field does not fit its place, or the frame its target; nothing is written
 */
export function encodeInto(message: MessageInit, target: Uint8Array, offset: number): number {
  const blocks = new Blocks(message);
  const payload = payloadOf(message);
  const length = blocks.headerBytes + payload.length;
  requireRoom(target, offset, length);
  blocks.write(target, offset);
  target.set(payload, offset + blocks.headerBytes);
  sealFrame(target, offset, length);
  return length;
}

/**
 * Encodes base and blocks of `message`, whose payload is ignored: the caller writes it behind them, in place, and
 * then calls `sealFrame` when the message has a checksum. `parts` are the caller's promise about that payload.
 *
 * @returns bytes written, `headerLength(message)`
 * @throws TendonError ENCODE_FAILED as `encodeInto`
 */
export function encodeHeaderInto(message: MessageInit, target: Uint8Array, offset: number): number {
  const blocks = new Blocks(message);
  requireRoom(target, offset, blocks.headerBytes);
  blocks.write(target, offset);
  return blocks.headerBytes;
}

/**
 * Writes the checksum of a finished frame when its CHECKSUM flag is set; does nothing otherwise.
 *
 * @param length bytes of the whole frame, payload included
 * @param crc CRC-32C to use, for large frames a native one
 */
export function sealFrame(bytes: Uint8Array, offset: number, length: number, crc: Crc32 = crc32c): void {
  const flags = bytes[offset + WORD_OFFSET + FLAGS_SHIFT / 8]!;
  if ((flags & Flag.CHECKSUM) === 0) return;
  putUint32(bytes, offset + CHECKSUM_OFFSET, frameChecksum(bytes, offset, length, crc));
}

function payloadOf(message: MessageInit): Uint8Array {
  const payload = message.payload ?? EMPTY;
  checkBytes('payload', payload, 0, Number.MAX_SAFE_INTEGER);
  return payload;
}

function requireRoom(target: Uint8Array, offset: number, length: number): void {
  if (!(offset >= 0 && offset + length <= target.length)) {
    throw new TendonError(
      'ENCODE_FAILED',
      `envelope: a frame of ${length} bytes does not fit at ${offset} of ${target.length}`,
      { codec: 'envelope' },
    );
  }
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
