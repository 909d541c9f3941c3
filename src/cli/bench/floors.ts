import { type BenchCase, type BenchFloor, type BenchResult, findResult, type Metric } from './report.ts';
import type { Subject } from './subject.ts';
import { SUBJECTS } from './subjects/index.ts';

type Row = BenchCase & { readonly metric: Metric };

/** What is promised, and how its figure is found in the results; undefined when this run did not measure it. */
interface Promised {
  readonly id: string;
  readonly text: string;
  readonly unit: string;
  readonly sense: 'at least' | 'at most';
  readonly required: number;
  measure(results: readonly BenchResult[]): number | undefined;
}

const COPIED = 'shm';
const IN_PLACE = 'shm-in-place';
const MILLION = 1e6;

const oneWay = (bytes: number, metric: Metric): Row => ({ workload: 'throughput', bytes, metric });
const RATE_64 = oneWay(64, 'rate');
const trip = (mode: 'spin' | 'poll' | 'park', placement: 'one-core' | 'two-cores'): Row => ({
  workload: 'latency',
  bytes: 64,
  mode,
  placement,
  metric: 'p50',
});
/** Calls of a subject count where they are fastest, for ours as for the peer. */
const callRates = (inFlight: number): readonly Row[] =>
  (['free', 'two-cores'] as const).map((placement) => ({
    workload: 'calls',
    bytes: 64,
    inFlight,
    placement,
    metric: 'rate',
  }));

/** The table of the project's promises. A figure in place of another's is worth what the slower way gives. */
const PROMISES: readonly Promised[] = [
  {
    ...figure('one-way-64-copied', '64 B one way, copied', COPIED, RATE_64, 1 / MILLION),
    unit: 'M messages/s',
    ...atLeast(6),
  },
  {
    ...figure('one-way-64-in-place', '64 B one way, claimed in place', IN_PLACE, RATE_64, 1 / MILLION),
    unit: 'M messages/s',
    ...atLeast(10),
  },
  {
    ...ratio('one-way-64-copied-of-ring', '64 B copied, of the bare ring', COPIED, 'bare-ring', RATE_64),
    ...atLeast(0.8),
  },
  {
    ...ratio(
      'one-way-64-in-place-of-ring',
      '64 B in place, of the bare ring',
      IN_PLACE,
      'bare-ring-in-place',
      RATE_64,
    ),
    ...atLeast(0.8),
  },
  {
    ...ratio('one-way-64-of-corked', '64 B copied, of the corked socket', COPIED, 'net-corked', RATE_64),
    ...atLeast(1),
  },
  {
    ...ratio('one-way-64-of-zeromq', '64 B copied, of zeromq', COPIED, 'zeromq', RATE_64),
    ...atLeast(15),
  },
  ...(
    [
      [65_536, '64 KiB', 10],
      [1_048_576, '1 MiB', 7],
    ] as const
  ).flatMap(([bytes, size, required]): Promised[] => [
    {
      id: `one-way-${bytes}`,
      text: `${size} one way, the better of copied and in place`,
      unit: 'GB/s',
      ...atLeast(required),
      measure: (results) => best(results, oneWay(bytes, 'bandwidth'), isOneOf(COPIED, IN_PLACE)),
    },
    {
      id: `one-way-${bytes}-of-peers`,
      text: `${size} one way, of the best Node.js peer between processes`,
      unit: 'times',
      ...atLeast(4),
      measure: (results) => {
        const row = oneWay(bytes, 'bandwidth');
        return quotient(best(results, row, isOneOf(COPIED, IN_PLACE)), best(results, row, isPeerProcess));
      },
    },
  ]),
  {
    ...figure(
      'round-trip-polled',
      'round trip, both polling from the event loop',
      COPIED,
      trip('poll', 'two-cores'),
    ),
    unit: 'us',
    ...atMost(1.5),
  },
  {
    ...ratio(
      'round-trip-spinning',
      'round trip, spinning, of the C ring',
      COPIED,
      'c-ring',
      trip('spin', 'two-cores'),
    ),
    ...atMost(2),
  },
  {
    ...ratio(
      'round-trip-parked-one-core',
      'round trip, parked on one core, of net',
      COPIED,
      'net',
      trip('park', 'one-core'),
    ),
    ...atMost(0.6),
  },
  {
    ...ratio(
      'round-trip-parked-two-cores',
      'round trip, parked on two cores, of net',
      COPIED,
      'net',
      trip('park', 'two-cores'),
    ),
    ...atMost(1),
  },
  {
    ...figure('calls-1', 'echo calls, 1 in flight', COPIED, callRates(1), 1 / 1000),
    unit: 'k calls/s',
    ...atLeast(100),
  },
  {
    ...figure('calls-64', 'echo calls, 64 in flight', COPIED, callRates(64), 1 / 1000),
    unit: 'k calls/s',
    ...atLeast(400),
  },
  {
    ...ratio('calls-64-of-grpc', 'echo calls, 64 in flight, of grpc-js', COPIED, 'grpc-js', callRates(64)),
    ...atLeast(40),
  },
  {
    ...figure('idle', 'idle connected pair, both sides', COPIED, {
      workload: 'idle',
      bytes: 0,
      metric: 'cpu',
    }),
    unit: '% of a core',
    ...atMost(0.5),
  },
  {
    ...figure(
      'connect',
      'connect, handshake and first echo included',
      COPIED,
      { workload: 'connect', bytes: 64, metric: 'p50' },
      1 / 1000,
    ),
    unit: 'ms',
    ...atMost(3),
  },
];

export function judgeFloors(results: readonly BenchResult[]): readonly BenchFloor[] {
  return PROMISES.map(({ measure, ...promised }): BenchFloor => {
    const measured = measure(results);
    if (measured === undefined) return { ...promised, verdict: 'not measured' };
    const met = promised.sense === 'at least' ? measured >= promised.required : measured <= promised.required;
    return { ...promised, measured, verdict: met ? 'met' : 'missed' };
  });
}

function atLeast(required: number): { sense: 'at least'; required: number } {
  return { sense: 'at least', required };
}

function atMost(required: number): { sense: 'at most'; required: number } {
  return { sense: 'at most', required };
}

/** The median of one subject, in units of `1 / scale`. */
function figure(
  id: string,
  text: string,
  subject: string,
  row: Row | readonly Row[],
  scale = 1,
): Pick<Promised, 'id' | 'text' | 'measure'> {
  return {
    id,
    text,
    measure: (results) => {
      const found = intact(results, row, subject);
      return found === undefined ? undefined : found * scale;
    },
  };
}

function ratio(
  id: string,
  text: string,
  subject: string,
  other: string,
  row: Row | readonly Row[],
): Pick<Promised, 'id' | 'text' | 'unit' | 'measure'> {
  return {
    id,
    text,
    unit: 'times',
    measure: (results) => quotient(intact(results, row, subject), intact(results, row, other)),
  };
}

function quotient(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}

/** A figure with faults is worth nothing; of several rows (all of them rates) the greatest counts. */
function intact(
  results: readonly BenchResult[],
  wanted: Row | readonly Row[],
  subject: string,
): number | undefined {
  const figures = [wanted].flat().flatMap((row) => {
    const found = findResult(results, { ...row, subject });
    return found?.faults === 0 ? found.median : [];
  });
  return figures.length === 0 ? undefined : Math.max(...figures);
}

function best(
  results: readonly BenchResult[],
  row: Row,
  counts: (subject: string) => boolean,
): number | undefined {
  const figures = SUBJECTS.filter(({ name }) => counts(name)).flatMap(
    ({ name }) => intact(results, row, name) ?? [],
  );
  return figures.length === 0 ? undefined : Math.max(...figures);
}

function isOneOf(...names: readonly string[]): (subject: string) => boolean {
  return (subject) => names.includes(subject);
}

function isPeerProcess(name: string): boolean {
  return SUBJECTS.some(
    (subject: Subject) =>
      subject.name === name && subject.group === 'peer' && subject.between === 'processes',
  );
}
