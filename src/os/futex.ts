import { isMainThread } from 'node:worker_threads';
import { durationOption, TendonError } from '../core/index.ts';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

export type FutexOutcome = 'woken' | 'changed' | 'timed-out';

const OUTCOMES: readonly FutexOutcome[] = ['woken', 'changed', 'timed-out'];
/** what the addon takes at most; a wait for ever is one of 285 years */
const LONGEST_NS = 9e18;

/**
 * Sleeps until another thread or process wakes the 32-bit word, unless it differs from `expected` already. May
 * return `'woken'` for no reason: look at the word again.
 *
 * The thread does nothing else meanwhile, and `worker.terminate()` waits as well: only in a worker, in slices.
 *
 * @param buffer memory that is mapped from a file; other memory is not shared with anybody
 * @param byteOffset of the word, a multiple of 4
 * @param timeoutMs 0 answers at once (then also on the main thread); Infinity waits for ever
 * @throws TendonError STATE_INVALID on the main thread
 */
export function futexWait(
  buffer: ArrayBuffer,
  byteOffset: number,
  expected: number,
  timeoutMs: number,
): FutexOutcome {
  durationOption('timeoutMs', timeoutMs, 0, true);
  if (isMainThread && timeoutMs !== 0) {
    throw new TendonError(
      'STATE_INVALID',
      'futexWait would block the main thread and its event loop: wait in a worker, or watch a descriptor',
      {},
    );
  }
  try {
    const timeoutNs = Math.min(Math.ceil(timeoutMs * 1e6), LONGEST_NS);
    return OUTCOMES[native().futexWait(buffer, byteOffset, expected | 0, timeoutNs)] ?? 'woken';
  } catch (error) {
    throw systemFailure(error, `wait on the word at ${byteOffset}`);
  }
}

/** Wakes at most `count` waiters of the word, here or in other processes; answers how many there were. */
export function futexWake(buffer: ArrayBuffer, byteOffset: number, count: number): number {
  try {
    return native().futexWake(buffer, byteOffset, count);
  } catch (error) {
    throw systemFailure(error, `wake the waiters of the word at ${byteOffset}`);
  }
}

/** Waiting as memory/ takes it, by interface: on words of an Int32Array. */
export interface WordWaiter {
  wait(words: Int32Array, index: number, expected: number, timeoutMs: number): FutexOutcome;
  wake(words: Int32Array, index: number, count: number): number;
}

/** Waits and wakes across processes; the words must lie in a `Mapping`. */
export const futexWaiter: WordWaiter = {
  wait(words, index, expected, timeoutMs) {
    return futexWait(mappedMemory(words), words.byteOffset + index * 4, expected, timeoutMs);
  },
  wake(words, index, count) {
    return futexWake(mappedMemory(words), words.byteOffset + index * 4, count);
  },
};

function mappedMemory(words: Int32Array): ArrayBuffer {
  if (words.buffer instanceof ArrayBuffer) return words.buffer;
  throw new TendonError('OPTION_INVALID', 'words must be over mapped memory, not a SharedArrayBuffer', {
    option: 'words',
    value: words,
  });
}
