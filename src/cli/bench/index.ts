export { runBench } from './bench.ts';
export { registerBench } from './command.ts';
export { BENCH_DEFAULTS, type BenchOptions } from './options.ts';
export type {
  BenchCase,
  BenchEnvironment,
  BenchFloor,
  BenchReport,
  BenchResult,
  BenchSkip,
  Metric,
  WorkloadName,
} from './report.ts';
export { formatReport } from './table.ts';
