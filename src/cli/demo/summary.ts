import type { HostReport, Latency } from './contract.ts';

/** What killing the sensor showed. Times are ms after the kill; null: it did not happen. */
export interface Recovery {
  readonly killedPid: number;
  /** when in the run, in seconds */
  readonly killedAtSeconds: number;
  /** until the analyser learned that the sensor was gone */
  readonly learnedMs: number | null;
  /** until it had read all that the dead sensor had committed */
  readonly drainedMs: number | null;
  /** until the new sensor's process was started */
  readonly restartedMs: number | null;
  /** until the first sample of the new sensor was analysed */
  readonly flowingAgainMs: number | null;
  /** frames that the killed sensor had committed, by its own account, and that were received from it */
  readonly committed: number;
  readonly received: number;
  /** committed and never received */
  readonly lost: number;
}

/** The outcome of a run, as `tendon demo --json` prints it. */
export interface DemoSummary {
  readonly ok: boolean;
  /** what did not go as it should, in words */
  readonly problems: readonly string[];
  readonly interrupted: boolean;
  readonly seconds: number;
  readonly processes: {
    readonly viewer: number;
    readonly analyser: number;
    readonly sensors: readonly number[];
  };
  /** what carried samples and calls: `shm`, or `unix` and why */
  readonly transport: {
    readonly samples: string;
    readonly calls: string;
    readonly reason: string | null;
  };
  readonly samples: {
    readonly received: number;
    readonly meanPerSecond: number;
    readonly dropped: number;
    readonly droppedAfterRecovery: number;
    readonly malformed: number;
    /** of the sensor that was stopped in order: its own account and what was received from it */
    readonly lastCommitted: number | null;
    readonly lastReceived: number | null;
  };
  /** from sensor to analyser */
  readonly latencyUs: Latency | null;
  readonly calls: { readonly made: number; readonly failed: number; readonly latencyUs: Latency | null };
  readonly host: HostReport | null;
  readonly restarts: number;
  readonly recovery: Recovery | null;
  /** files left in the runtime directory after all had stopped; it is removed */
  readonly leftovers: readonly string[];
}
