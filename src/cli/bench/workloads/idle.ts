import type { Workload } from '../workload.ts';

/** A pair at rest says little in a short window, and all pairs are watched at once: ten rounds' worth. */
const ROUNDS_LONG = 10;
const WARM_UP_BYTES = 64;

/** What a connected pair costs that says nothing. */
export const idle: Workload = {
  cases: ({ roundSeconds }) => [
    {
      about: { workload: 'idle', bytes: 0 },
      face: (subject) => (subject.duplex && 'duplex') ?? (subject.calls && 'calls'),
      refuses: (subject) =>
        subject.between === 'processes' ? undefined : 'its two sides live in one process',
      task: { kind: 'idle', seconds: ROUNDS_LONG * roundSeconds },
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
