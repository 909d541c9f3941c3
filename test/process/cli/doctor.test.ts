import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Place } from './command.ts';

interface Findings {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly status: 'ok' | 'warn' | 'fail';
    readonly found: string;
    readonly remedy?: string;
  }[];
}

describe('tendon doctor', () => {
  const place = new Place();
  after(() => place.remove());

  async function examine(...args: string[]) {
    const { how, stdout } = await place.run(['doctor', '--json', ...args]);
    const findings = JSON.parse(stdout) as Findings;
    const check = (name: string) => findings.checks.find((candidate) => candidate.name === name);
    return { how, findings, check };
  }

  it('finds this machine healthy: what it stands on was tried, and a channel to another process opened', async () => {
    const { how, findings, check } = await examine();
    assert.equal(how, 0);
    assert.equal(findings.ok, true);
    for (const name of [
      'addon',
      'memfd and seals',
      'futex',
      'eventfd',
      'openat2',
      'descriptor passing',
      'pidfd',
    ])
      assert.equal(check(name)?.status, 'ok', name);
    assert.match(check('channel')?.found ?? '', /over shm, median/);
    assert.match(check('addon')?.found ?? '', /\.node$/);
    for (const { status, remedy } of findings.checks) assert.equal(remedy === undefined, status === 'ok');
    await place.assertEmpty();
  });

  it('lists what dead processes left, and removes it when asked', async () => {
    const receiver = place.start(['receive', 'shm:dead']);
    await place.until('it listens', () => place.sockets.length > 0);
    receiver.child.kill('SIGKILL');
    await receiver.ended;
    const living = place.start(['receive', 'shm:living']);
    await place.until('it listens', () => place.sockets.length > 1);
    const demo = join(place.directory, 'tendon-demo-abcdef');
    mkdirSync(demo, { mode: 0o700 });
    utimesSync(demo, 1, 1);

    const before = await examine();
    assert.equal(before.how, 0, 'leftovers are no failure');
    assert.match(before.check('names')?.found ?? '', /1 listening: living; left by dead listeners: dead/);
    assert.equal(before.check('names')?.status, 'warn');
    assert.equal(before.check('leftovers')?.status, 'warn');
    assert.deepEqual([...place.sockets].sort(), ['dead.sock', 'living.sock']);

    const cleaned = await examine('--clean');
    assert.match(cleaned.check('names')?.found ?? '', /removed what dead listeners left: dead/);
    assert.deepEqual(place.sockets, ['living.sock']);
    living.child.kill('SIGTERM');
    await living.ended;
    await place.assertEmpty();
  });

  it('names the limit that shared memory runs into, and shows that frames still travel', async () => {
    const { how, stdout } = await place.run(['doctor', '--json'], { limits: '-f 20', stdout: 'text' });
    assert.equal(how, 1);
    const { checks } = JSON.parse(stdout) as Findings;
    const check = (name: string) => checks.find((candidate) => candidate.name === name);
    assert.equal(check('file size')?.status, 'fail');
    assert.match(check('file size')?.remedy ?? '', /ulimit -f unlimited/);
    assert.match(check('memfd and seals')?.found ?? '', /EFBIG/);
    assert.match(check('memfd and seals')?.remedy ?? '', /raise that limit/);
    assert.equal(check('channel')?.status, 'warn');
    assert.match(check('channel')?.found ?? '', /over unix, median .*EFBIG/);
    await place.assertEmpty();
  });

  it('fails where others may enter the runtime directory, and says what to do', async () => {
    chmodSync(place.runtimeDirectory, 0o777);
    const { how, findings, check } = await examine();
    chmodSync(place.runtimeDirectory, 0o700);
    assert.equal(how, 1);
    assert.equal(findings.ok, false);
    assert.equal(check('runtime directory')?.status, 'fail');
    assert.match(check('runtime directory')?.remedy ?? '', /chmod 700/);
    await place.assertEmpty();
  });
});
