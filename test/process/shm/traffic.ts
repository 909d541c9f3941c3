import assert from 'node:assert/strict';
import type { Connection } from 'tendon/transport';

/**
 * The frames of the process tests, the same as in peer.c: number n of a direction has a length and a content that both
 * sides can compute. Every byte of every frame is compared, so loss, doubling, reordering and damage all show.
 */
const SHIFTS = 4099;
const MAX_FRAME = 1 << 20;

function scramble(state: number): number {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  return x ^ (x << 5);
}

function makePattern(): Buffer {
  const bytes = Buffer.alloc(SHIFTS + MAX_FRAME);
  let random = 12345;
  for (let i = 0; i < bytes.length; i++) {
    random = scramble(random);
    bytes[i] = (random >>> 8) & 0xff;
  }
  return bytes;
}

const PATTERN = makePattern();

export const FROM_CLIENT = 0;
export const FROM_LISTENER = 1;

/** Bytes of frame `number`: mostly small, one in a thousand up to 300 000. */
export function lengthOf(number: number, direction: number): number {
  const random = scramble(scramble((Math.imul(number, 2654435761) + direction * 977 + 1) | 0));
  const size = scramble(random) >>> 4;
  const kind = (random >>> 0) % 1000;
  if (kind < 900) return size % 512;
  if (kind < 990) return size % 8192;
  return kind < 999 ? size % 40_000 : size % 300_000;
}

/** Where the content of frame `number` begins in the pattern. */
function startOf(number: number): number {
  return (Math.imul(number, 7919) >>> 0) % SHIFTS;
}

export function contentOf(number: number, length: number): Buffer {
  const start = startOf(number);
  return PATTERN.subarray(start, start + length);
}

/** Checks each frame against what its number says. */
export class Checker {
  /** frames that arrived, each of them right */
  received = 0;
  bytes = 0;
  readonly #length: (number: number) => number;

  constructor(length: (number: number) => number) {
    this.#length = length;
  }

  readonly take = (bytes: Uint8Array, offset: number, length: number): void => {
    const number = this.received;
    const wanted = this.#length(number);
    if (length !== wanted) assert.fail(`frame ${number} has ${length} bytes instead of ${wanted}`);
    const start = startOf(number);
    if (PATTERN.compare(bytes, offset, offset + length, start, start + length) !== 0)
      assert.fail(`frame ${number} of ${length} bytes has another content`);
    this.received = number + 1;
    this.bytes += length;
  };
}

/** Sends frames `from` to `to - 1`; lets the event loop turn now and then. */
export async function sendNumbered(
  connection: Connection,
  from: number,
  to: number,
  length: (number: number) => number,
): Promise<void> {
  for (let number = from; number < to; number++) {
    const frame = contentOf(number, length(number));
    if (connection.offer(frame) !== 0) await connection.send(frame);
    if ((number & 255) === 255) await new Promise((resolve) => setImmediate(resolve));
  }
}
