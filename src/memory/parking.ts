import type { WaitOutcome, WordWaiter } from './word-waiter.ts';

const PARKED = 0;
const EVENTS = 1;

/**
 * Where threads sleep until something changes, in two words. A releaser that finds nobody parked pays one load.
 *
 * ```
 *   word 0  parked  1: somebody sleeps or is about to
 *   word 1  events  grows by one with every `unpark` that found `parked`
 * ```
 *
 * Sleeper: `announce`, try once more, `sleep`. Releaser: release, `unpark`. Either the sleeper's second try sees the
 * release or the releaser sees `parked`, because both write one word before they read the other. A sleeper that
 * got what it wanted leaves `parked` set: others may still sleep, so its own release looks.
 */
export class Parking {
  static readonly WORDS = 2;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #waiter: WordWaiter;

  constructor(words: Int32Array, index: number, waiter: WordWaiter) {
    this.#words = words;
    this.#index = index;
    this.#waiter = waiter;
  }

  /** Says that this thread is about to sleep; the answer is for `sleep`. */
  announce(): number {
    const events = Atomics.load(this.#words, this.#index + EVENTS);
    Atomics.store(this.#words, this.#index + PARKED, 1); // SYNC(parking) fence: before the second try
    return events;
  }

  sleep(events: number, timeoutMs: number): WaitOutcome {
    return this.#waiter.wait(this.#words, this.#index + EVENTS, events, timeoutMs);
  }

  unpark(count: number): void {
    if (Atomics.load(this.#words, this.#index + PARKED) === 0) return; // SYNC(parking) fence: after the release
    Atomics.store(this.#words, this.#index + PARKED, 0);
    Atomics.add(this.#words, this.#index + EVENTS, 1);
    this.#waiter.wake(this.#words, this.#index + EVENTS, count);
  }
}
