import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const root = dirname(createRequire(import.meta.url).resolve('tendon/package.json'));

describe('a package without its addon', () => {
  let copy = '';
  before(() => {
    copy = mkdtempSync(join(tmpdir(), 'tendon-bare-'));
    for (const part of ['package.json', 'binding.gyp', 'native', 'scripts', 'dist/os', 'dist/core']) {
      cpSync(join(root, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  });
  after(() => rmSync(copy, { recursive: true }));

  const run = (source: string): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', source], { cwd: copy, encoding: 'utf8' });

  it('[shm-transport 25] says so, and each call that needs it throws NATIVE_UNAVAILABLE with the remedy', () => {
    const printed = run(`
      import * as os from 'tendon/os';
      const status = os.nativeStatus();
      const calls = {
        memfd: () => os.createMemfd('x', 4096), map: () => os.Mapping.map(0, { bytes: 1, writable: false }),
        close: () => os.closeFd(99), describe: () => os.describeFd(0), seals: () => os.getSeals(0),
        futex: () => os.futexWake(new ArrayBuffer(4), 0, 1), event: () => os.createEventFd(),
        clock: () => os.readClockInto(new Float64Array(1), 0), watch: () => os.Watcher.watch(0, 'readable', () => {}),
        listen: () => os.unixListen('/tmp/x'), connect: () => os.unixConnect('/tmp/x'), pair: () => os.unixPair(),
        send: () => os.socketSend(0, new Uint8Array(1), 0, 1), lock: () => os.tryLockFile(0, { exclusive: true }),
        beneath: () => os.openBeneath('/tmp', 'x', { flags: 'read' }), pidfd: () => os.pidfdOpen(1),
        page: () => os.pageSize(), affinity: () => os.cpuAffinity(),
      };
      const wrong = [];
      let message = '';
      for (const [name, call] of Object.entries(calls)) {
        try { call(); wrong.push(name + ' worked'); } catch (error) {
          if (error.code !== 'NATIVE_UNAVAILABLE') wrong.push(name + ' ' + error);
          message = error.message;
        }
      }
      const { pid, startTime } = os.processLiveness.self();
      console.log(JSON.stringify({ status, wrong, message, alive: os.processLiveness.isAlive(pid, startTime) }));
    `);
    const answer = JSON.parse(printed) as {
      status: { available: boolean; reason: string };
      wrong: string[];
      message: string;
      alive: boolean;
    };
    assert.equal(answer.status.available, false);
    assert.match(answer.status.reason, /No native build was found/);
    assert.deepEqual(answer.wrong, []);
    assert.match(answer.message, /No native build was found.*npm rebuild tendon/);
    assert.equal(answer.alive, true); // what /proc tells needs no addon
  });

  const install = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, [join(copy, 'scripts/install-addon.mjs')], { encoding: 'utf8', env });

  it('installs without a compiler, and says once how to get the addon', () => {
    const bare = mkdtempSync(join(tmpdir(), 'tendon-path-'));
    for (const env of [{ ...process.env, TENDON_SKIP_ADDON: '1' }, { PATH: bare }]) {
      const { status, stdout, stderr } = install(env);
      assert.equal(status, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /^tendon: .*Unix sockets.*g\+\+ make python3.*npm rebuild tendon\n$/);
    }
    rmSync(bare, { recursive: true });
  });

  it('keeps the log of a build that failed, and says where it is', () => {
    const source = join(copy, 'native/module.cc');
    cpSync(join(root, 'package.json'), source);
    const { status, stderr } = install(process.env);
    assert.equal(status, 0);
    assert.match(stderr, /^tendon: .*compiling the addon failed, see .*addon\.log/);
    assert.match(readFileSync(join(copy, 'build/addon.log'), 'utf8'), /module\.cc/);
    assert.equal(existsSync(join(copy, 'build/Release/tendon.node')), false);
  });
});
