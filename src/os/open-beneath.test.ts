import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ErrorCode, TendonError } from '../core/index.ts';
import { closeFd, openBeneath, unixListen } from './index.ts';

const code = (expected: ErrorCode) => (error: unknown) => {
  assert.ok(TendonError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

for (const walk of [false, true]) {
  describe(walk ? 'openBeneath, component by component' : 'openBeneath', () => {
    let base = '';
    before(() => {
      base = mkdtempSync(join(tmpdir(), 'tendon-beneath-'));
      mkdirSync(join(base, 'inside/deeper'), { recursive: true });
      writeFileSync(join(base, 'inside/deeper/file'), 'content');
      symlinkSync('deeper/file', join(base, 'inside/link'));
      symlinkSync('inside', join(base, 'folder-link'));
      symlinkSync('/etc', join(base, 'outward'));
    });
    after(() => rmSync(base, { recursive: true }));

    const open = (path: string, flags: 'read' | 'read-write' | 'create' | 'create-or-open' = 'read') =>
      openBeneath(base, path, { flags, walk });

    it('opens regular files below the base', () => {
      for (const path of ['inside/deeper/file', './inside//deeper/./file']) {
        const fd = open(path);
        assert.equal(readFileSync(fd, 'utf8'), 'content');
        closeFd(fd);
      }
    });

    it('makes files with the mode asked for, and only new ones when asked so', () => {
      const name = `new-${walk}`;
      closeFd(open(name, 'create'));
      assert.equal(statSync(join(base, name)).mode & 0o777, 0o600);
      assert.throws(() => open(name, 'create'), /EEXIST/);
      closeFd(open(name, 'create-or-open'));
      closeFd(open(name, 'read-write'));
    });

    it('refuses to leave the base', () => {
      for (const path of ['../etc/passwd', 'inside/../../etc/passwd', '/etc/passwd', '..']) {
        assert.throws(() => open(path), code('REGION_UNSAFE'), path);
      }
    });

    it('refuses links at any place of the path', () => {
      for (const path of ['inside/link', 'folder-link/deeper/file', 'outward/passwd']) {
        assert.throws(() => open(path), TendonError, path);
      }
      assert.throws(() => open('inside/link'), code('REGION_UNSAFE'));
      assert.throws(() => open('inside/link', 'create-or-open'), code('REGION_UNSAFE'));
    });

    it('refuses other file systems', () => {
      assert.throws(() => openBeneath('/', 'proc/version', { flags: 'read', walk }), code('REGION_UNSAFE'));
    });

    it('refuses what is no regular file, and never waits for a pipe', () => {
      execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', join(base, 'pipe')]);
      closeFd(unixListen(join(base, 'socket')));
      assert.throws(() => open('pipe'), code('REGION_UNSAFE'));
      assert.throws(() => open('inside'), code('REGION_UNSAFE'));
      assert.throws(() => open('socket'), TendonError);
      rmSync(join(base, 'pipe'));
      rmSync(join(base, 'socket'));
    });

    it('reports what is absent and refuses arguments that are none', () => {
      assert.throws(() => open('absent'), /ENOENT/);
      assert.throws(() => open(''), /ENOENT/);
      assert.throws(() => openBeneath(join(base, 'absent'), 'x', { flags: 'read', walk }), /ENOENT/);
      assert.throws(() => open('inside\0/x'), code('OPTION_INVALID'));
      assert.throws(() => open('x'.repeat(5000)), code('OPTION_INVALID'));
      assert.throws(() => open('x', 'append' as never), code('OPTION_INVALID'));
      const mode = 0o4755;
      assert.throws(() => openBeneath(base, 'x', { flags: 'create', mode, walk }), code('OPTION_INVALID'));
    });
  });
}
