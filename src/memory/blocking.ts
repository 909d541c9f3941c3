import {
  abortedError,
  type Clock,
  durationOption,
  integerOption,
  refuseUnknownOptions,
  SYSTEM_CLOCK,
  TendonError,
  throwIfAborted,
} from '../core/index.ts';
import type { OwnerLiveness } from './owner.ts';
import type { Parking } from './parking.ts';
import type { WordWaiter } from './word-waiter.ts';

/** What every primitive that can wait is given. */
export interface BlockingOptions {
  /** who we are, and how the death of an owner is noticed */
  readonly liveness: OwnerLiveness;
  /** how the blocking forms sleep and how sleepers are woken */
  readonly waiter: WordWaiter;
  /** tries before the kernel is asked to wait; default 100, about a microsecond or two */
  readonly spins?: number;
  /** a sleeper looks for dead owners at least this often; default 50 */
  readonly recheckMs?: number;
  /** time-out of the waiting forms where the call states none; `Infinity` is allowed; default 5000 */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}
export const BLOCKING_DEFAULTS = { spins: 100, recheckMs: 50, timeoutMs: 5000 } as const;
const BLOCKING_OPTIONS: readonly string[] = [
  'liveness',
  'waiter',
  'spins',
  'recheckMs',
  'timeoutMs',
  'clock',
];

export interface AsyncWaitOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** The options, checked once. */
export interface Blocking {
  readonly liveness: OwnerLiveness;
  readonly waiter: WordWaiter;
  readonly spins: number;
  readonly recheckMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export function resolveBlocking(
  owner: string,
  options: BlockingOptions,
  more: readonly string[] = [],
): Blocking {
  refuseUnknownOptions(owner, options, [...more, ...BLOCKING_OPTIONS]);
  return {
    liveness: options.liveness,
    waiter: options.waiter,
    spins: integerOption('spins', options.spins ?? BLOCKING_DEFAULTS.spins, 0, 1_000_000),
    recheckMs: durationOption('recheckMs', options.recheckMs ?? BLOCKING_DEFAULTS.recheckMs, 1),
    timeoutMs: durationOption('timeoutMs', options.timeoutMs ?? BLOCKING_DEFAULTS.timeoutMs, 0, true),
    clock: options.clock ?? SYSTEM_CLOCK,
  };
}

/** The processor's hint for spin loops, where this Node has it (24 and later). */
export const pause: () => void = (Atomics as { pause?: () => void }).pause ?? (() => {});

export function lockTimeout(what: string, timeoutMs: number): TendonError<'LOCK_TIMEOUT'> {
  return new TendonError('LOCK_TIMEOUT', `${what} was not to be had within ${timeoutMs} ms`, { timeoutMs });
}

/** How long the n-th sleep is: short first, so that a death right before is noticed soon. */
export function nextSlice(sliceMs: number, limitMs: number): number {
  return Math.min(sliceMs * 2, limitMs);
}

/**
 * Bounded spinning, then kernel waits, until `attempt` or `recover` answers something.
 *
 * @param recover looks for dead owners; asked after every sleep that nobody ended, and before giving up
 * @throws TendonError LOCK_TIMEOUT; what the waiter throws where it may not block
 */
export function blockUntil<T>(
  what: string,
  parking: Parking,
  blocking: Blocking,
  timeoutMs: number,
  attempt: () => T | undefined,
  recover: () => T | undefined,
): T {
  durationOption('timeoutMs', timeoutMs, 0, true);
  for (let spin = 0; ; spin++) {
    const outcome = attempt();
    if (outcome !== undefined) return outcome;
    if (spin >= blocking.spins) break;
    pause();
  }
  const deadlineMs = blocking.clock.nowMs() + timeoutMs;
  for (let sliceMs = 1; ; ) {
    const events = parking.announce();
    const leftMs = deadlineMs - blocking.clock.nowMs();
    const outcome = attempt() ?? (leftMs <= 0 ? recover() : undefined);
    if (outcome !== undefined) return outcome;
    if (leftMs <= 0) throw lockTimeout(what, timeoutMs);
    if (parking.sleep(events, Math.min(leftMs, sliceMs)) === 'timed-out') {
      const recovered = recover();
      if (recovered !== undefined) return recovered;
      sliceMs = nextSlice(sliceMs, blocking.recheckMs);
    }
  }
}

/** How often `eventually` looks again: at once on the event loop for a while, then by timers up to this apart. */
const POLL_LIMIT_MS = 16;
const EAGER_TURNS = 8;

/**
 * The same for a thread that must not block: looks again from the event loop, a few turns in a row and then by
 * timers 1 to 16 ms apart.
 *
 * @param onPoke is given a function that looks again now
 * @throws TendonError LOCK_TIMEOUT, ABORTED
 */
export function eventually<T>(
  what: string,
  blocking: Blocking,
  options: AsyncWaitOptions,
  attempt: () => T | undefined,
  recover: () => T | undefined,
  onPoke?: (look: () => void) => void,
): Promise<T> {
  refuseUnknownOptions(what, options, ['signal', 'timeoutMs']);
  const timeoutMs = durationOption('timeoutMs', options.timeoutMs ?? blocking.timeoutMs, 0, true);
  const { clock } = blocking;
  const { signal } = options;
  return new Promise<T>((resolve, reject) => {
    throwIfAborted(signal, what);
    const deadlineMs = clock.nowMs() + timeoutMs;
    let turns = 0;
    let delayMs = 1;
    let settled = false;
    let stop = (): void => {};
    const finish = (settle: () => void): void => {
      settled = true;
      stop();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = (): void => finish(() => reject(abortedError(signal as AbortSignal, what)));
    const look = (): void => {
      if (settled) return;
      stop();
      try {
        const leftMs = deadlineMs - clock.nowMs();
        const late = turns > EAGER_TURNS || leftMs <= 0;
        const outcome = attempt() ?? (late ? recover() : undefined);
        if (outcome !== undefined) finish(() => resolve(outcome));
        else if (leftMs <= 0) finish(() => reject(lockTimeout(what, timeoutMs)));
        else schedule(leftMs);
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const schedule = (leftMs: number): void => {
      if (turns++ < EAGER_TURNS) {
        const immediate = setImmediate(look);
        stop = () => clearImmediate(immediate);
        return;
      }
      const timer = clock.setTimer(look, Math.min(delayMs, leftMs), true);
      stop = () => timer.cancel();
      delayMs = Math.min(delayMs * 2, POLL_LIMIT_MS);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    onPoke?.(look);
    look();
  });
}
