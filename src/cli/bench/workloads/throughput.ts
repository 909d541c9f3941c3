import type { Case, Workload } from '../workload.ts';

const SIZES = [64, 1024, 65_536, 1_048_576] as const;
/** The verifying mode is about truth, not speed: fewer sizes, fewer rounds. */
const VERIFIED_SIZES = [64, 65_536] as const;
const VERIFIED_ROUNDS = 2;

/** One way, as fast as the receiver takes it. */
export const throughput: Workload = {
  cases: ({ roundSeconds }) => [
    ...SIZES.map((bytes) => oneWay(bytes, roundSeconds, false)),
    ...VERIFIED_SIZES.map((bytes) => oneWay(bytes, roundSeconds, true)),
  ],
};

function oneWay(bytes: number, seconds: number, verify: boolean): Case {
  const task = { kind: 'one-way', bytes, seconds, verify } as const;
  return {
    about: { workload: 'throughput', bytes, ...(verify && { verified: true }) },
    face: (subject) => {
      if (subject.native?.kinds.includes('one-way')) return 'native';
      return subject.oneWay && 'oneWay';
    },
    apart: true,
    task,
    warmUp: task,
    ...(verify && { rounds: VERIFIED_ROUNDS }),
    figures: ({ count, seconds: took }) => [
      { metric: 'rate', unit: 'messages/s', value: count / took },
      { metric: 'bandwidth', unit: 'GB/s', value: (count * bytes) / took / 1e9 },
    ],
  };
}
