import { defineService, method } from '../../rpc/index.ts';

/** A figure over the run: now (over the last second), and the least, mean and greatest of what it was. */
export interface Trend {
  readonly now: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  /** one value for each quarter of a second, the oldest first; at most 80 */
  readonly history: readonly number[];
}

/** What could not be known (no such file in /proc) is null: JSON has no NaN. */
export type Figure = Trend | null;

export interface HostReport {
  readonly cpuPercent: Figure;
  readonly runningTasks: Figure;
  readonly contextSwitchesPerSecond: Figure;
  readonly interruptsPerSecond: Figure;
  readonly memoryUsedBytes: Figure;
  readonly memoryBytes: number | null;
  readonly receivedBytesPerSecond: Figure;
  readonly sentBytesPerSecond: Figure;
  readonly loopbackBytesPerSecond: Figure;
  /** share of time in which some task waited for it */
  readonly cpuPressurePercent: Figure;
  readonly ioPressurePercent: Figure;
  readonly memoryPressurePercent: Figure;
}

export interface ProcessReport {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly threads: number;
  /** of one processor, over about a second */
  readonly cpuPercent: number;
  readonly residentBytes: number;
}

/** One start of the sensor, as the analyser saw it. Times are CLOCK_MONOTONIC in ns; null: it did not happen. */
export interface SensorReport {
  /** from its first frame; 0 before */
  readonly generation: number;
  readonly pid: number | null;
  /** what carries frames between the two */
  readonly transport: string;
  readonly received: number;
  /** gaps in its sequence */
  readonly dropped: number;
  readonly connectedNs: number;
  readonly firstFrameNs: number | null;
  readonly lastFrameNs: number | null;
  /** when the analyser learned that it was gone */
  readonly learnedNs: number | null;
  /** when all that it had committed was read */
  readonly drainedNs: number | null;
  /** the code of the error with which the connection ended; null while it lives and after an orderly end */
  readonly ended: string | null;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Report {
  readonly atNs: number;
  readonly frames: number;
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly dropped: number;
  /** frames that no sensor of this version sends; their sender was disconnected */
  readonly malformed: number;
  /** from the sensor's clock read to the analyser's, in us; null before the first frame */
  readonly latencyUs: { readonly recent: Latency | null; readonly run: Latency | null };
  readonly host: HostReport;
  /** how many processes the sensor came across in the last seconds */
  readonly processes: number;
  /** the busiest first */
  readonly busiest: readonly ProcessReport[];
  readonly sensors: readonly SensorReport[];
}

/** What the analyser answers. `busiest`: how many processes to name. */
export const analyserService = defineService('analyser', {
  methods: { report: method<{ readonly busiest: number }, Report>({ idempotent: true }) },
});
