import { setMaxListeners } from 'node:events';
import { durationOption, integerOption, oneOfOption, refuseUnknownOptions } from '../../core/index.ts';
import type { WorkloadName } from './report.ts';
import type { Subject } from './subject.ts';
import { SUBJECTS } from './subjects/index.ts';
import { WORKLOADS } from './workloads/index.ts';

export interface BenchOptions {
  /** workloads to run; all by default */
  readonly only?: readonly WorkloadName[];
  /** names of the peers to compare with; all by default, an empty list for none */
  readonly peers?: readonly string[];
  /** names of Tendon's own subjects, controls included; all by default */
  readonly subjects?: readonly string[];
  /** seconds for which each subject is measured in each case, over all rounds; 0.9 by default */
  readonly durationSeconds?: number;
  /** rounds over which the seconds are spread; 5 by default */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
  /** Told what is being measured. */
  readonly onProgress?: (progress: string) => void;
}

export const BENCH_DEFAULTS = { durationSeconds: 0.9, rounds: 5 } as const;

export interface ResolvedBenchOptions {
  readonly workloads: readonly WorkloadName[];
  readonly subjects: readonly Subject[];
  readonly rounds: number;
  readonly roundSeconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: string) => void;
}

const KNOWN = ['only', 'peers', 'subjects', 'durationSeconds', 'rounds', 'signal', 'onProgress'] as const;

export function resolveBenchOptions(options: BenchOptions): ResolvedBenchOptions {
  refuseUnknownOptions('tendon bench', options, KNOWN);
  const names = Object.keys(WORKLOADS) as WorkloadName[];
  const workloads = options.only?.map((name) => oneOfOption('only', name, names)) ?? names;
  const chosen = new Set([
    ...choose('subjects', options.subjects, SUBJECTS.filter(isOurs)),
    ...choose(
      'peers',
      options.peers,
      SUBJECTS.filter((subject) => !isOurs(subject)),
    ),
  ]);
  const seconds = durationOption('duration', options.durationSeconds ?? BENCH_DEFAULTS.durationSeconds, 0.01);
  const rounds = integerOption('rounds', options.rounds ?? BENCH_DEFAULTS.rounds, 1, 1000);
  return {
    workloads: names.filter((name) => workloads.includes(name)),
    subjects: SUBJECTS.filter(({ name }) => chosen.has(name)),
    rounds,
    roundSeconds: seconds / rounds,
    signal: ownSignal(options.signal),
    onProgress: options.onProgress ?? (() => {}),
  };
}

/** Everything that waits in a run listens to it, which is more than Node's warning allows on the caller's. */
function ownSignal(signal: AbortSignal | undefined): AbortSignal {
  const own = AbortSignal.any(signal === undefined ? [] : [signal]);
  setMaxListeners(0, own);
  return own;
}

/** Transports of Tendon and the controls beside them. */
export function isOurs({ group }: Subject): boolean {
  return group === 'tendon' || group === 'control';
}

function choose(
  option: string,
  wanted: readonly string[] | undefined,
  from: readonly Subject[],
): readonly string[] {
  const names = from.map(({ name }) => name);
  return wanted?.map((name) => oneOfOption(option, name, names)) ?? names;
}
