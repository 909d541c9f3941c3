import { arch } from 'node:process';
import { integerOption, oneOfOption, TendonError } from '../core/index.ts';

/** `'move'`: one 64-bit move of a float element, x86-64 only; `'bigint'`: BigInt64 atomics, everywhere. */
export type Word64Access = 'move' | 'bigint';

export function nativeWord64Access(): Word64Access {
  return arch === 'x64' ? 'move' : 'bigint';
}

/**
 * 64-bit words that other threads, processes and programs read: `count` of them, little-endian, one after the other.
 *
 * Loads and stores of numbers up to 2^53 are one access each and make no garbage on x86-64: the bits travel as one
 * float element (0.7 to 5 ns; a BigInt64 atomic costs 20 ns and 40 bytes). There a store releases and a load acquires,
 * as any of that processor does; what must not be passed by an earlier store of the same thread needs an `Atomics`
 * access between. A float move may alter a NaN's bits, so bits that are one (negative numbers above -2^52 among
 * them) go by BigInt.
 *
 * `add` and `compareExchange` are BigInt64 atomics, never split in two.
 */
export class Words64 {
  static readonly BYTES = 8;
  readonly count: number;
  readonly #bigints: BigInt64Array;
  readonly #floats: Float64Array;
  readonly #halves: Int32Array;
  readonly #scratch = new Float64Array(1);
  readonly #scratchHalves = new Int32Array(this.#scratch.buffer);
  readonly #moves: boolean;

  /** @throws TendonError OPTION_INVALID: also when `byteOffset` is not a multiple of 8 */
  constructor(
    buffer: ArrayBufferLike,
    byteOffset: number,
    count: number,
    access: Word64Access = nativeWord64Access(),
  ) {
    integerOption('byteOffset', byteOffset, 0, buffer.byteLength);
    integerOption('count', count, 0, Math.floor((buffer.byteLength - byteOffset) / 8));
    if (byteOffset % 8 !== 0) {
      throw new TendonError('OPTION_INVALID', `byteOffset must be a multiple of 8, got ${byteOffset}`, {
        option: 'byteOffset',
        value: byteOffset,
      });
    }
    this.count = count;
    this.#bigints = new BigInt64Array(buffer, byteOffset, count);
    this.#floats = new Float64Array(buffer, byteOffset, count);
    this.#halves = new Int32Array(buffer, byteOffset, count * 2);
    this.#moves = oneOfOption('access', access, ['move', 'bigint']) === 'move';
  }

  /** The word as a number; beyond 2^53 it is rounded. @hot */
  load(index: number): number {
    if (!this.#moves) return Number(Atomics.load(this.#bigints, index));
    const bits = this.#floats[index]!;
    if (Number.isNaN(+bits)) return Number(Atomics.load(this.#bigints, index)); // a NaN, or no such word
    this.#scratch[0] = bits;
    const high = this.#scratchHalves[1]!;
    return high * 4294967296 + (this.#scratchHalves[0]! >>> 0);
  }

  /** `load` after an atomic access to the word: for loops that wait for a change. @hot */
  loadAcquire(index: number): number {
    Atomics.load(this.#halves, index * 2); // a fresh look: no compiler may reuse an earlier one
    return this.load(index);
  }

  /** Stores a safe integer. @hot */
  store(index: number, value: number): void {
    if (!this.#moves || value < 0) {
      Atomics.store(this.#bigints, index, BigInt(value));
      return;
    }
    const high = Math.floor(value / 4294967296);
    this.#scratchHalves[0] = value - high * 4294967296;
    this.#scratchHalves[1] = high;
    this.#floats[index] = this.#scratch[0]!;
  }

  loadBigInt(index: number): bigint {
    return Atomics.load(this.#bigints, index);
  }

  storeBigInt(index: number, value: bigint): void {
    Atomics.store(this.#bigints, index, value);
  }

  /** Adds and returns what was there. */
  add(index: number, delta: bigint): bigint {
    return Atomics.add(this.#bigints, index, delta);
  }

  /** Stores `value` where `expected` is; returns what was there. */
  compareExchange(index: number, expected: bigint, value: bigint): bigint {
    return Atomics.compareExchange(this.#bigints, index, expected, value);
  }
}
