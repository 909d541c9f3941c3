import { type DurationRecorder, percentile } from '../statistics.ts';
import type { PercentileName } from '../subject.ts';

/** Below this many samples a p99.9 would be the maximum by another name (and likewise for p99). */
const MIN_SAMPLES = { p99: 100, 'p99.9': 1000 } as const;

/** @returns microseconds, from milliseconds recorded */
export function percentilesUs(recorder: DurationRecorder): Readonly<Partial<Record<PercentileName, number>>> {
  const sorted = recorder.sorted();
  return {
    p50: percentile(sorted, 0.5) * 1000,
    ...(sorted.length >= MIN_SAMPLES.p99 && { p99: percentile(sorted, 0.99) * 1000 }),
    ...(sorted.length >= MIN_SAMPLES['p99.9'] && { 'p99.9': percentile(sorted, 0.999) * 1000 }),
  };
}
