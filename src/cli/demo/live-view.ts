import { cells, columns, figures, printable, type Style, sparkline } from '../terminal/index.ts';
import type { Figure } from './contract.ts';
import type { DemoEvent, DemoState } from './demo.ts';

const FRAME_ROWS = 18;
const LEAST_PROCESSES = 2;
const LEAST_EVENTS = 3;
/** Beside the figures, where there is room for at least this many values, and a blank before and behind. */
const LEAST_CURVE = 6;
const MAX_CURVE = 40;
const CURVE_MARGIN = 4;
const NARROW = 60;

/** The live picture of a run for a terminal of `width` by `height` cells. */
export function liveView(state: DemoState, width: number, height: number, style: Style): string[] {
  const spare = Math.max(0, height - FRAME_ROWS);
  const eventRows = Math.min(8, Math.max(LEAST_EVENTS, Math.floor(spare * 0.4)));
  const processRows = Math.max(LEAST_PROCESSES, Math.min(state.report.busiest.length, spare - eventRows));
  const indent = width >= NARROW ? ' ' : '';
  return [
    ...header(state, width - 2 * indent.length, style),
    '',
    ...flow(state, style),
    '',
    ...host(state, width, style),
    '',
    ...processes(state, processRows, style),
    '',
    ...events(state.events.slice(-eventRows), style),
  ].map((line) => indent + line);
}

function header({ seconds, ofSeconds, ...state }: DemoState, width: number, style: Style): string[] {
  const title = 'tendon demo';
  const time = `${Math.min(seconds, ofSeconds).toFixed(1)} of ${ofSeconds} s`;
  const barCells = Math.min(30, width - title.length - time.length - 4);
  const done = Math.round(Math.min(1, seconds / ofSeconds) * Math.max(0, barCells));
  const bar = barCells > 5 ? style.accent('━'.repeat(done)) + style.dim('─'.repeat(barCells - done)) : '';
  const gap = ' '.repeat(Math.max(2, width - title.length - time.length - Math.max(0, barCells) - 2));
  const { sensor, analyserPid, callsTransport } = state;
  const arrow = (by: string): string => style.accent(` ━ ${by} ━▶ `);
  return [
    `${style.bold(title)}${gap}${bar}  ${time}`,
    `sensor ${sensor.pid}${arrow(sensor.transport)}analyser ${analyserPid}${arrow(callsTransport)}viewer ${process.pid}`,
  ];
}

function flow({ report, calls, failedCalls, callP50Us, restarts }: DemoState, style: Style): string[] {
  const { recent, run } = report.latencyUs;
  const us = (value: number | undefined): string => (value === undefined ? '-' : figures.microseconds(value));
  const dropped = report.dropped === 0 ? style.good('0 dropped') : style.bad(`${report.dropped} dropped`);
  const failed = failedCalls === 0 ? '' : style.bad(`${failedCalls} failed`);
  const again = restarts === 0 ? style.dim('no restart') : style.warn(`${restarts} restart`);
  return columns(
    [
      [
        style.dim('samples'),
        `${figures.count(report.framesPerSecond)} /s`,
        `${figures.bytes(report.bytesPerSecond)}/s`,
        `${report.frames} in all`,
        dropped,
        again,
      ],
      [
        style.dim('latency'),
        `p50 ${us(recent?.p50)}`,
        `p99 ${us(recent?.p99)}`,
        `max ${us(recent?.max)}`,
        style.dim(`run: p50 ${us(run?.p50)}`),
        style.dim(`max ${us(run?.max)}`),
      ],
      [style.dim('calls'), `p50 ${us(callP50Us)}`, `${calls} made`, failed],
    ],
    ['left', 'left', 'left', 'left', 'left', 'left'],
  );
}

type Format = (value: number) => string;
const perSecond =
  (format: Format): Format =>
  (value) =>
    `${format(value)}/s`;

function host({ report }: DemoState, width: number, style: Style): string[] {
  const { host: figure } = report;
  const total = figure.memoryBytes;
  const rows: readonly (readonly [string, Figure, Format, top?: number | undefined])[] = [
    ['cpu busy', figure.cpuPercent, figures.percent, 100],
    ['tasks running', figure.runningTasks, figures.count],
    ['context switches', figure.contextSwitchesPerSecond, (value) => `${figures.count(value)} /s`],
    [
      total === null ? 'memory used' : `memory of ${figures.bytes(total)}`,
      figure.memoryUsedBytes,
      figures.bytes,
      total ?? undefined,
    ],
    ['network in', figure.receivedBytesPerSecond, perSecond(figures.bytes)],
    ['network out', figure.sentBytesPerSecond, perSecond(figures.bytes)],
    ['cpu pressure', figure.cpuPressurePercent, figures.percent, 100],
  ];
  const shown = rows.map(([name, trend, format]) => {
    if (trend === null) return [style.dim(name), style.dim('unknown')];
    const { now, min, mean, max } = trend;
    return [style.dim(name), style.bold(format(now)), format(min), format(mean), format(max)];
  });
  const title = [style.bold('host'), 'now', 'min', 'mean', 'max'].map((text) => style.dim(text));
  const [head = '', ...lines] = columns([title, ...shown], ['left', 'right', 'right', 'right', 'right']);
  const used = Math.max(...lines.map(cells));
  const room = Math.min(MAX_CURVE, width - used - CURVE_MARGIN);
  if (room < LEAST_CURVE) return [head, ...lines];
  const curves = rows.map(([, trend, , top]) =>
    trend === null ? '' : style.accent(sparkline(trend.history, room, top ?? trend.max)),
  );
  return [head, ...lines.map((line, n) => `${line}${' '.repeat(used - cells(line))}  ${curves[n]}`)];
}

function processes({ report, sensor, analyserPid }: DemoState, rows: number, style: Style): string[] {
  const ours = new Set([sensor.pid, analyserPid, process.pid]);
  const title = [style.bold(`busiest of ${report.processes} processes`), 'pid', 'cpu', 'memory', 'threads'];
  const lines = report.busiest
    .slice(0, rows)
    .map(({ pid, name, cpuPercent, residentBytes, threads }) => [
      ours.has(pid)
        ? style.accent(`${printable(name)} (${roleOf(pid, sensor.pid, analyserPid)})`)
        : printable(name),
      String(pid),
      figures.percent(cpuPercent),
      figures.bytes(residentBytes),
      String(threads),
    ]);
  return columns(
    [title.map((text) => style.dim(text)), ...lines],
    ['left', 'right', 'right', 'right', 'right'],
  );
}

function roleOf(pid: number, sensorPid: number, analyserPid: number): string {
  if (pid === sensorPid) return 'sensor';
  return pid === analyserPid ? 'analyser' : 'viewer';
}

export function eventLine({ atSeconds, tone, text }: DemoEvent, style: Style): string {
  const paint = { plain: (plain: string) => plain, good: style.good, bad: style.bad }[tone];
  return `${style.dim(`${atSeconds.toFixed(1).padStart(5)} s`)}  ${paint(text)}`;
}

function events(shown: readonly DemoEvent[], style: Style): string[] {
  return shown.map((event) => eventLine(event, style));
}
