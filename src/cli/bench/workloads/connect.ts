import type { Workload } from '../workload.ts';

const BYTES = 64;

/** From nothing to the echo of the first message over a new connection: no subject can be early. */
export const connect: Workload = {
  cases: ({ roundSeconds }) => {
    const task = { kind: 'connect', bytes: BYTES, seconds: roundSeconds } as const;
    return [
      {
        about: { workload: 'connect', bytes: BYTES },
        face: (subject) => subject.dial && 'dial',
        task,
        warmUp: task,
        figures: ({ percentiles = {} }) =>
          (['p50', 'p99'] as const).flatMap((metric) => {
            const value = percentiles[metric];
            return value === undefined ? [] : [{ metric, unit: 'us', value }];
          }),
      },
    ];
  },
};
