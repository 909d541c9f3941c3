import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { closeFd, createEventFd, createMemfd, eventFdSignal, Mapping, processAlive } from 'tendon/os';
import { BroadcastRing, MpscRing, SpscRing } from 'tendon/ring';
import { Bell, CAPACITY, Receiver, Sender } from './traffic.ts';

const TIMES = Number(process.env['TENDON_TORTURE'] ?? '1');
const PEER = new URL('./peer.js', import.meta.url).pathname;
const CLEAN = { torn: 0, misplaced: 0, own: 0 };
const turn = () => new Promise(setImmediate);

function peer(role: string, count: number, ...fds: number[]) {
  const child = spawn(process.execPath, [PEER, role, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit', ...fds],
  });
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal, said }));
  return { child, exit, said: () => said };
}
/** Memory for one test: descriptors are closed and children ended whatever happens. */
async function withMemory(
  bytes: number,
  work: (
    buffer: ArrayBuffer,
    fd: number,
    start: (role: string, count: number, ...fds: number[]) => ReturnType<typeof peer>,
    ownFd: (fd: number) => number,
  ) => Promise<void>,
): Promise<void> {
  const fd = createMemfd('tendon-ring-test', bytes);
  const fds = [fd];
  const children: ChildProcess[] = [];
  const mapping = Mapping.map(fd, { bytes, writable: true });
  const start = (role: string, count: number, ...more: number[]) => {
    const started = peer(role, count, fd, ...more);
    children.push(started.child);
    return started;
  };
  try {
    await work(mapping.buffer, fd, start, (own) => {
      fds.push(own);
      return own;
    });
  } finally {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    mapping.close();
    for (const own of fds) closeFd(own);
  }
}

describe('rings between processes', () => {
  it('[shm-transport 19] [shm-transport 20] carry records of 1 B to 64 KiB both ways at once, every byte checked, in order', async () => {
    const count = 8_000 * TIMES;
    const bytes = SpscRing.bytesNeeded(CAPACITY);
    await withMemory(2 * bytes, async (memory, _fd, start) => {
      const there = SpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition: 2 ** 31 - 8 });
      const back = SpscRing.format({
        memory,
        byteOffset: bytes,
        capacityBytes: CAPACITY,
        initialPosition: -8,
      });
      const sender = new Sender(there.producer(), 0);
      const receiver = new Receiver(back.consumer(), 1);
      const other = start('duplex', count);
      while (sender.sent < count || receiver.tally.received < count) {
        const moved = sender.pump(Math.min(64, count - sender.sent)) + receiver.pump(64);
        if (moved > 0) continue;
        assert.ok(other.child.exitCode === null || other.child.exitCode === 0, 'the peer failed');
        await turn();
      }
      const { code, said } = await other.exit;
      assert.equal(code, 0);
      assert.deepEqual(receiver.tally, { received: count, ...CLEAN });
      assert.deepEqual(JSON.parse(said), { received: count, ...CLEAN });
    });
  });

  it('[shm-transport 21] lose no wake-up when the producer pauses at random and the consumer sleeps each time', async () => {
    const count = 10_000 * TIMES;
    await withMemory(SpscRing.bytesNeeded(CAPACITY), async (memory, _fd, start, own) => {
      const bellFd = own(createEventFd());
      const bell = new Bell(bellFd);
      const consumer = SpscRing.format({ memory, capacityBytes: CAPACITY }).consumer();
      const receiver = new Receiver(consumer, 0);
      const other = start('pauses', count, bellFd);
      let slept = 0;
      while (receiver.tally.received < count) {
        if (receiver.pump(3) > 0) continue;
        if (!consumer.park()) continue;
        slept++;
        const rang = await bell.wait();
        consumer.unpark();
        assert.ok(rang, `overslept after ${receiver.tally.received} records`);
      }
      bell.close();
      assert.equal((await other.exit).code, 0);
      assert.deepEqual({ ...receiver.tally, received: 0 }, { received: 0, ...CLEAN });
      assert.ok(slept > 100, `slept only ${slept} times`);
      assert.ok(bell.rings <= slept, 'more doorbells than sleeps');
    });
  });

  it('[shm-transport 22] deliver what a producer committed before kill -9, whole and nothing else', async () => {
    for (let round = 0; round < 3; round++) {
      await withMemory(SpscRing.bytesNeeded(CAPACITY), async (memory, _fd, start) => {
        const consumer = SpscRing.format({ memory, capacityBytes: CAPACITY }).consumer();
        const receiver = new Receiver(consumer, 0);
        const other = start('endless', 0);
        while (receiver.tally.received < 2000) if (receiver.pump(64) === 0) await turn();
        other.child.kill('SIGKILL');
        assert.equal((await other.exit).signal, 'SIGKILL');
        const left = consumer.availableBytes;
        while (receiver.pump(64) > 0);
        assert.equal(consumer.availableBytes, 0);
        assert.deepEqual(
          { ...receiver.tally, received: 0 },
          { received: 0, ...CLEAN },
          `${left} bytes were left`,
        );
      });
    }
  });

  it('[shm-transport 23] [RING-24] take records of many processes, and the claim of a killed one back', async () => {
    const count = 3_000 * TIMES;
    await withMemory(MpscRing.bytesNeeded(CAPACITY), async (memory, _fd, start) => {
      const consumer = MpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition: -8 }).consumer();
      const seen = new Map<number, number>();
      let wrong = 0;
      const handler = (bytes: Uint8Array, offset: number, length: number): void => {
        const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
        const owner = view.getInt32(0, true);
        const number = view.getInt32(4, true);
        const expected = seen.get(owner) ?? 0;
        if (number !== expected || length !== 8 + (number % 200)) wrong++;
        seen.set(owner, number + 1);
      };
      const doomed = start('doomed', count);
      const others = [start('many', count), start('many', count)];
      let killed = false;
      let recovered = 0;
      const total = () => [...seen.values()].reduce((sum, n) => sum + n, 0);
      while (total() < 3 * count) {
        if (consumer.poll(handler) > 0) continue;
        await turn();
        if (!killed && doomed.said() === 'claimed') {
          doomed.child.kill('SIGKILL');
          await doomed.exit;
          killed = true;
        }
        if (killed && consumer.blocked) recovered += consumer.unblock(processAlive);
      }
      for (const other of others) assert.equal((await other.exit).code, 0);
      recovered += killed ? consumer.unblock(processAlive) : 0;
      assert.equal(wrong, 0);
      assert.deepEqual([...seen.values()], [count, count, count]);
      if (!killed) {
        while (doomed.said() !== 'claimed') await turn();
        doomed.child.kill('SIGKILL');
        await doomed.exit;
        recovered += consumer.unblock(processAlive);
      }
      assert.equal(recovered, 1);
    });
  });

  /** Sends to two readers in processes of their own, which race the writer; answers what each found. */
  async function broadcast(policy: 'wait' | 'drop', count: number, deceived = false) {
    const found: { received: number; torn: number; gaps: number; lost: number; next: number }[] = [];
    await withMemory(BroadcastRing.bytesNeeded(CAPACITY), async (memory, _fd, start, own) => {
      const ring = BroadcastRing.format({ memory, capacityBytes: CAPACITY, policy, initialPosition: -16 });
      const writer = ring.writer();
      if (deceived) new Int32Array(memory)[4] = 0; // the word of the policy: 'wait'
      const readers = [0, 1].map(() => {
        const cursorFd = own(createMemfd('tendon-cursor-test', 4096));
        const bellFd = own(createEventFd());
        const mapping = Mapping.map(cursorFd, { bytes: 4096, writable: true });
        const waiter = { notify: () => void eventFdSignal(bellFd) };
        const cursor = writer.addReader({ memory: mapping.buffer, waiter });
        return { other: start('listen', count, cursorFd, bellFd), cursor, mapping };
      });
      for (let i = 0; i < count; ) {
        const length = 4 + ((i * 37) % 500);
        const at = writer.tryClaim(length);
        if (at < 0) {
          assert.ok(readers.every(({ other }) => other.child.exitCode === null));
          await turn();
          continue;
        }
        const view = new DataView(memory, writer.bytes.byteOffset + at);
        view.setInt32(0, i, true);
        for (let k = 4; k < length; k++) writer.bytes[at + k] = i + k;
        writer.commit();
        i++;
        // The race begins when both have read the first record.
        while (i === 1 && readers.some(({ cursor }) => writer.behindBytes(cursor) > 0)) await turn();
        if (i % 5000 === 0) await turn();
      }
      for (const { other, mapping } of readers) {
        const { code, said } = await other.exit;
        assert.equal(code, 0);
        found.push(JSON.parse(said));
        mapping.close();
      }
    });
    return found;
  }

  it("[RING-33] broadcast to processes that cannot write the data, and wait for both under 'wait'", async () => {
    const count = 10_000 * TIMES;
    for (const found of await broadcast('wait', count)) {
      assert.deepEqual(found, { received: count, torn: 0, gaps: 0, lost: 0, next: count });
    }
  });

  it("[RING-31] [RING-34] broadcast past slow processes under 'drop': what they get is whole, what they lose is counted", async (context) => {
    const count = 100_000 * TIMES;
    for (const { received, torn, gaps, lost, next } of await broadcast('drop', count)) {
      context.diagnostic(`${received} received, ${lost} lost`);
      assert.deepEqual({ torn, gaps, next }, { torn: 0, gaps: lost, next: count });
      assert.equal(received + lost, count);
    }
  });

  it('is a test that can fail: a reader that does not look whether it was overtaken reads torn records', async () => {
    const found = await broadcast('drop', 100_000, true);
    assert.ok(found.some(({ torn }) => torn > 0));
  });
});
