/** A power of two is divided into so many buckets: a percentile is right to 3 %. */
const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
const LARGEST = 0xffff_ffff;

/** Counts of values from 0 to 2^32 - 1, for percentiles; no value is kept. */
export class Histogram {
  readonly #counts = new Uint32Array((33 - STEP_BITS) * STEPS);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  get max(): number {
    return this.#max;
  }

  record(value: number): void {
    const whole = Math.min(LARGEST, Math.max(0, value)) >>> 0;
    const shift = Math.max(0, 31 - Math.clz32(whole) - STEP_BITS);
    // Below STEPS a value is its own bucket; above, each power of two has STEPS of them.
    const bucket = shift * STEPS + (whole >>> shift);
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#count++;
    if (whole > this.#max) this.#max = whole;
  }

  add(other: Histogram): void {
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      this.#counts[bucket] = this.#counts[bucket]! + other.#counts[bucket]!;
    }
    this.#count += other.#count;
    this.#max = Math.max(this.#max, other.#max);
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#max = 0;
  }

  /** The value that `fraction` of all do not exceed, rounded up to its bucket's end; NaN when there is none. */
  percentile(fraction: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(fraction * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return Math.min(this.#max, largestOf(bucket));
    }
    return this.#max;
  }
}

function largestOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket;
  const shift = Math.floor(bucket / STEPS) - 1;
  return (bucket - shift * STEPS + 1) * 2 ** shift - 1;
}
