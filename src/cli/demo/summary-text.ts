import { columns, figures, type Style } from '../terminal/index.ts';
import type { DemoSummary } from './summary.ts';

/** The summary for people. */
export function summaryText(summary: DemoSummary, style: Style): string {
  const { samples, latencyUs, calls, recovery, transport, processes, host } = summary;
  const rows: string[][] = [];
  const row = (name: string, text: string): void => void rows.push([style.dim(name), text]);
  const carried =
    transport.samples === 'shm'
      ? 'shared memory'
      : `a Unix socket (${transport.reason ?? 'no reason given'})`;
  row(
    'processes',
    `sensor ${processes.sensors.join(', then ')}; analyser ${processes.analyser}; viewer ${processes.viewer}`,
  );
  if (transport.samples !== '') row('carried by', carried);
  row(
    'samples',
    `${samples.received} in ${summary.seconds.toFixed(1)} s (${figures.count(samples.meanPerSecond)} /s), ${samples.dropped} dropped`,
  );
  if (latencyUs !== null) {
    const us = figures.microseconds;
    row(
      'latency',
      `p50 ${us(latencyUs.p50)}, p99 ${us(latencyUs.p99)}, max ${us(latencyUs.max)}, process to process`,
    );
  }
  if (calls.latencyUs !== null) {
    const us = figures.microseconds;
    row(
      'calls',
      `${calls.made} made, ${calls.failed} failed, p50 ${us(calls.latencyUs.p50)}, p99 ${us(calls.latencyUs.p99)}`,
    );
  }
  if (host?.cpuPercent != null) {
    const { min, mean, max } = host.cpuPercent;
    row('host load', `cpu ${figures.percent(min)} to ${figures.percent(max)}, mean ${figures.percent(mean)}`);
  }
  if (recovery !== null) {
    const ms = (value: number | null): string => (value === null ? 'never' : figures.milliseconds(value));
    row('kill -9', `sensor ${recovery.killedPid} at ${recovery.killedAtSeconds.toFixed(1)} s`);
    row('  noticed', `after ${ms(recovery.learnedMs)} by the analyser`);
    row('  samples again', `after ${ms(recovery.flowingAgainMs)}, most of it the start of a new process`);
    row(
      '  lost',
      `${recovery.lost === 0 ? style.good('none') : style.bad(String(recovery.lost))} of the ${recovery.committed} frames it had committed`,
    );
    row('  dropped since', `${samples.droppedAfterRecovery}`);
  }
  const verdict = summary.interrupted
    ? style.warn('interrupted; all processes stopped, nothing left behind')
    : summary.ok
      ? style.good('it recovered; all processes stopped, nothing left behind')
      : style.bad('it did not go as it should:');
  return [
    '',
    style.bold('tendon demo'),
    ...columns(rows, ['left', 'left']).map((line) => `  ${line}`),
    '',
    verdict,
    ...summary.problems.map((problem) => style.bad(`  - ${problem}`)),
    '',
  ].join('\n');
}
