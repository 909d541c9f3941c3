import assert from 'node:assert/strict';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { closeFd, queryLock, tryLockFile, unlockFile } from './index.ts';

describe('file locks', () => {
  let directory = '';
  const open = () => openSync(join(directory, 'lock'), 'a+');
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'tendon-lock-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('exclude another opening in the same process, until unlocked', () => {
    const [first, second] = [open(), open()];
    assert.equal(tryLockFile(first, { exclusive: true }), true);
    assert.equal(tryLockFile(first, { exclusive: true }), true); // its own lock is no obstacle
    assert.equal(tryLockFile(second, { exclusive: true }), false);
    assert.equal(tryLockFile(second, { exclusive: false }), false);
    assert.deepEqual(queryLock(second, { exclusive: true }), {
      exclusive: true,
      pid: -1,
      offset: 0,
      length: 0,
    });
    unlockFile(first);
    assert.equal(queryLock(second, { exclusive: true }), undefined);
    assert.equal(tryLockFile(second, { exclusive: true }), true);
    closeFd(first);
    closeFd(second);
  });

  it('go with the descriptor', () => {
    const [first, second] = [open(), open()];
    tryLockFile(first, { exclusive: true });
    closeFd(first);
    assert.equal(tryLockFile(second, { exclusive: true }), true);
    closeFd(second);
  });

  it('are shared, or exclusive by range', () => {
    const [first, second] = [open(), open()];
    assert.equal(tryLockFile(first, { exclusive: false, offset: 0, length: 8 }), true);
    assert.equal(tryLockFile(second, { exclusive: false, offset: 4, length: 8 }), true);
    assert.equal(tryLockFile(second, { exclusive: true, offset: 0, length: 4 }), false);
    assert.equal(tryLockFile(second, { exclusive: true, offset: 8, length: 8 }), true);
    assert.deepEqual(queryLock(first, { exclusive: false, offset: 0, length: 100 }), {
      exclusive: true,
      pid: -1,
      offset: 8,
      length: 8,
    });
    closeFd(first);
    closeFd(second);
  });

  it('report descriptors that cannot be locked', () => {
    const fd = open();
    assert.throws(() => tryLockFile(fd, { exclusive: true, offset: -1 }), TendonError);
    closeFd(fd);
    for (const call of [tryLockFile, queryLock]) {
      assert.throws(() => call(fd, { exclusive: true }), /EBADF/);
    }
    const readOnly = openSync(join(directory, 'lock'), 'r');
    assert.throws(() => tryLockFile(readOnly, { exclusive: true }), /EBADF/);
    closeFd(readOnly);
  });
});
