import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

/**
 * Writes the monotonic clock (CLOCK_MONOTONIC, the same for all processes of the host) to `target[index]`, in
 * nanoseconds. As a float it is exact for the first 104 days after boot, then to 2 ns. Allocates nothing. @hot
 */
export function readClockInto(target: Float64Array | BigInt64Array, index: number): void {
  try {
    native().readMonotonic(target, index);
  } catch (error) {
    throw systemFailure(error, 'read the monotonic clock');
  }
}

/**
 * Writes the time since 1970 in nanoseconds to `target[index]`. As a float it is a multiple of 256 ns. It jumps
 * when somebody sets the clock: never measure silence with it. Allocates nothing. @hot
 */
export function readEpochInto(target: Float64Array | BigInt64Array, index: number): void {
  try {
    native().readEpoch(target, index);
  } catch (error) {
    throw systemFailure(error, 'read the clock of the day');
  }
}
