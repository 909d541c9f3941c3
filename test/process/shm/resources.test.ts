import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { Context, TendonError } from 'tendon/core';
import { closeFd, unixListen } from 'tendon/os';
import type { Connection } from 'tendon/transport';
import { shmTransport } from 'tendon/transport/shm';
import { Child, compilePeer } from './child.ts';
import { leavingNothing, Place, until } from './kit.ts';
import { Checker, FROM_CLIENT, FROM_LISTENER, lengthOf, sendNumbered } from './traffic.ts';

const { listen, connect } = shmTransport;
const ROOT = dirname(createRequire(import.meta.url).resolve('tendon/package.json'));

function is(code: TendonError['code'], pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(TendonError.is(error, code), `expected ${code}, got ${String(error)}`);
    assert.match(error.message, pattern);
    return true;
  };
}

/** Sends numbered frames to an end that echoes them, and checks what comes back. */
async function echoes(connection: Connection, direction: number, count: number): Promise<void> {
  const length = (number: number): number => Math.min(lengthOf(number, direction), 40_000);
  const checker = new Checker(length);
  connection.consume(checker.take);
  await sendNumbered(connection, 0, count, length);
  await until(
    () => checker.received === count,
    () => `${count} echoes, got ${checker.received}`,
  );
}

describe('memory that cannot be had', () => {
  it('[CHANNEL-15] RLIMIT_FSIZE: works over the socket, says why, and moves to memory when the limit is raised [shm-transport 38, 45]', () =>
    leavingNothing(async () => {
      using place = new Place();
      using child = Child.peer('end', ['listener', place.directory, 'poor', '65536', 'echo'], {
        prelude: 'ulimit -S -f 8', // KiB; the hard limit stays, so that it can be raised again
      });
      await child.says('listening');
      const connection = await connect('shm:poor', { context: place.context });
      assert.deepEqual([connection.stats.active, connection.stats.fallbackCount], ['unix', 1]);
      assert.match(connection.stats.fallbackReason ?? '', /memory could not be made: .*ulimit -f/);
      const length = (number: number): number => lengthOf(number, FROM_CLIENT);
      const checker = new Checker(length);
      connection.consume(checker.take);
      await child.says('there');
      await sendNumbered(connection, 0, 500, length);
      execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:']);
      await until(() => connection.stats.active === 'shm', 'the connection moved to memory by itself');
      await sendNumbered(connection, 500, 1000, length);
      await until(() => checker.received === 1000, 'all came back, in order');
      assert.deepEqual([connection.stats.fallbackCount, connection.stats.fallbackReason], [1, undefined]);
      await connection.close();
      await child.says('closed orderly');
      await child.kill();
    }));

  for (const bare of ['listener', 'client'] as const) {
    it(`[CHANNEL-8] a ${bare} without the addon: frames go by socket, and both ends say so [shm-transport 25, 37, 38]`, () =>
      leavingNothing(async () => {
        using place = new Place();
        const copy = mkdtempSync(join(tmpdir(), 'tendon-bare-'));
        try {
          for (const part of ['package.json', 'dist', 'dist-test/test/process/shm'])
            cpSync(join(ROOT, part), join(copy, part), { recursive: true });
          symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
          const program = join(copy, 'dist-test/test/process/shm/peers/end.js');
          const { context } = place;
          const listener = bare === 'client' ? await listen('shm:bare', { context }) : undefined;
          using child = Child.program(process.execPath, [
            program,
            bare,
            place.directory,
            'bare',
            '65536',
            'echo',
          ]);
          if (bare === 'listener') await child.says('listening');
          const connection = listener ? await listener.accept() : await connect('shm:bare', { context });
          await child.says('there');
          await echoes(connection, bare === 'client' ? FROM_LISTENER : FROM_CLIENT, 500);
          assert.deepEqual([connection.stats.active, connection.stats.fallbackCount], ['unix', 1]);
          assert.match(connection.stats.fallbackReason ?? '', /no shared memory/);
          assert.equal(connection.capabilities.zeroCopy, false);
          await connection.close();
          await child.says('closed orderly');
          await child.kill();
          await listener?.close();
        } finally {
          rmSync(copy, { recursive: true });
        }
      }));
  }
});

describe('no descriptors left', () => {
  /** Runs with few descriptors; what it learned is its last line. */
  function poor(script: string, directory: string): Record<string, unknown> {
    const program = `
      import { openSync, closeSync } from 'node:fs';
      import { Context } from 'tendon/core';
      import { shmTransport } from 'tendon/transport/shm';
      const context = new Context({ runtimeDirectory: ${JSON.stringify(directory)} });
      const eat = () => { const fds = []; for (;;) try { fds.push(openSync('/dev/null')); } catch { return fds; } };
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      ${script}`;
    const { stdout, stderr, status } = spawnSync(
      '/bin/bash',
      ['-c', 'ulimit -n 100; exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', program],
      { encoding: 'utf8', cwd: ROOT, timeout: 30_000 },
    );
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>; // the script wrote it
  }

  it('a listener says so in `refused`, goes on, and serves later', () => {
    using place = new Place();
    const found = poor(
      `
      const listener = await shmTransport.listen('shm:poor', { context });
      const refused = [];
      listener.events.on('refused', (reason) => refused.push(reason.code));
      const fds = eat();
      closeSync(fds.pop()); // one for the client's end, none for the listener's
      const connecting = shmTransport.connect('shm:poor', { context, timeoutMs: 20000 }).catch((error) => error);
      while (refused.length === 0) await wait(5);
      for (const fd of fds) closeSync(fd);
      const accepted = await listener.accept();
      const client = await connecting;
      await client.send(Buffer.alloc(5));
      const got = await new Promise((resolve) => accepted.consume((bytes, offset, length) => resolve(length)));
      const { active } = client.stats;
      await client.close(); await listener.close();
      console.log(JSON.stringify({ refused: refused[0], got, active }));`,
      place.directory,
    );
    assert.deepEqual(found, { refused: 'RESOURCE_EXHAUSTED', got: 5, active: 'shm' });
    assert.deepEqual(place.leftovers(), []);
  });

  it('[CHANNEL-15] a client gets an error that names the remedy, and can connect later', () => {
    using place = new Place();
    const found = poor(
      `
      const listener = await shmTransport.listen('shm:poor', { context });
      listener.events.on('refused', () => {});
      const fds = eat();
      const error = await shmTransport.connect('shm:poor', { context }).catch((error) => error);
      for (const fd of fds) closeSync(fd);
      const client = await shmTransport.connect('shm:poor', { context });
      const { active } = client.stats;
      await client.close(); await listener.close();
      console.log(JSON.stringify({ code: error.code, message: error.message, active }));`,
      place.directory,
    );
    assert.equal(found['code'], 'RESOURCE_EXHAUSTED', String(found['message']));
    assert.match(String(found['message']), /ulimit -n/);
    assert.equal(found['active'], 'shm');
  });
});

describe('the place where names meet', () => {
  async function refusedAt(directory: string, pattern: RegExp): Promise<void> {
    const context = new Context({ runtimeDirectory: directory });
    await assert.rejects(listen('shm:a', { context }), is('PERMISSION_DENIED', pattern));
    await assert.rejects(connect('shm:a', { context }), is('PERMISSION_DENIED', pattern));
  }

  it('[CHANNEL-2] is refused when others may enter it, with the command that mends it', async () => {
    using place = new Place();
    chmodSync(place.directory, 0o755);
    await refusedAt(place.directory, /mode 755.*chmod 700/);
  });

  it('[CHANNEL-2] is refused when it is a link, or a file', async () => {
    using place = new Place();
    const target = join(place.directory, 'target');
    mkdirSync(target, 0o700);
    symlinkSync(target, join(place.directory, 'link'));
    writeFileSync(join(place.directory, 'file'), '');
    for (const name of ['link', 'file']) await refusedAt(join(place.directory, name), /not a directory/);
  });

  it('[CHANNEL-2] is refused when somebody else owns it', async (test) => {
    if (process.getuid?.() !== 0) return test.skip('only root can give a directory away');
    using place = new Place();
    chownSync(place.directory, 65_534, 65_534);
    await refusedAt(place.directory, /user 65534 owns it, this is user 0/);
  });

  it('[CHANNEL-2] is made with mode 0700 by a listener, and its absence tells a client that nobody listens', async () => {
    using place = new Place();
    const directory = join(place.directory, 'deep', 'er');
    const context = new Context({ runtimeDirectory: directory });
    await assert.rejects(connect('shm:a', { context }), is('ENDPOINT_NOT_FOUND', /start the listener first/));
    const listener = await listen('shm:a', { context });
    await listener.close();
    await assert.rejects(connect('shm:a', { context }), is('ENDPOINT_NOT_FOUND', /nobody listens/));
  });

  it('[CHANNEL-3] has room for 107 bytes of a path, and says so', async () => {
    using place = new Place();
    const fits = 107 - Buffer.byteLength(`${place.directory}/.sock`);
    const deep = join(place.directory, 'd'.repeat(60));
    const context = new Context({ runtimeDirectory: deep });
    const name = 'n'.repeat(fits - 61);
    const listener = await listen(`shm:${name}`, { context });
    await listener.close();
    await assert.rejects(listen(`shm:${name}n`, { context }), is('PATH_TOO_LONG', /108 bytes.*107.*shorter/));
    await assert.rejects(connect(`shm:${name}n`, { context }), is('PATH_TOO_LONG', /108 bytes/));
  });

  it('[CHANNEL-4] takes over a stale socket, and leaves alone one that somebody answers at', async () => {
    using place = new Place();
    const { context } = place;
    closeFd(unixListen(place.path('a'))); // as after kill -9
    assert.deepEqual(place.leftovers(), ['a.sock']);
    await using listener = await listen('shm:a', { context });
    await assert.rejects(listen('shm:a', { context }), is('ENDPOINT_IN_USE', /stop it, or use another name/));
    using child = Child.peer('end', ['listener', place.directory, 'a', '4096', 'echo']);
    await child.ends(1);
    assert.match(child.stderr, /ENDPOINT_IN_USE/);
    child.stderr = '';
    const client = await connect('shm:a', { context });
    const accepted = await listener.accept();
    await client.close();
    accepted.destroy();
  });

  it('[CHANNEL-4] of processes that start at the same instant on a stale socket exactly one wins', async () => {
    using place = new Place();
    // Each child holds a round open until it is told to go on: who lost says so, who won listens.
    const program = `
      import { once } from 'node:events';
      import { createInterface } from 'node:readline';
      import { Context } from 'tendon/core';
      import { shmTransport } from 'tendon/transport/shm';
      const context = new Context({ runtimeDirectory: ${JSON.stringify(place.directory)} });
      console.log('ready');
      let listener;
      for await (const line of createInterface({ input: process.stdin })) {
        if (line === 'close') { await listener?.close(); listener = undefined; console.log('closed'); continue; }
        try { listener = await shmTransport.listen('shm:race', { context }); console.log('won ' + line); }
        catch (error) { console.log((error.code === 'ENDPOINT_IN_USE' ? 'lost ' : error.code + ' ') + line); }
      }`;
    const children = [1, 2, 3].map(
      () => new Child(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT }),
    );
    try {
      for (const child of children) await child.says('ready');
      for (let round = 0; round < 20; round++) {
        closeFd(unixListen(place.path('race')));
        for (const child of children) child.tell(String(round));
        const results = await Promise.all(
          children.map(async (child) => {
            const find = (): string | undefined => child.lines.find((line) => line.endsWith(` ${round}`));
            await until(() => find() !== undefined, `a result of round ${round}`);
            return find()!;
          }),
        );
        assert.deepEqual(results.sort(), [`lost ${round}`, `lost ${round}`, `won ${round}`]);
        for (const child of children) {
          const before = child.lines.length;
          child.tell('close');
          await until(() => child.lines.length > before, 'the winner closed');
        }
        assert.deepEqual(place.leftovers(), []);
      }
    } finally {
      for (const child of children) {
        child[Symbol.dispose]();
        await child.exited;
      }
    }
  });

  it("[CHANNEL-5] another user is refused by the kernel's word, though it reaches the socket", async (test) => {
    if (process.getuid?.() !== 0) return test.skip('only root can become another user');
    using place = new Place();
    await using listener = await listen('shm:mine', { context: place.context });
    const refused: TendonError[] = [];
    listener.events.on('refused', (reason) => refused.push(reason));
    // The directory keeps others out; here it lets them in, so that the question itself is asked.
    chmodSync(place.directory, 0o711);
    chmodSync(place.path('mine'), 0o666);
    const folder = mkdtempSync(join(tmpdir(), 'tendon-other-'));
    try {
      chmodSync(folder, 0o755);
      const { program, missing } = compilePeer(folder);
      if (missing !== undefined) return test.skip(missing);
      const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
      using child = new Child('setpriv', [...user, program, 'connect', place.path('mine'), '0']);
      await child.ends(1);
      is('PERMISSION_DENIED', /user 65534 may not connect/)(refused[0]);
      assert.match(child.stderr, /type 0x12 instead of 0x11/, 'it was told REFUSE');
      child.stderr = '';
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
