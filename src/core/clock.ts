/** Time, as an option: a test owns it by passing its own. */
export interface Clock {
  /** Monotonic milliseconds with a fraction, from an arbitrary origin. For measuring silence and deadlines. */
  nowMs(): number;
  /** Calls `callback` once after `delayMs`; the timer does not keep the process alive unless `ref` is true. */
  setTimer(callback: () => void, delayMs: number, ref?: boolean): ClockTimer;
}

export interface ClockTimer {
  cancel(): void;
}

/** The clock of this machine: `performance.now` and Node's timers. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  setTimer(callback, delayMs, ref = false) {
    const timer = setTimeout(callback, delayMs);
    if (!ref) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
