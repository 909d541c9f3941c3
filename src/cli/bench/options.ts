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
  /** seconds for which each subject is measured in each case, over all rounds; 1.5 by default */
  readonly durationSeconds?: number;
  /** rounds over which the seconds are spread; 5 by default */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
  /** Told what is being measured. */
  readonly onProgress?: (progress: string) => void;
}

export const BENCH_DEFAULTS = { durationSeconds: 1.5, rounds: 5 } as const;

/** Subjects of Tendon and the control always run; `peers` chooses among the others. */
export interface ResolvedBenchOptions {
  readonly workloads: readonly WorkloadName[];
  readonly subjects: readonly Subject[];
  readonly rounds: number;
  readonly roundSeconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: string) => void;
}

const KNOWN = ['only', 'peers', 'durationSeconds', 'rounds', 'signal', 'onProgress'] as const;

export function resolveBenchOptions(options: BenchOptions): ResolvedBenchOptions {
  refuseUnknownOptions('tendon bench', options, KNOWN);
  const names = Object.keys(WORKLOADS) as WorkloadName[];
  const workloads = options.only?.map((name) => oneOfOption('only', name, names)) ?? names;
  const isChosen = (subject: Subject): boolean => subject.group === 'tendon' || subject.group === 'control';
  const peerNames = SUBJECTS.filter((subject) => !isChosen(subject)).map(({ name }) => name);
  const peers = options.peers?.map((name) => oneOfOption('peers', name, peerNames)) ?? peerNames;
  const seconds = durationOption('duration', options.durationSeconds ?? BENCH_DEFAULTS.durationSeconds, 0.01);
  const rounds = integerOption('rounds', options.rounds ?? BENCH_DEFAULTS.rounds, 1, 1000);
  return {
    workloads: names.filter((name) => workloads.includes(name)),
    subjects: SUBJECTS.filter((subject) => isChosen(subject) || peers.includes(subject.name)),
    rounds,
    roundSeconds: seconds / rounds,
    signal: options.signal ?? new AbortController().signal,
    onProgress: options.onProgress ?? (() => {}),
  };
}
