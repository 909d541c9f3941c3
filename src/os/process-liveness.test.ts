import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  closeFd,
  ownStartTime,
  pidfdOpen,
  processAlive,
  processLiveness,
  processStartTime,
  Watcher,
} from './index.ts';

describe('process liveness', () => {
  it('knows this process by pid and start', () => {
    const { pid, startTime } = processLiveness.self();
    assert.equal(pid, process.pid);
    assert.equal(startTime, ownStartTime());
    assert.ok(startTime > 0);
    assert.equal(processLiveness.isAlive(pid, startTime), true);
    assert.equal(processLiveness.isAlive(pid, startTime + 1), false); // somebody else once had our pid
    assert.equal(processLiveness.isAlive(pid, 0), true);
    assert.equal(processLiveness.isAlive(pid, startTime + 2 ** 32), true); // as memory keeps it, after 497 days
  });

  it('reads the start of a process whose name is made to confuse', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tendon-comm-'));
    const program = join(directory, ') S 1 (2) 3');
    copyFileSync('/bin/sleep', program);
    const child = spawn(program, ['60']);
    await once(child, 'spawn');
    const ended = once(child, 'exit');
    const plain = processStartTime(process.pid)!;
    const start = processStartTime(child.pid!)!;
    assert.ok(start >= plain, `${start} is before ${plain}`);
    assert.equal(processLiveness.isAlive(child.pid!, start), true);
    child.kill('SIGKILL');
    await ended;
    assert.equal(processAlive(child.pid!), false);
    assert.equal(processStartTime(child.pid!), undefined);
    rmSync(directory, { recursive: true });
  });

  it('calls a zombie dead', async () => {
    // The shell leaves its child uncollected: it is replaced by a sleep, which never waits.
    const child = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 60']);
    const zombie = Number(String((await once(child.stdout, 'data'))[0]));
    const deadline = Date.now() + 5_000;
    while (processAlive(zombie)) {
      assert.ok(Date.now() < deadline, 'the child of the shell did not end within 5 s');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    process.kill(zombie, 0); // still there, or this would throw
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('watches the end of a process through a pidfd', async () => {
    const child = spawn('/bin/sleep', ['60']);
    await once(child, 'spawn');
    const fd = pidfdOpen(child.pid!);
    await new Promise<void>((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error('the pidfd stayed silent for 5 s')), 5_000);
      const watcher = Watcher.watch(fd, 'readable', (readable) => {
        clearTimeout(deadline);
        watcher.close();
        assert.equal(readable, true);
        resolve();
      });
      child.kill('SIGKILL');
    });
    closeFd(fd);
  });

  it('reports processes that do not exist', () => {
    assert.throws(() => pidfdOpen(2 ** 22 + 5), /ESRCH/);
    assert.throws(() => pidfdOpen(0), /pid must be/);
    assert.equal(processAlive(2 ** 22 + 5), false);
  });
});
