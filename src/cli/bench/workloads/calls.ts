import { type Placement, unpinnable } from '../placement.ts';
import type { Case, Workload } from '../workload.ts';

const BYTES = 64;
const IN_FLIGHT = [1, 64] as const;
/** One call at a time is as slow as a wake-up, and that depends on where the other side is. */
const PLACEMENTS: readonly Placement[] = ['free', 'two-cores'];

/**
 * Echo calls. Subjects that know calls are asked through them, with promises, types and errors; those that
 * know only messages have each message sent back, which is less work.
 */
export const calls: Workload = {
  cases: ({ roundSeconds }) =>
    IN_FLIGHT.flatMap((inFlight) => PLACEMENTS.map((placement) => echo(inFlight, placement, roundSeconds))),
};

function echo(inFlight: number, placement: Placement, seconds: number): Case {
  const task = { kind: 'echo', bytes: BYTES, inFlight, seconds } as const;
  return {
    about: { workload: 'calls', bytes: BYTES, inFlight, placement },
    face: (subject) => {
      if (subject.native?.kinds.includes('echo')) return 'native';
      return (subject.calls && 'calls') ?? (subject.duplex && 'duplex');
    },
    refuses: (subject) => unpinnable(subject, placement),
    task,
    warmUp: task,
    figures: ({ count, seconds: took }) => [{ metric: 'rate', unit: 'calls/s', value: count / took }],
  };
}
