import { type Placement, unpinnable } from '../placement.ts';
import type { FaceName, LatencyMode, PercentileName, Subject } from '../subject.ts';
import type { Case, Workload } from '../workload.ts';

const BYTES = 64;
/** Parked: five times as long as a poller stays awake. */
const PARK_GAP_MS = 1;
const NAMES: readonly PercentileName[] = ['p50', 'p99', 'p99.9'];

/**
 * Round trips, one at a time. Two that are awake on one core only take turns by the scheduler's clock, which
 * says nothing about a transport: that placement is for those who sleep.
 */
const PLACEMENTS: Readonly<Record<LatencyMode, readonly Placement[]>> = {
  spin: ['free', 'two-cores'],
  poll: ['free', 'two-cores'],
  park: ['free', 'one-core', 'two-cores'],
};

export const latency: Workload = {
  cases: ({ roundSeconds }) =>
    (['spin', 'poll', 'park'] as const).flatMap((mode) =>
      PLACEMENTS[mode].map((placement) => roundTrip(mode, placement, roundSeconds)),
    ),
};

function roundTrip(mode: LatencyMode, placement: Placement, seconds: number): Case {
  const gapMs = mode === 'park' ? PARK_GAP_MS : 0;
  const task = { kind: 'round-trip', mode, bytes: BYTES, seconds, gapMs } as const;
  return {
    about: { workload: 'latency', bytes: BYTES, mode, placement },
    face: (subject) => faceFor(subject, mode),
    refuses: (subject) => unpinnable(subject, placement),
    task,
    warmUp: { ...task, gapMs: 0 }, // sleeping warms nothing
    figures: ({ percentiles = {} }) =>
      NAMES.flatMap((metric) => {
        const value = percentiles[metric];
        return value === undefined ? [] : [{ metric, unit: 'us', value }];
      }),
  };
}

function faceFor(subject: Subject, mode: LatencyMode): FaceName | 'native' | undefined {
  if (subject.native?.kinds.includes('round-trip') && subject.native.modes.includes(mode)) return 'native';
  if (mode === 'spin') return subject.spin && 'spin';
  return (subject.duplex && 'duplex') ?? (subject.calls && 'calls');
}
