import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  closeFd,
  createEventFd,
  createMemfd,
  futexWake,
  Mapping,
  peerCredentials,
  socketReceive,
  socketReceiveFds,
  socketSendFds,
  unixAccept,
  unixListen,
  unixPair,
  Watcher,
} from 'tendon/os';
import { peerPath, runPeer } from './run-peer.ts';

const BYTES = 65_536;
const byte = new Uint8Array(1);

describe('memory between processes', () => {
  it('[shm-transport 6] [shm-transport 17] a peer maps the descriptor it was handed, shares its bytes, and cannot resize it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tendon-os-'));
    const listener = unixListen(join(directory, 'socket'));
    const memfd = createMemfd('tendon-shared', BYTES);
    using mapping = Mapping.map(memfd, { bytes: BYTES, writable: true });
    const words = new Int32Array(mapping.buffer);
    words[0] = 1234;
    let server = -1;
    let peerPid = -1;
    let childPid: number | undefined;
    const accepting = Watcher.watch(listener, 'readable', () => {
      accepting.close();
      server = unixAccept(listener);
      peerPid = peerCredentials(server).pid;
      socketSendFds(server, byte, 0, 1, [memfd]);
    });
    const result = await runPeer('memory-client', {
      args: [join(directory, 'socket')],
      started: (child) => {
        childPid = child.pid;
      },
    });
    assert.equal(result.stderr, '');
    assert.equal(result.stdout, 'read 1234\nresize EPERM\nresize EPERM\nresize EPERM\n');
    assert.equal(result.code, 0);
    assert.equal(Atomics.load(words, 1), 4321);
    assert.equal(peerPid, childPid);
    assert.equal(socketReceive(server, byte, 0, 1), 1);
    assert.equal(socketReceive(server, byte, 0, 1), 0);
    for (const fd of [server, listener, memfd]) closeFd(fd);
    rmSync(directory, { recursive: true });
  });

  it('[shm-transport 16] a program that is executed inherits no descriptor', async () => {
    const before = await runPeer('list-descriptors');
    const memfd = createMemfd('tendon-not-inherited', BYTES);
    const event = createEventFd();
    const [left, right] = unixPair();
    socketSendFds(left, byte, 0, 1, [memfd]);
    const received: number[] = [];
    socketReceiveFds(right, byte, 0, 1, received);
    const result = await runPeer('list-descriptors');
    assert.equal(result.code, 0);
    assert.doesNotMatch(result.stdout, /tendon-not-inherited/);
    const given = await runPeer('list-descriptors', { inherit: [memfd] });
    assert.match(given.stdout, /tendon-not-inherited/); // the control: passed on purpose, it is seen
    const kinds = (text: string) =>
      text
        .split('\n')
        .map((line) => line.replace(/[0-9]+/g, ''))
        .sort();
    assert.deepEqual(kinds(result.stdout), kinds(before.stdout)); // nor any socket or eventfd more than Node's own
    for (const fd of [memfd, event, left, right, ...received]) closeFd(fd);
  });

  it('[shm-transport 15] a thousand cycles leave no descriptor and no mapping, also where calls fail', async () => {
    const cycles = process.env['TENDON_TORTURE'] === undefined ? 1_000 : 20_000;
    const result = await runPeer('cycles', { args: [String(cycles)], deadlineMs: 120_000 });
    assert.equal(result.stderr, '');
    const left = JSON.parse(result.stdout) as {
      before: number;
      after: number;
      extra: string[];
      mappings: number;
    };
    assert.deepEqual(left.extra, []);
    assert.equal(left.after, left.before);
    assert.equal(left.mappings, 0);
  });
});

describe('futexes', () => {
  /** Runs the waiter; `waits` resolves when it is about to wait, `ended` with what it said last. */
  function startWaiter(fd: number, timeoutMs: number) {
    const worker = new Worker(peerPath('futex-waiter'), { workerData: { fd, bytes: 4096, timeoutMs } });
    let last: unknown;
    worker.on('message', (message: unknown) => {
      last = message;
    });
    const ended = once(worker, 'exit').then(() => last as { outcome: string; elapsedMs: number });
    return { waits: once(worker, 'message'), ended };
  }

  it('wake a worker that waits through a mapping of its own', { timeout: 30_000 }, async () => {
    const fd = createMemfd('futex', 4096);
    using mapping = Mapping.map(fd, { bytes: 4096, writable: true });
    const words = new Int32Array(mapping.buffer);
    const { waits, ended } = startWaiter(fd, 20_000);
    await waits;
    // The worker counts its rounds in words[1]: a wake that found it asleep shows as one round more.
    while (futexWake(mapping.buffer, 0, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    while (Atomics.load(words, 1) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    Atomics.store(words, 0, 1);
    futexWake(mapping.buffer, 0, 1);
    assert.match((await ended).outcome, /woken|changed/);
    closeFd(fd);
  });

  it('time out, not before their time', { timeout: 30_000 }, async () => {
    const fd = createMemfd('futex', 4096);
    const { outcome, elapsedMs } = await startWaiter(fd, 30).ended;
    assert.equal(outcome, 'timed-out');
    assert.ok(elapsedMs >= 30, `${elapsedMs} ms`);
    closeFd(fd);
  });
});
