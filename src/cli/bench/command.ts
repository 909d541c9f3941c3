import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { TendonError } from '../../core/index.ts';
import { Interrupt } from '../interrupt.ts';
import { runBench } from './bench.ts';
import { BENCH_DEFAULTS, isOurs } from './options.ts';
import type { WorkloadName } from './report.ts';
import { SUBJECTS } from './subjects/index.ts';
import { formatReport } from './table.ts';
import { WORKLOADS } from './workloads/index.ts';

interface Flags {
  readonly only?: readonly string[];
  readonly peers?: readonly string[];
  readonly subjects?: readonly string[];
  readonly duration: number;
  readonly rounds: number;
  readonly json?: string;
}

/** Writes the report to standard output alone, as JSON. */
const STDOUT = '-';

/** Adds `tendon bench` to the program. */
export function registerBench(program: Command): void {
  const named = (ours: boolean): string =>
    SUBJECTS.filter((subject) => isOurs(subject) === ours)
      .map(({ name }) => name)
      .join(', ');
  program
    .command('bench')
    .description('measure Tendon and its peers: the same work, in separate processes, in one run')
    .option('--only <workloads>', `comma-separated: ${Object.keys(WORKLOADS).join(', ')}`, list)
    .option('--peers <names>', `what to compare with, comma-separated, or none: ${named(false)}`, list)
    .option('--subjects <names>', `which of our own, comma-separated, or none: ${named(true)}`, list)
    .option(
      '--duration <seconds>',
      'time for which each subject is measured in each case, over all rounds',
      seconds,
      BENCH_DEFAULTS.durationSeconds,
    )
    .option('--rounds <count>', 'rounds over which that time is spread', Number, BENCH_DEFAULTS.rounds)
    .option('--json <file>', 'also write the report as JSON; "-": only that, to standard output')
    .action(benchAction);
}

async function benchAction(flags: Flags): Promise<void> {
  using interrupt = new Interrupt(); // children and files go before the process does
  try {
    const report = await runBench({
      ...(flags.only && { only: flags.only as readonly WorkloadName[] }), // checked by runBench
      ...(flags.peers && { peers: flags.peers }),
      ...(flags.subjects && { subjects: flags.subjects }),
      durationSeconds: flags.duration,
      rounds: flags.rounds,
      signal: interrupt.signal,
      ...(process.stderr.isTTY && { onProgress: showProgress }),
    });
    if (process.stderr.isTTY) showProgress('');
    const json = `${JSON.stringify(report, null, 2)}\n`;
    if (flags.json !== undefined && flags.json !== STDOUT) await writeFile(flags.json, json);
    process.stdout.write(flags.json === STDOUT ? json : formatReport(report));
  } catch (error) {
    if (!TendonError.is(error, 'ABORTED')) throw error;
    process.exitCode = interrupt.exitCode;
  }
}

function showProgress(progress: string): void {
  process.stderr.write(`\r\u001b[K${progress.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

function list(value: string): readonly string[] {
  return value === 'none' ? [] : value.split(',').filter((name) => name !== '');
}

function seconds(value: string): number {
  const parsed = Number(value);
  if (!(parsed > 0)) throw new InvalidArgumentError('a number of seconds above 0.');
  return parsed;
}
