/**
 * Fuzzing with a seed that is printed and can be given again: TENDON_FUZZ_SEED=n TENDON_FUZZ_RUNS=n.
 * TENDON_TORTURE=1 multiplies the runs by fifty.
 */

/** xorshift32: the same numbers everywhere, from one word of state. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** An integer from 0 to `below - 1`. */
  below(below: number): number {
    let word = this.#state;
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    this.#state = word >>> 0;
    return this.#state % below;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T; // callers pass at least one
  }
}

export interface FuzzPlan {
  readonly seed: number;
  readonly runs: number;
}

export function fuzzPlan(defaultRuns: number): FuzzPlan {
  const { TENDON_FUZZ_SEED, TENDON_FUZZ_RUNS, TENDON_TORTURE } = process.env;
  const seed =
    TENDON_FUZZ_SEED === undefined ? (Date.now() ^ (process.pid << 16)) >>> 0 : Number(TENDON_FUZZ_SEED);
  const runs =
    TENDON_FUZZ_RUNS === undefined
      ? defaultRuns * (TENDON_TORTURE === '1' ? 50 : 1)
      : Number(TENDON_FUZZ_RUNS);
  if (!Number.isInteger(seed) || seed < 0)
    throw new Error(`TENDON_FUZZ_SEED must be an integer, got ${TENDON_FUZZ_SEED}`);
  if (!Number.isInteger(runs) || runs < 1)
    throw new Error(`TENDON_FUZZ_RUNS must be a count, got ${TENDON_FUZZ_RUNS}`);
  return { seed, runs };
}

/** Bytes that a peer in good faith would not send: random, or one of `samples` cut, flipped, patched, spliced or grown. */
export function hostileBytes(random: Random, samples: readonly Uint8Array[]): Uint8Array {
  const shape = random.below(10);
  if (shape === 0) return random.bytes(random.below(64));
  if (shape === 1) return biased(random, random.below(96));
  const bytes = Uint8Array.from(random.pick(samples));
  if (shape === 2) return bytes.subarray(0, random.below(bytes.length + 1));
  if (shape === 3) return Uint8Array.from([...bytes, ...random.bytes(1 + random.below(16))]);
  if (shape === 4) {
    const other = random.pick(samples);
    return Uint8Array.from([
      ...bytes.subarray(0, random.below(bytes.length + 1)),
      ...other.subarray(random.below(other.length + 1)),
    ]);
  }
  for (let damage = 1 + random.below(4); damage > 0 && bytes.length > 0; damage--) {
    const at = random.below(bytes.length);
    if (shape <= 6) bytes[at]! ^= 1 << random.below(8);
    else if (shape === 7) bytes[at] = random.below(256);
    else bytes.set([0xff, 0xff, 0xff, random.pick([0xff, 0x7f, 0x00])].slice(0, bytes.length - at), at);
  }
  return bytes;
}

/** Bytes near the borders that lengths and tokens have. */
function biased(random: Random, length: number): Uint8Array {
  const borders = [0x00, 0x01, 0x7f, 0x80, 0x90, 0x9f, 0xa0, 0xc0, 0xc7, 0xc9, 0xd4, 0xdc, 0xdd, 0xdf, 0xff];
  return Uint8Array.from({ length }, () => random.pick(borders));
}
