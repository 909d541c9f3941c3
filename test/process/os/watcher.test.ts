import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runPeer } from './run-peer.ts';

describe('watchers at the end of things', () => {
  it('twenty workers end orderly, abruptly and terminated, and nothing aborts or stays mapped', async () => {
    const rounds = process.env['TENDON_TORTURE'] === undefined ? 1 : 20;
    const result = await runPeer('storm', { args: [String(rounds)], deadlineMs: 60_000 * rounds });
    assert.equal(result.stderr, '');
    assert.equal(result.stdout, 'done\n');
    assert.deepEqual([result.code, result.signal], [0, null]);
  });

  it('what a callback throws ends the process as any uncaught exception does', async () => {
    const result = await runPeer('throwing-watcher');
    assert.match(result.stderr, /Error: thrown by a watcher/);
    assert.equal(result.code, 1);
  });

  it('goes on when the uncaught exception is handled', async () => {
    const result = await runPeer('throwing-watcher', { args: ['handled'] });
    assert.equal(result.stdout, 'uncaught: thrown by a watcher\ncalled again\n');
    assert.equal(result.code, 0);
  });

  it('keeps the process alive unless unreferenced, and may be closed as late as at exit', async () => {
    const expected = { '': 'exit\n', ref: 'timer\nexit\n' };
    for (const [mode, stdout] of Object.entries(expected)) {
      assert.deepEqual(await runPeer('keep-alive', { args: [mode] }), {
        code: 0,
        signal: null,
        stdout,
        stderr: '',
      });
    }
  });
});
