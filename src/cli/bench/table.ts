import { type BenchFloor, type BenchReport, type BenchResult, caseKey, caseTitle } from './report.ts';

/** Tendon's own row, which the others are compared with. */
const OURS = 'shm';
const LIMIT = 'c-ring';

/** The report for people. */
export function formatReport(report: BenchReport): string {
  const { environment: host } = report;
  const versions = Object.entries(host.versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `${host.cpu}, processors ${host.cpus.join(' ')}, governor ${host.governor}, load before ${host.loadBefore.toFixed(2)}`,
    `Linux ${host.kernel}, Node ${host.node} ${host.flags.join(' ')}, commit ${host.commit}`,
    versions.join(', '),
    `warm-up of up to ${host.warmUpSeconds} s, then ${host.rounds} rounds of ${round(host.roundSeconds)} s; took ${Math.round(host.tookSeconds)} s`,
  ];
  for (const rows of groupByCase(report.results).values()) {
    const pinned = rows.some((row) => row.pinned === true) ? ', processes pinned to two cores' : '';
    lines.push('', caseTitle(rows[0]!) + pinned, ...formatCase(rows));
  }
  if (report.skipped.length > 0) {
    lines.push('', 'skipped');
    lines.push(...report.skipped.map((skip) => `  ${skip.subject}, ${caseTitle(skip)}: ${skip.reason}`));
  }
  lines.push('', ...formatFloors(report.floors));
  return `${lines.join('\n')}\n`;
}

function groupByCase(results: readonly BenchResult[]): Map<string, BenchResult[]> {
  const cases = new Map<string, BenchResult[]>();
  for (const row of results) {
    const rows = cases.get(caseKey(row));
    if (rows === undefined) cases.set(caseKey(row), [row]);
    else rows.push(row);
  }
  return cases;
}

/** A line a subject: its first metric with spread and ratios, then its other metrics. */
function formatCase(rows: readonly BenchResult[]): readonly string[] {
  const metrics = [...new Set(rows.map(({ metric }) => metric))];
  const first = metrics[0]!;
  const leading = rows.filter(({ metric }) => metric === first);
  const ours = leading.find(({ subject }) => subject === OURS);
  const limit = leading.find(({ subject }) => subject === LIMIT);
  const header = [
    '',
    `${first} (median)`,
    'min to max',
    ...metrics.slice(1),
    ...(ours ? [`${OURS} is`] : []),
    ...(limit ? [`of ${LIMIT}`] : []),
    'cpu',
    '',
  ];
  const body = leading.map((row) => [
    row.subject,
    formatValue(row.median, row.unit),
    `${formatValue(row.min, row.unit)} to ${formatValue(row.max, row.unit)}`,
    ...metrics.slice(1).map((metric) => {
      const other = rows.find(
        (candidate) => candidate.subject === row.subject && candidate.metric === metric,
      );
      return other === undefined ? '-' : formatValue(other.median, other.unit);
    }),
    ...(ours ? [row === ours ? '' : `${round(advantage(ours, row))} x`] : []),
    ...(limit ? [row === limit ? '' : `${round(1 / advantage(limit, row))} x`] : []),
    formatCpu(row),
    row.faults > 0 ? `${row.faults} FAULTS` : '',
  ]);
  return formatColumns([header, ...body]);
}

/** How many times better `a` is than `b`. */
function advantage(a: BenchResult, b: BenchResult): number {
  return a.metric === 'rate' || a.metric === 'bandwidth' ? a.median / b.median : b.median / a.median;
}

function formatCpu({ cpuSecondsPerGB, cpuMicrosecondsPerMessage, bytes }: BenchResult): string {
  if (cpuSecondsPerGB !== undefined && bytes >= 65_536) return `${round(cpuSecondsPerGB)} s/GB`;
  return cpuMicrosecondsPerMessage === undefined ? '' : `${round(cpuMicrosecondsPerMessage)} us each`;
}

function formatFloors(floors: readonly BenchFloor[]): readonly string[] {
  const count = (verdict: BenchFloor['verdict']): number =>
    floors.filter((floor) => floor.verdict === verdict).length;
  return [
    `floors: ${count('met')} met, ${count('missed')} missed, ${count('not measured')} not measured`,
    ...formatColumns(
      floors.map((floor) => [
        floor.verdict === 'missed' ? 'MISSED' : floor.verdict,
        floor.text,
        floor.measured === undefined ? '-' : `${round(floor.measured)} ${floor.unit}`,
        `(${floor.sense} ${floor.required})`,
      ]),
      2,
    ),
  ];
}

/** @param textColumns this many columns from the left are text and stand left, the others right */
function formatColumns(rows: readonly (readonly string[])[], textColumns = 1): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const align = (cell: string, column: number): string =>
    column < textColumns ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((row) => `  ${row.map(align).join('  ')}`.trimEnd());
}

/** Three digits that count. */
function round(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

function formatValue(value: number, unit: string): string {
  if (unit.endsWith('/s') && !unit.startsWith('GB')) {
    if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M/s`;
    return value >= 1e3 ? `${(value / 1e3).toFixed(1)} k/s` : `${value.toFixed(0)} /s`;
  }
  if (unit === 'us' && value >= 1000) return `${round(value / 1000)} ms`;
  return `${round(value)} ${unit === '% of a core' ? '%' : unit}`;
}
