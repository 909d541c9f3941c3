import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runPeer } from './run-peer.ts';

interface Report {
  readonly outcome: { code: string; message: string; details: Record<string, unknown> } | string;
  readonly left: number;
}

// Every request for too much memory runs below a file size limit, so that a broken check cannot take the machine's
// memory: the kernel commits a memfd page after page until it has to kill somebody.
const FILE_LIMIT = 'ulimit -f 1024'; // KiB

describe('when the system refuses', () => {
  it('a memfd over the file size limit is RESOURCE_EXHAUSTED, names the remedy, and leaves nothing', async () => {
    const { stdout, stderr, code } = await runPeer('exhaustion', {
      args: ['memfd', String(8 * 1024 * 1024)],
      prelude: FILE_LIMIT,
    });
    assert.equal(code, 0, stderr);
    const { outcome, left } = JSON.parse(stdout) as Report;
    assert.ok(typeof outcome === 'object', String(outcome));
    assert.equal(outcome.code, 'RESOURCE_EXHAUSTED');
    assert.deepEqual(outcome.details, { resource: 'file size' });
    assert.match(outcome.message, /ulimit -f/);
    assert.equal(left, 0);
  });

  it('a memfd below the limit works', async () => {
    const { stdout } = await runPeer('exhaustion', { args: ['memfd', '524288'], prelude: FILE_LIMIT });
    assert.deepEqual(JSON.parse(stdout), { outcome: 'succeeded', left: 0 });
  });

  it('more memory than the machine has is refused before the kernel tries', async () => {
    const { stdout } = await runPeer('exhaustion', { args: ['memfd', String(2 ** 52)], prelude: FILE_LIMIT });
    const { outcome, left } = JSON.parse(stdout) as Report;
    assert.ok(typeof outcome === 'object', String(outcome));
    assert.equal(outcome.code, 'RESOURCE_EXHAUSTED');
    assert.deepEqual(outcome.details, { resource: 'memory' });
    assert.equal(left, 0);
  });

  it('without descriptors each primitive fails at its n-th one, says so, and leaves none open', async () => {
    const { stdout, stderr, code } = await runPeer('exhaustion', {
      args: ['descriptors'],
      prelude: 'ulimit -n 80',
    });
    assert.equal(code, 0, stderr);
    const no = 'RESOURCE_EXHAUSTED';
    assert.deepEqual(JSON.parse(stdout), {
      memfd: [no, 'ok', 'ok', 'ok', 'ok'],
      eventfd: [no, 'ok', 'ok', 'ok', 'ok'],
      listen: [no, 'ok', 'ok', 'ok', 'ok'],
      pair: [no, no, 'ok', 'ok', 'ok'],
      beneath: [no, no, 'ok', 'ok', 'ok'],
      walk: [no, no, 'ok', 'ok', 'ok'],
      pidfd: [no, 'ok', 'ok', 'ok', 'ok'],
      accept: [no, 'ok', 'ok', 'ok', 'ok'],
      receive: [no, no, no, 'ok', 'ok'],
    });
  });
});
