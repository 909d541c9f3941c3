import type { Workload } from '../workload.ts';

/** The least that gives a share below a percent a second digit: clocks count processor time in microseconds. */
const MIN_SECONDS = 2;
const WARM_UP_BYTES = 64;

/** What a connected pair costs that says nothing. */
export const idle: Workload = {
  cases: ({ roundSeconds }) => [
    {
      about: { workload: 'idle', bytes: 0 },
      face: (subject) => (subject.duplex && 'duplex') ?? (subject.calls && 'calls'),
      refuses: (subject) =>
        subject.between === 'processes' ? undefined : 'its two sides live in one process',
      task: { kind: 'idle', seconds: Math.max(MIN_SECONDS, 2 * roundSeconds) },
      // A pair that has just talked: whatever it keeps running to talk again is part of its cost.
      warmUp: {
        kind: 'echo',
        bytes: WARM_UP_BYTES,
        inFlight: 1,
        seconds: Math.min(0.1, roundSeconds),
      },
      together: true,
      rounds: 2,
      figures: ({ cpuSeconds, seconds }) => [
        { metric: 'cpu', unit: '% of a core', value: (100 * cpuSeconds) / seconds },
      ],
    },
  ],
};
