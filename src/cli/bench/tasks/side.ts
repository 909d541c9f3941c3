import type { PercentileName } from '../subject.ts';

/** What one side of a window reports. Times are CLOCK_MONOTONIC, which all processes of a host share. */
export interface SideReport {
  readonly count: number;
  readonly faults: number;
  /** when the window began on this side */
  readonly firstNs: number;
  /** when its last message had arrived, or was sent */
  readonly lastNs: number;
  readonly percentiles?: Readonly<Partial<Record<PercentileName, number>>>;
}

export function monotonicNs(): number {
  return Number(process.hrtime.bigint()); // exact for the first 104 days of a host's life, then within 2 ns
}
