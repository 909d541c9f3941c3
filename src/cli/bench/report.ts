import type { Placement } from './placement.ts';
import type { LatencyMode } from './subject.ts';

/**
 * The JSON of `tendon bench`. Names and meanings are stable; later versions add fields, workloads and
 * subjects. A row is identified by workload, subject, bytes and those of inFlight, mode, placement and
 * verified that it has, and by its metric.
 */
export interface BenchReport {
  readonly environment: BenchEnvironment;
  readonly results: readonly BenchResult[];
  /** subjects that took no part in a case, each with its reason */
  readonly skipped: readonly BenchSkip[];
  /** what the project promises, judged by the results of this run */
  readonly floors: readonly BenchFloor[];
}

export interface BenchEnvironment {
  /** start of the run, ISO 8601 */
  readonly date: string;
  readonly cpu: string;
  /** processors that the run was allowed to use */
  readonly cpus: readonly number[];
  /** cpufreq governor of the first of them; `'unknown'` where the kernel does not tell */
  readonly governor: string;
  /** load average of the last minute before the run: above a few tenths, others disturbed it */
  readonly loadBefore: number;
  readonly kernel: string;
  readonly node: string;
  /** flags of the Node processes that were measured */
  readonly flags: readonly string[];
  /** of Tendon, with `-dirty` for changed sources; its version where there is no repository */
  readonly commit: string;
  /** of the libraries and compilers that took part */
  readonly versions: Readonly<Record<string, string>>;
  /** at most: it ends when a subject gets no faster */
  readonly warmUpSeconds: number;
  readonly roundSeconds: number;
  readonly rounds: number;
  /** how long the whole run took */
  readonly tookSeconds: number;
}

export type WorkloadName = 'throughput' | 'latency' | 'calls' | 'connect' | 'idle' | 'death';

export interface BenchCase {
  readonly workload: WorkloadName;
  /** size of a message */
  readonly bytes: number;
  readonly inFlight?: number;
  /** how both sides wait: spinning, driven by the event loop, or idle long enough between messages to sleep */
  readonly mode?: LatencyMode;
  readonly placement?: Placement;
  /** the receiver compared every byte */
  readonly verified?: boolean;
}

export interface BenchResult extends BenchCase {
  readonly subject: string;
  readonly metric: Metric;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** how many rounds the three are of */
  readonly rounds: number;
  /** the figure of each round */
  readonly values: readonly number[];
  /** processor time of both sides together, median of the rounds */
  readonly cpuSecondsPerGB?: number;
  readonly cpuMicrosecondsPerMessage?: number;
  /** each side had a processor of its own; where `placement` does not say so already */
  readonly pinned?: boolean;
  /** messages lost, repeated, reordered or torn, all rounds */
  readonly faults: number;
}

export type Metric = 'rate' | 'bandwidth' | 'p50' | 'p99' | 'p99.9' | 'cpu' | 'delay';

export interface BenchSkip extends BenchCase {
  readonly subject: string;
  readonly reason: string;
}

export interface BenchFloor {
  readonly id: string;
  /** what is promised, for people */
  readonly text: string;
  readonly unit: string;
  /** `>=` or `<=` */
  readonly sense: 'at least' | 'at most';
  readonly required: number;
  /** absent when something it needs was not measured in this run */
  readonly measured?: number;
  readonly verdict: 'met' | 'missed' | 'not measured';
}

/** Rows of one case stand together under this key. */
export function caseKey(row: BenchCase): string {
  const { workload, bytes, inFlight, mode, placement, verified } = row;
  return [workload, bytes, inFlight, mode, placement, verified === true ? 'verified' : undefined].join('/');
}

/** What describes a case to people, without the workload's name. */
export function caseTitle(row: BenchCase): string {
  const { workload, bytes, inFlight, mode, placement, verified } = row;
  const parts: string[] = [workload];
  if (mode !== undefined) parts.push(MODE_TITLES[mode]);
  if (workload !== 'idle' && workload !== 'death') parts.push(bytesTitle(bytes));
  if (inFlight !== undefined) parts.push(`${inFlight} in flight`);
  if (placement !== undefined && placement !== 'free') {
    parts.push(placement === 'one-core' ? 'both on one core' : 'pinned to two cores');
  }
  if (verified === true) parts.push('every byte verified');
  return parts.join(', ');
}

const MODE_TITLES: Readonly<Record<LatencyMode, string>> = {
  spin: 'spinning',
  poll: 'polled from the event loop',
  park: 'parked in between',
};

function bytesTitle(bytes: number): string {
  if (bytes >= 1 << 20) return `${bytes / (1 << 20)} MiB`;
  return bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`;
}

/** Finds the one row of a case, subject and metric. */
export function findResult(
  results: readonly BenchResult[],
  wanted: BenchCase & { readonly subject: string; readonly metric: Metric },
): BenchResult | undefined {
  const key = caseKey(wanted);
  return results.find(
    (row) => row.subject === wanted.subject && row.metric === wanted.metric && caseKey(row) === key,
  );
}
