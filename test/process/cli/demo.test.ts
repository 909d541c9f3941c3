import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Place, ROOT } from './command.ts';

const TORTURE = process.env['TENDON_TORTURE'] === '1';
const SECONDS = TORTURE ? 30 : 3;

/** What the tests look at of `tendon demo --json`; the rest is in docs/reference/cli.md. */
interface Summary {
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly interrupted: boolean;
  readonly processes: { readonly sensors: readonly number[]; readonly analyser: number };
  readonly transport: { readonly samples: string; readonly calls: string; readonly reason: string | null };
  readonly samples: {
    readonly received: number;
    readonly dropped: number;
    readonly malformed: number;
    readonly lastCommitted: number | null;
    readonly lastReceived: number | null;
  };
  readonly latencyUs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
  readonly calls: { readonly made: number; readonly failed: number };
  readonly host: {
    readonly cpuPercent: { readonly min: number; readonly max: number } | null;
    readonly memoryBytes: number | null;
  } | null;
  readonly restarts: number;
  readonly recovery: {
    readonly killedPid: number;
    readonly learnedMs: number | null;
    readonly drainedMs: number | null;
    readonly flowingAgainMs: number | null;
    readonly committed: number;
    readonly received: number;
    readonly lost: number;
  } | null;
  readonly leftovers: readonly string[];
}

function assertRecovered(summary: Summary): void {
  const { recovery, samples, latencyUs, calls, host } = summary;
  assert.deepEqual(summary.problems, []);
  assert.equal(summary.ok, true);
  assert.equal(summary.restarts, 1);
  assert.ok(recovery !== null && latencyUs !== null && host !== null);
  assert.equal(recovery.killedPid, summary.processes.sensors[0]);
  assert.equal(summary.processes.sensors.length, 2);
  assert.ok(recovery.learnedMs !== null && recovery.learnedMs > 0);
  assert.ok(recovery.flowingAgainMs !== null && recovery.flowingAgainMs > recovery.learnedMs);
  assert.ok(recovery.committed > 100, 'the sensor was in the middle of its work');
  assert.equal(recovery.lost, 0);
  // Killed between the commit and the note of it: at most one more than it had noted.
  assert.ok(recovery.received - recovery.committed <= 1, `${recovery.received} of ${recovery.committed}`);
  assert.equal(samples.lastReceived, samples.lastCommitted);
  assert.equal(samples.received, recovery.received + (samples.lastReceived ?? 0));
  assert.equal(samples.malformed, 0);
  assert.ok(latencyUs.p50 > 0 && latencyUs.p50 <= latencyUs.p99 && latencyUs.p99 <= latencyUs.max);
  assert.equal(calls.failed, 0);
  assert.ok(calls.made >= 4);
  assert.ok((host.memoryBytes ?? 0) > 0 && host.cpuPercent !== null && host.cpuPercent.max > 0);
  assert.deepEqual(summary.leftovers, []);
}

describe('tendon demo', () => {
  const place = new Place();
  after(() => place.remove());

  it('survives the kill of its sensor over shared memory, loses no committed frame and leaves nothing', async () => {
    const { how, stdout, stderr } = await place.run(['demo', '--json', '--duration', `${SECONDS}`]);
    assert.equal(stderr, '');
    const summary = JSON.parse(stdout) as Summary;
    assertRecovered(summary);
    assert.deepEqual(summary.transport, { samples: 'shm', calls: 'shm', reason: null });
    assert.equal(how, 0);
    await place.assertEmpty();
  });

  it('runs without the addon, over Unix sockets, and says so', async () => {
    const root = join(place.directory, 'no-addon');
    mkdirSync(root);
    for (const part of ['dist', 'package.json'])
      cpSync(join(ROOT, part), join(root, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    const { how, stdout, stderr } = await place.run(['demo', '--json', '--duration', '2'], { root });
    const summary = JSON.parse(stdout) as Summary;
    assertRecovered(summary);
    assert.equal(summary.transport.samples, 'unix');
    assert.match(summary.transport.reason ?? '', /shared memory/);
    assert.match(stderr, /the native addon is not there/);
    assert.equal(how, 0);
    await place.assertEmpty();
  });

  it('prints plain lines and a summary where there is no terminal, and ends all it started on Ctrl-C', async () => {
    const running = place.start(['demo', '--duration', '60']);
    await running.said(/samples\/s over shm, latency p50/);
    assert.ok(place.processes.length >= 3, 'three processes');
    running.child.kill('SIGINT');
    const { how, stdout } = await running.ended;
    assert.equal(how, 130);
    assert.match(stdout, /interrupted; all processes stopped, nothing left behind/);
    assert.equal(stdout.includes('\u001b'), false, 'no colours in a pipe');
    await place.assertEmpty();
  });

  it('leaves no process and no directory when its viewer is killed, also while the others start', async () => {
    for (const moment of ['running', 'starting']) {
      const running = place.start(['demo', '--duration', '60']);
      if (moment === 'running') await running.said(/samples, analyser/);
      else await place.until('a child has started', () => place.processes.length > 1);
      running.child.kill('SIGKILL');
      await running.ended;
      await place.assertEmpty();
    }
  });

  it('ends without a word, and leaves nothing, when the reader of its output goes away', async () => {
    const running = place.start(['demo', '--duration', '60'], { stdout: 'pipe' });
    const output = running.child.stdout!;
    await new Promise((resolve) => output.once('data', resolve));
    output.destroy();
    const { how, stderr } = await running.ended;
    assert.deepEqual([how, stderr], [141, '']);
    await place.assertEmpty();
  });

  it('refuses a duration that leaves no time for anything', async () => {
    const { how, stderr } = await place.run(['demo', '--duration', '0.1']);
    assert.equal(how, 2);
    assert.match(stderr, /at least 2/);
  });
});
