import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { closeFd, createMemfd, futexWait, futexWaiter, futexWake, Mapping } from './index.ts';

const code = (expected: string) => (error: unknown) => {
  assert.ok(TendonError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

// Waiting that really waits is tested in test/process/os, in workers and across processes.
describe('futex', () => {
  it('answers at once on the main thread when asked not to wait', () => {
    const fd = createMemfd('futex', 4096);
    using mapping = Mapping.map(fd, { bytes: 4096, writable: true });
    closeFd(fd);
    const words = new Int32Array(mapping.buffer);
    words[3] = -7;
    assert.equal(futexWait(mapping.buffer, 12, -7, 0), 'timed-out');
    assert.equal(futexWait(mapping.buffer, 12, 8, 0), 'changed');
    assert.equal(futexWaiter.wait(words.subarray(2), 1, -7, 0), 'timed-out');
    assert.equal(futexWake(mapping.buffer, 12, 1), 0);
    assert.equal(futexWaiter.wake(words, 3, 1), 0);
  });

  it('refuses to block the main thread', () => {
    assert.throws(() => futexWait(new ArrayBuffer(8), 0, 0, 1), code('STATE_INVALID'));
    assert.throws(() => futexWait(new ArrayBuffer(8), 0, 0, Infinity), code('STATE_INVALID'));
  });

  it('refuses words outside the buffer, across its end, unaligned, or in a detached one', () => {
    const buffer = new ArrayBuffer(16);
    for (const offset of [-4, 2, 16, 14, 2 ** 40]) {
      assert.throws(() => futexWait(buffer, offset, 0, 0), code('OPTION_INVALID'));
      assert.throws(() => futexWake(buffer, offset, 1), code('OPTION_INVALID'));
    }
    structuredClone(buffer, { transfer: [buffer] });
    assert.throws(() => futexWake(buffer, 0, 1), code('OPTION_INVALID'));
    const shared = new Int32Array(new SharedArrayBuffer(8));
    assert.throws(() => futexWaiter.wake(shared, 0, 1), code('OPTION_INVALID'));
  });

  it('refuses time-outs that are none', () => {
    for (const timeoutMs of [-1, Number.NaN]) {
      assert.throws(() => futexWait(new ArrayBuffer(8), 0, 0, timeoutMs), code('OPTION_INVALID'));
    }
  });
});
