import { checkWords } from './layout.ts';

/** A boolean in one word of any memory. Whatever is not 0 is set. Nobody owns it, so nothing can be orphaned. */
export class AtomicFlag {
  static readonly WORDS = 1;
  static readonly BYTES = 4;
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(words: Int32Array, index: number) {
    checkWords('AtomicFlag', words, index, AtomicFlag.WORDS);
    this.#words = words;
    this.#index = index;
  }

  /** What was written before `set`, `clear` or `swap` is seen by who sees their value in `get` or `swap`. */
  set(): void {
    Atomics.store(this.#words, this.#index, 1); // SYNC(flag) release
  }

  clear(): void {
    Atomics.store(this.#words, this.#index, 0); // SYNC(flag) release
  }

  get(): boolean {
    return Atomics.load(this.#words, this.#index) !== 0; // SYNC(flag) acquire
  }

  /** Sets it to `value` and returns what it was. */
  swap(value: boolean): boolean {
    return Atomics.exchange(this.#words, this.#index, value ? 1 : 0) !== 0; // SYNC(flag) acquire and release
  }

  /** Sets it to `value` if it was `expected`; tells whether it was. */
  compareAndSwap(expected: boolean, value: boolean): boolean {
    const observed = Atomics.load(this.#words, this.#index);
    if ((observed !== 0) !== expected) return false;
    // a foreign value other than 0 and 1 is "set" here as everywhere, so compare with what is really there
    return Atomics.compareExchange(this.#words, this.#index, observed, value ? 1 : 0) === observed;
  }
}
