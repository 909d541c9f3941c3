import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TendonError } from '../../core/index.ts';
import { runBench } from './bench.ts';
import { type BenchOptions, resolveBenchOptions } from './options.ts';
import { allowedCpus, placementMissing } from './placement.ts';
import { type BenchReport, caseKey, type WorkloadName } from './report.ts';
import { SUBJECTS } from './subjects/index.ts';
import { formatReport } from './table.ts';
import { WORKLOADS } from './workloads/index.ts';

/** Children of this process, and what it left in its temp directory. */
function leftovers(): { readonly children: string; readonly directories: readonly string[] } {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  return { children, directories: readdirSync(tmpdir()) };
}

function checkReport(report: BenchReport): void {
  const { environment, results, skipped, floors } = report;
  for (const name of ['date', 'cpu', 'governor', 'kernel', 'node', 'commit'] as const) {
    assert.ok(environment[name].length > 0, name);
  }
  assert.ok(environment.rounds >= 1 && environment.roundSeconds > 0 && environment.cpus.length > 0);
  const seen = new Set<string>();
  for (const row of results) {
    const key = `${caseKey(row)} ${row.subject} ${row.metric}`;
    assert.ok(!seen.has(key), `one row only for ${key}`);
    seen.add(key);
    assert.equal(row.faults, 0, key);
    assert.equal(row.values.length, row.rounds, key);
    assert.ok(row.min <= row.median && row.median <= row.max, key);
    assert.ok(row.median >= 0 && Number.isFinite(row.max), key);
    assert.ok(row.unit.length > 0 && Number.isInteger(row.bytes), key);
  }
  for (const skip of skipped) assert.ok(skip.reason.length > 0, skip.subject);
  assert.ok(floors.length > 0);
  assert.deepEqual(JSON.parse(JSON.stringify(report)), report, 'the report survives JSON');
  assert.match(formatReport(report), /floors: \d+ met, \d+ missed, \d+ not measured/);
}

describe('tendon bench', () => {
  // A temp directory of its own: other tests may run a benchmark at the same time.
  const { TMPDIR } = process.env;
  let temporary: string;
  before(() => {
    temporary = mkdtempSync(join(tmpdir(), 'bench-test-'));
    process.env['TMPDIR'] = temporary;
  });
  after(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    rmSync(temporary, { recursive: true });
  });

  // Two subjects that between them have every face show that the workload runs; `pair.test.ts` has the others.
  for (const workload of Object.keys(WORKLOADS) as WorkloadName[]) {
    it(`runs ${workload} in separate processes and leaves nothing behind`, async () => {
      const before = leftovers();
      const report = await runBench({
        only: [workload],
        subjects: ['shm'],
        peers: ['net'],
        durationSeconds: 0.02,
        rounds: 1,
      });
      checkReport(report);
      const cases = WORKLOADS[workload].cases({ roundSeconds: 0.02 });
      for (const subject of ['shm', 'net']) {
        const wanted = cases.filter(({ about }) => subject === 'shm' || about.mode !== 'spin');
        const rows = [...report.results, ...report.skipped].filter((row) => row.subject === subject);
        const reported = new Set(rows.map(caseKey));
        assert.deepEqual(
          wanted.map(({ about }) => caseKey(about)).filter((key) => !reported.has(key)),
          [],
          `each case has its rows of ${subject} or a reason why not`,
        );
      }
      assert.deepEqual(leftovers(), before);
    });
  }

  for (const moment of ['starting', 'warming up', 'round 1']) {
    it(`ends a run when its signal says so while it is at "${moment}", with all processes gone`, () =>
      endsWhenTold(moment));
  }

  async function endsWhenTold(moment: string): Promise<void> {
    const before = leftovers();
    const stopping = new AbortController();
    const running = runBench({
      only: ['throughput'],
      subjects: [],
      peers: ['net'],
      durationSeconds: 600,
      rounds: 1,
      signal: stopping.signal,
      onProgress: (progress) => {
        if (progress.includes(moment)) setTimeout(() => stopping.abort(new Error('enough')), 20);
      },
    });
    await assert.rejects(running, (error) => TendonError.is(error, 'ABORTED'));
    assert.deepEqual(leftovers(), before);
  }

  it('says where the sides of a one-way run were', async () => {
    const report = await runBench({
      only: ['throughput'],
      subjects: [],
      peers: ['net', 'MessagePort'],
      durationSeconds: 0.01,
      rounds: 1,
    });
    const pinned = (subject: string): Set<unknown> =>
      new Set(report.results.filter((row) => row.subject === subject).map((row) => row.pinned));
    const canPin = placementMissing('two-cores', allowedCpus()) === undefined;
    assert.deepEqual(pinned('net'), new Set([canPin]));
    assert.deepEqual(pinned('MessagePort'), new Set([false]), 'threads share the affinity of their process');
  });

  it('refuses workloads, peers and options that it does not know', () => {
    const refused = (error: unknown): boolean => TendonError.is(error, 'OPTION_INVALID');
    assert.throws(() => resolveBenchOptions({ only: ['nonsense' as WorkloadName] }), refused);
    assert.throws(() => resolveBenchOptions({ peers: ['nobody'] }), refused);
    assert.throws(() => resolveBenchOptions({ subjects: ['net'] }), refused);
    assert.throws(() => resolveBenchOptions({ durationSeconds: 0 }), refused);
    assert.throws(() => resolveBenchOptions({ rounds: 0 }), refused);
    assert.throws(() => resolveBenchOptions({ speed: 'fast' } as object), refused);
  });

  it('runs all of its own and all peers unless it is told which', () => {
    const names = (options: BenchOptions): string[] =>
      resolveBenchOptions(options).subjects.map(({ name }) => name);
    assert.deepEqual(
      names({}),
      SUBJECTS.map(({ name }) => name),
    );
    assert.deepEqual(names({ subjects: [], peers: ['zeromq', 'net'] }), ['net', 'zeromq']);
    assert.deepEqual(names({ subjects: ['shm'], peers: [] }), ['shm']);
  });
});
