import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, TendonError } from '../../core/index.ts';
import { unixTransport } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'tendon-file-'));
after(() => rmSync(directory, { recursive: true }));
let names = 0;
const freshPath = (): string => join(directory, `${names++}.sock`);

async function failsWith(action: Promise<unknown>, code: ErrorCode): Promise<TendonError> {
  try {
    await action;
  } catch (error) {
    assert.ok(TendonError.is(error, code), `expected ${code}, got ${String(error)}`);
    return error;
  }
  return assert.fail(`must fail with ${code}`);
}

/** Leaves a socket file behind that nobody serves, as a killed process does. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await new Promise((resolve) => spawn(process.execPath, ['-e', script]).once('exit', resolve));
  assert.ok(existsSync(path));
}

describe('the socket file of unix:', () => {
  it('[shm-transport 58] [STREAM-14] has mode 0600 whenever it is there', async () => {
    const path = freshPath();
    const ready = new Int32Array(new SharedArrayBuffer(16));
    // Looks as fast as it can from another thread, while listeners come and go.
    const watcher = new Worker(
      `const { workerData: { path, ready } } = require('node:worker_threads');
       const { lstatSync } = require('node:fs');
       Atomics.store(ready, 0, 1); Atomics.notify(ready, 0);
       while (Atomics.load(ready, 1) === 0) {
         const found = lstatSync(path, { throwIfNoEntry: false });
         if (found === undefined) continue;
         Atomics.add(ready, 2, 1);
         if ((found.mode & 0o777) !== 0o600) Atomics.add(ready, 3, 1);
       }`,
      { eval: true, workerData: { path, ready } },
    );
    Atomics.wait(ready, 0, 0, 10_000);
    for (let round = 0; round < 100 || Atomics.load(ready, 2) === 0; round++) {
      assert.ok(round < 100_000, 'the watcher never saw the file');
      await using listener = await unixTransport.listen(`unix:${path}`);
      assert.equal(lstatSync(path).mode & 0o777, 0o600);
      assert.equal(listener.endpoint, `unix:${path}`);
    }
    Atomics.store(ready, 1, 1);
    await watcher.terminate();
    assert.equal(Atomics.load(ready, 3), 0, 'the file was seen with another mode');
    assert.deepEqual(readdirSync(directory), [], 'nothing is left beside it');
  });

  it('[shm-transport 65] [STREAM-15] leaves a live listener alone and takes a dead one over', async () => {
    const path = freshPath();
    {
      await using listener = await unixTransport.listen(`unix:${path}`);
      await failsWith(unixTransport.listen(`unix:${path}`), 'ENDPOINT_IN_USE');
      const accepting = listener.accept();
      await using client = await unixTransport.connect(`unix:${path}`);
      await using server = await accepting;
      assert.deepEqual([client.state, server.state], ['open', 'open']);
      await client.close();
      assert.ok(existsSync(path), 'a client that closes leaves the file');
    }
    assert.ok(!existsSync(path));
    await leaveStale(path);
    const refused = await failsWith(unixTransport.connect(`unix:${path}`), 'CONNECTION_REFUSED');
    assert.ok(refused.retryable);
    await using listener = await unixTransport.listen(`unix:${path}`);
    const accepting = listener.accept();
    await using client = await unixTransport.connect(`unix:${path}`);
    await using _server = await accepting;
    assert.equal(client.state, 'open');
  });

  it('[STREAM-15] has one winner when many take a dead one over at once', async () => {
    const path = freshPath();
    await leaveStale(path);
    const attempts = await Promise.allSettled(
      Array.from({ length: 12 }, () => unixTransport.listen(`unix:${path}`)),
    );
    const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') assert.equal(attempt.reason.code, 'ENDPOINT_IN_USE');
    }
    await using listener = winners[0]!.value;
    const accepting = listener.accept();
    await using _client = await unixTransport.connect(`unix:${path}`);
    await using _server = await accepting;
  });

  it('[STREAM-16] removes only the file that it made', async () => {
    const path = freshPath();
    const listener = await unixTransport.listen(`unix:${path}`);
    rmSync(path);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    const theirs = lstatSync(path).ino;
    await listener.close();
    assert.equal(lstatSync(path).ino, theirs);
    await new Promise((resolve) => other.close(resolve));
  });

  it('[STREAM-15] touches nothing that is no socket', async () => {
    const path = freshPath();
    writeFileSync(path, 'precious');
    const error = await failsWith(unixTransport.listen(`unix:${path}`), 'ENDPOINT_IN_USE');
    assert.ok(error.message.includes('no socket'));
    assert.equal(statSync(path).size, 8);
    rmSync(path);
    symlinkSync('/nonexistent/target', path);
    await failsWith(unixTransport.listen(`unix:${path}`), 'ENDPOINT_IN_USE');
    assert.ok(lstatSync(path).isSymbolicLink());
    rmSync(path);
  });

  it('[STREAM-17] [shm-transport 59] takes a path of 107 bytes and refuses one of 108', async () => {
    const longest = join(directory, 'x'.repeat(107 - directory.length - 1));
    assert.equal(Buffer.byteLength(longest), 107);
    {
      await using listener = await unixTransport.listen(`unix:${longest}`);
      const accepting = listener.accept();
      await using client = await unixTransport.connect(`unix:${longest}`);
      await using _server = await accepting;
      assert.equal(client.state, 'open');
      assert.equal(lstatSync(longest).mode & 0o777, 0o600);
    }
    for (const action of [
      unixTransport.listen(`unix:${longest}x`),
      unixTransport.connect(`unix:${longest}x`),
    ]) {
      const error = await failsWith(action, 'PATH_TOO_LONG');
      assert.deepEqual(error.details, { path: `${longest}x`, bytes: 108, limitBytes: 107 });
    }
    // Counted in bytes, not in characters.
    await failsWith(unixTransport.listen(`unix:${join(directory, 'ü'.repeat(50))}`), 'PATH_TOO_LONG');
    await using spaced = await unixTransport.listen(`unix:${join(directory, 'with space ü.sock')}`);
    assert.ok(existsSync(spaced.endpoint.slice('unix:'.length)));
  });

  it('says which directory is missing', async () => {
    await failsWith(unixTransport.listen(`unix:${join(directory, 'missing', 'a.sock')}`), 'ENDPOINT_INVALID');
    await failsWith(
      unixTransport.connect(`unix:${join(directory, 'missing', 'a.sock')}`),
      'ENDPOINT_NOT_FOUND',
    );
  });

  it('leaves no descriptor behind, however often it listens and connects', async () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const round = async (): Promise<void> => {
      const path = freshPath();
      await using listener = await unixTransport.listen(`unix:${path}`);
      const accepting = listener.accept();
      await using client = await unixTransport.connect(`unix:${path}`);
      await using _server = await accepting;
      await client.close();
      await failsWith(unixTransport.listen(`unix:${path}`), 'ENDPOINT_IN_USE');
    };
    await round();
    await new Promise((resolve) => setImmediate(resolve));
    const before = count();
    for (let index = 0; index < 50; index++) await round();
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(count() <= before, `${count() - before} descriptors were left behind`);
  });
});
