/** What is said about one figure that was taken several times. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle value; the mean of the two in the middle when the count is even. NaN for no values. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * The smallest sample that at least `share` of all samples do not exceed (nearest rank: always a value that
 * was seen, never an interpolation).
 *
 * @param sorted ascending
 * @param share 0.5 for the median, 0.999 for p99.9
 */
export function percentile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  // 0.07 * 100 is 7.000000000000001 in binary: without the slack its ceiling would be one rank too far.
  const rank = Math.ceil(share * sorted.length - 1e-9);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1]!;
}

/**
 * Keeps durations without allocating while they are taken. When full it halves its own rate: every second
 * sample is dropped, and from then on only every second (fourth, ...) new one is kept, so that what is left
 * stays evenly spread over the whole window.
 */
export class DurationRecorder {
  readonly #samples: Float64Array;
  #count = 0;
  #stride = 1;
  #skip = 0;

  /** @param capacity even number of samples that are kept at most */
  constructor(capacity = 1 << 18) {
    this.#samples = new Float64Array(capacity);
  }

  record(duration: number): void {
    if (this.#skip > 0) {
      this.#skip -= 1;
      return;
    }
    this.#samples[this.#count] = duration;
    this.#count += 1;
    this.#skip = this.#stride - 1;
    if (this.#count === this.#samples.length) this.#halve();
  }

  get count(): number {
    return this.#count;
  }

  /** Ascending copy of what was kept. */
  sorted(): Float64Array {
    return this.#samples.slice(0, this.#count).sort();
  }

  #halve(): void {
    const kept = this.#count >> 1;
    for (let i = 0; i < kept; i += 1) this.#samples[i] = this.#samples[2 * i]!;
    this.#count = kept;
    this.#skip = this.#stride - 1; // the last one is dropped, so the next to keep is one old stride away
    this.#stride *= 2;
  }
}
