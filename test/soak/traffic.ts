import { crc32 } from 'node:zlib';
import type { SeededRandom } from 'tendon/testing';

/**
 * The frames of the soak. Each carries what a receiver needs to tell lost, doubled, reordered and torn ones apart:
 *
 *     0         4         8         12        16        20
 *     +---------+---------+---------+---------+---------+------------
 *     | number  | seen    | flags   | length  | crc32   | content ...
 *     +---------+---------+---------+---------+---------+------------
 *
 * `number` counts from 0 for each direction, `seen` is how many frames its sender had received, `length` is that of
 * the whole frame, the checksum covers all but itself. Little-endian.
 */
export const HEADER_BYTES = 20;
const CHECKED_BYTES = 16;

/** the content is the name of the connection */
export const HELLO = 1;
/** the last frame of this direction */
export const END = 2;

const POOL_BYTES = 1 << 20;
export const LARGEST_FRAME_BYTES = 300_000;

export interface FrameHead {
  readonly number: number;
  readonly seen: number;
  readonly flags: number;
}

/** Mostly small, one in fifty larger than a record of the rings here (64 KiB), so that it travels in parts. */
export function randomLength(random: SeededRandom, largestBytes: number): number {
  const kind = random.integer(0, 99);
  const limit = kind < 70 ? 512 : kind < 90 ? 8_192 : kind < 98 ? 60_000 : LARGEST_FRAME_BYTES;
  return random.integer(HEADER_BYTES, Math.max(HEADER_BYTES, Math.min(limit, largestBytes)));
}

/** Makes frames whose content is a random part of random bytes. */
export class FrameMaker {
  readonly #pool: Buffer;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#pool = Buffer.alloc(POOL_BYTES);
    for (let at = 0; at < POOL_BYTES; at += 4) this.#pool.writeUInt32LE(random.uint32(), at);
  }

  make(head: FrameHead, length: number): Buffer {
    const frame = Buffer.allocUnsafe(length);
    const start = this.#random.integer(0, POOL_BYTES - length);
    this.#pool.copy(frame, HEADER_BYTES, start, start + length - HEADER_BYTES);
    return seal(frame, head);
  }

  hello(name: string): Buffer {
    const frame = Buffer.alloc(HEADER_BYTES + Buffer.byteLength(name));
    frame.write(name, HEADER_BYTES);
    return seal(frame, { number: 0, seen: 0, flags: HELLO });
  }
}

function seal(frame: Buffer, { number, seen, flags }: FrameHead): Buffer {
  frame.writeUInt32LE(number, 0);
  frame.writeUInt32LE(seen, 4);
  frame.writeUInt32LE(flags, 8);
  frame.writeUInt32LE(frame.length, 12);
  frame.writeUInt32LE(checksum(frame), CHECKED_BYTES);
  return frame;
}

function checksum(frame: Buffer): number {
  return crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, CHECKED_BYTES)));
}

/** @throws Error for a torn frame */
export function readHead(bytes: Uint8Array, offset: number, length: number): FrameHead {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
  if (length < HEADER_BYTES) throw new Error(`torn: a frame of ${length} bytes`);
  const [number, said] = [frame.readUInt32LE(0), frame.readUInt32LE(12)];
  if (said !== length) throw new Error(`torn: frame ${number} has ${length} bytes and says ${said}`);
  if (frame.readUInt32LE(CHECKED_BYTES) !== checksum(frame))
    throw new Error(`torn: frame ${number} of ${length} bytes has another checksum`);
  return { number, seen: frame.readUInt32LE(4), flags: frame.readUInt32LE(8) };
}

/** The name in a HELLO. */
export function readName(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(
    bytes.buffer,
    bytes.byteOffset + offset + HEADER_BYTES,
    length - HEADER_BYTES,
  ).toString();
}
