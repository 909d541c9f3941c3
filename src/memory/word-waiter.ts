import { TendonError } from '../core/index.ts';

export type WaitOutcome = 'woken' | 'changed' | 'timed-out';

/**
 * How a thread sleeps on a word of memory. `tendon/os` has one that crosses processes (a futex); this folder
 * has one for threads of a process over a SharedArrayBuffer.
 */
export interface WordWaiter {
  /**
   * Sleeps while `words[index] === expected`, for at most `timeoutMs` (finite). `'changed'`: the word differed
   * and nothing slept. A wake-up may be spurious: check the condition again. Blocks the thread, so an
   * implementation may refuse the main thread; `wake` works everywhere.
   */
  wait(words: Int32Array, index: number, expected: number, timeoutMs: number): WaitOutcome;
  /** Wakes at most `count` sleepers of that word and returns how many it woke. Never blocks. */
  wake(words: Int32Array, index: number, count: number): number;
}

/** Sleeping by `Atomics.wait`: threads of one process, memory that is a SharedArrayBuffer. */
export const ATOMICS_WAITER: WordWaiter = {
  wait(words, index, expected, timeoutMs) {
    if (!(words.buffer instanceof SharedArrayBuffer)) {
      throw new TendonError(
        'CAPABILITY_MISSING',
        'Atomics.wait sleeps on a SharedArrayBuffer only; give the primitive a waiter that fits its memory, or use its asynchronous form',
        { capability: 'Atomics.wait' },
      );
    }
    const outcome = Atomics.wait(words, index, expected, timeoutMs);
    return outcome === 'ok' ? 'woken' : outcome === 'not-equal' ? 'changed' : 'timed-out';
  },
  wake: (words, index, count) => Atomics.notify(words, index, count),
};
