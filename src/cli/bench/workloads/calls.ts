import type { Case, Workload } from '../workload.ts';

const BYTES = 64;
const IN_FLIGHT = [1, 64] as const;

/**
 * Echo calls. Subjects that know calls are asked through them, with promises, types and errors; those that
 * know only messages have each message sent back, which is less work.
 */
export const calls: Workload = {
  cases: ({ roundSeconds }) => IN_FLIGHT.map((inFlight) => echo(inFlight, roundSeconds)),
};

function echo(inFlight: number, seconds: number): Case {
  const task = { kind: 'echo', bytes: BYTES, inFlight, seconds } as const;
  return {
    about: { workload: 'calls', bytes: BYTES, inFlight },
    face: (subject) => {
      if (subject.native?.kinds.includes('echo')) return 'native';
      return (subject.calls && 'calls') ?? (subject.duplex && 'duplex');
    },
    task,
    warmUp: task,
    figures: ({ count, seconds: took }) => [{ metric: 'rate', unit: 'calls/s', value: count / took }],
  };
}
