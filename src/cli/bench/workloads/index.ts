import type { WorkloadName } from '../report.ts';
import type { Workload } from '../workload.ts';
import { calls } from './calls.ts';
import { connect } from './connect.ts';
import { death } from './death.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';
import { throughput } from './throughput.ts';

/** In the order in which they run and are printed. */
export const WORKLOADS: Readonly<Record<WorkloadName, Workload>> = {
  throughput,
  latency,
  calls,
  connect,
  idle,
  death,
};
