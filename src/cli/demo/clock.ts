import { nativeStatus, readClockInto } from '../../os/index.ts';

/** CLOCK_MONOTONIC in nanoseconds, the same in all processes of the host: a time in a frame means the same to both ends. */
export function monotonicClock(): () => number {
  if (!nativeStatus().available) return () => Number(process.hrtime.bigint()); // the same clock, at the cost of garbage
  const now = new Float64Array(1);
  return () => {
    readClockInto(now, 0);
    return now[0]!;
  };
}
