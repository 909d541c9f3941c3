import type { Workload } from '../workload.ts';

/** From the SIGKILL of one side until the other is told. */
export const death: Workload = {
  cases: () => [
    {
      about: { workload: 'death', bytes: 0 },
      face: (subject) => subject.duplex && 'duplex',
      refuses: (subject) => (subject.between === 'processes' ? undefined : 'its two sides die together'),
      task: { kind: 'death' },
      freshEachRound: true,
      figures: ({ seconds }) => [{ metric: 'delay', unit: 'us', value: seconds * 1e6 }],
    },
  ],
};
