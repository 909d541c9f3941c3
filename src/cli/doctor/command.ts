import type { Command } from 'commander';
import { nativeStatus } from '../../os/index.ts';
import type { GlobalFlags } from '../endpoint-flags.ts';
import { columns, type Style, styleFor } from '../terminal/index.ts';
import type { Check } from './check.ts';
import { checkAddon, checkKernel, checkLimits, checkMemory, checkNode, checkProcessors } from './machine.ts';
import { checkMeetingPlace } from './meeting-place.ts';
import { checkPrimitives } from './primitives.ts';
import { checkRoundTrip } from './round-trip.ts';

interface Flags extends GlobalFlags {
  readonly json?: boolean;
  readonly clean?: boolean;
}

/** Adds `tendon doctor` to the program. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('look whether this machine has what Tendon needs, and say what to do where not')
    .option('--clean', 'remove what dead processes left behind')
    .option('--json', 'print the findings as JSON')
    .action((_: unknown, command: Command) => doctor(command.optsWithGlobals()));
}

async function doctor(flags: Flags): Promise<void> {
  const checks = [
    checkNode(),
    checkKernel(),
    checkAddon(),
    ...(nativeStatus().available ? checkPrimitives() : []),
    ...checkMemory(),
    ...checkLimits(),
    checkProcessors(),
    ...(await checkMeetingPlace(flags.runtimeDirectory, flags.clean === true)),
    await checkRoundTrip(flags.runtimeDirectory),
  ];
  const healthy = checks.every(({ status }) => status !== 'fail');
  const json = `${JSON.stringify({ ok: healthy, checks }, null, 2)}\n`;
  process.stdout.write(flags.json === true ? json : findings(checks, styleFor(process.stdout, process.env)));
  process.exitCode = healthy ? 0 : 1;
}

function findings(checks: readonly Check[], style: Style): string {
  const paint = { ok: style.good, warn: style.warn, fail: style.bad };
  const rows = checks.flatMap(({ name, status, found, remedy }) => [
    [paint[status](status), name, found],
    ...(remedy === undefined ? [] : [['', '', style.bold(`-> ${remedy}`)]]),
  ]);
  const count = (wanted: Check['status']): number => checks.filter(({ status }) => status === wanted).length;
  const verdict = `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`;
  return `${columns(rows, ['left', 'left', 'left']).join('\n')}\n\n${verdict}\n`;
}
