import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Connection, Listener } from 'tendon/transport';
import { type ShmConnection, shmTransport } from 'tendon/transport/shm';
import { Child } from './child.ts';
import { CountingProxy } from './counting-proxy.ts';
import { leavingNothing, Place, until } from './kit.ts';
import { Checker, contentOf, FROM_CLIENT, lengthOf, sendNumbered } from './traffic.ts';

const { listen, connect } = shmTransport;
const MANY = process.env['TENDON_TORTURE'] === '1' ? 30 : 1;
const fromClient = (number: number): number => lengthOf(number, FROM_CLIENT);

interface Session extends AsyncDisposable {
  readonly place: Place;
  readonly child: Child;
  readonly connection: ShmConnection;
}

/** Connected to a listener in a process of its own. */
async function session(order: string, ringBytes = 65_536): Promise<Session> {
  const place = new Place();
  const child = Child.peer('end', ['listener', place.directory, 'pair', String(ringBytes), order]);
  await child.says('listening');
  const connection = await connect('shm:pair', { context: place.context });
  await child.says('there');
  return {
    place,
    child,
    connection,
    async [Symbol.asyncDispose]() {
      await connection.close();
      child[Symbol.dispose]();
      await child.exited;
      place[Symbol.dispose]();
    },
  };
}

describe('memory and socket between two processes', () => {
  it('[CHANNEL-17] after connect both ends send by memory: the frames add next to nothing to the bytes of the life-line [shm-transport 6, 39]', () =>
    leavingNothing(async () => {
      using place = new Place();
      using child = Child.peer('end', ['listener', place.directory, 'pair', '65536', 'echo']);
      await child.says('listening');
      await using proxy = new CountingProxy(place.path('proxy'), place.path('pair'));
      const connection = await connect('shm:proxy', { context: place.context });
      assert.equal(connection.stats.active, 'shm');
      const checker = new Checker(fromClient);
      connection.consume(checker.take);
      await child.says('there');
      await sendNumbered(connection, 0, 100, fromClient);
      await until(() => checker.received === 100, 'both ways are in use');
      const [line, frames] = [proxy.bytes, checker.bytes];
      await sendNumbered(connection, 100, 20_000, fromClient);
      await until(() => checker.received === 20_000, 'all came back');
      const moved = 2 * (checker.bytes - frames);
      assert.ok(moved > 30_000_000, `${moved} bytes of frames`);
      // What is left are doorbells, at most one byte for each time that a side slept.
      assert.ok(proxy.bytes - line < 40_000, `${proxy.bytes - line} bytes over the life-line`);
      assert.deepEqual([connection.stats.fallbackCount, connection.stats.active], [0, 'shm']);
      // The control: by socket, all of them are seen there.
      connection.useSocket();
      const before = proxy.bytes;
      await sendNumbered(connection, 20_000, 20_200, fromClient);
      await until(() => checker.received === 20_200, 'all came back by socket');
      const bodies = Array.from({ length: 200 }, (_, n) => fromClient(20_000 + n)).reduce((a, b) => a + b);
      assert.ok(proxy.bytes - before > 2 * bodies, `${proxy.bytes - before} bytes for twice ${bodies}`);
      await connection.close();
    }));

  it('[CHANNEL-20] frames at every border of ring and record arrive intact and in order, by memory and by socket [shm-transport 40, 42]', () =>
    leavingNothing(async () => {
      await using one = await session('echo', 4096);
      const { connection } = one;
      const sizes = [
        10,
        0,
        1,
        1015,
        1016,
        1017,
        4088,
        4095,
        4096,
        4097,
        1 << 20,
        10,
        65_535,
        65_536,
        3,
        1 << 20,
        7,
      ];
      const length = (number: number): number => sizes[number % sizes.length] as number;
      const checker = new Checker(length);
      connection.consume(checker.take);
      let sent = 0;
      for (const way of ['useSocket', 'useMemory', 'useSocket', 'useMemory'] as const) {
        await sendNumbered(connection, sent, sent + sizes.length, length);
        sent += sizes.length;
        connection[way](); // in the middle of what is still under way
        await sendNumbered(connection, sent, sent + sizes.length, length);
        sent += sizes.length;
      }
      await until(
        () => checker.received === sent,
        () => `all came back, ${checker.received} of ${sent}`,
      );
    }));

  it('[CHANNEL-17] a hundred thousand frames each way under changes of the way: none lost, doubled or overtaken [shm-transport 43, 44]', () =>
    leavingNothing(async () => {
      await using one = await session('echo');
      const { connection } = one;
      const checker = new Checker((number) => fromClient(number) % 600);
      connection.consume(checker.take);
      const count = 100_000 * MANY;
      let changes = 0;
      for (let sent = 0; sent < count; sent += 500) {
        await sendNumbered(connection, sent, sent + 500, (number) => fromClient(number) % 600);
        if (changes++ % 2 === 0) connection.useSocket();
        else connection.useMemory();
        if (changes % 7 === 0) connection.useSocket(); // also twice, also undone at once
      }
      await until(
        () => checker.received === count,
        () => `all came back, ${checker.received} of ${count}`,
      );
      connection.useMemory();
      await until(() => connection.stats.active === 'shm', 'memory carries frames at the end');
      assert.equal(connection.stats.fallbackReason, undefined);
      assert.ok(
        connection.stats.fallbackCount >= 50,
        `${connection.stats.fallbackCount} changes to the socket`,
      );
    }));

  it('a change to the way that is in use changes nothing, and none is possible after the end [shm-transport 43, 46, 47]', () =>
    leavingNothing(async () => {
      await using one = await session('echo');
      const { connection } = one;
      connection.useMemory();
      connection.useMemory();
      assert.deepEqual([connection.stats.active, connection.stats.fallbackCount], ['shm', 0]);
      connection.useSocket();
      connection.useSocket();
      assert.deepEqual([connection.stats.active, connection.stats.fallbackCount], ['unix', 1]);
      assert.equal(connection.stats.fallbackReason, 'requested');
      connection.useMemory();
      assert.deepEqual([connection.stats.active, connection.stats.fallbackReason], ['shm', undefined]);
      assert.equal(connection.state, 'open');
      await connection.close();
      assert.deepEqual([connection.state, connection.closeReason], ['closed', undefined]);
      connection.useSocket();
      assert.equal(connection.state, 'closed');
      await one.child.says('closed orderly');
    }));

  it('[CHANNEL-23] a peer that does not read is back-pressure: bounded here, nothing goes elsewhere, nothing is lost [shm-transport 8, 69]', () =>
    leavingNothing(async () => {
      await using one = await session('echo', 16_384);
      const { connection, child } = one;
      child.signal('SIGSTOP');
      let taken = 0;
      const full = (): boolean => connection.offer(contentOf(taken, 200)) === -1;
      for (; taken < 10_000 && !full(); taken++);
      assert.ok(taken > 10 && taken < 100, `${taken} frames of 200 bytes are in flight`);
      for (let n = 0; n < 1000; n++) assert.equal(connection.offer(contentOf(taken, 200)), -1);
      assert.deepEqual([connection.stats.active, connection.stats.fallbackCount], ['shm', 0]);
      const checker = new Checker(() => 200);
      connection.consume(checker.take);
      child.signal('SIGCONT');
      await sendNumbered(connection, taken, 2000, () => 200);
      await until(() => checker.received === 2000, 'all came back');
    }));
});

describe('long traffic between two processes', () => {
  it('[CHANNEL-20] [CHANNEL-22] framed records of random size both ways at once, each byte checked; neither end reads its own [shm-transport 19, 20]', () =>
    leavingNothing(async () => {
      await using one = await session('flood', 1 << 20);
      const { connection } = one;
      const count = 150_000 * MANY;
      const theirs = new Checker((number) => lengthOf(number, 1));
      connection.consume(theirs.take);
      // The child checks ours the same way: a wrong frame ends it, and the connection with it.
      await sendNumbered(connection, 0, count, fromClient);
      await until(
        () => theirs.received >= count,
        () => `${theirs.received} of ${count} frames came`,
      );
      assert.equal(connection.state, 'open');
      connection.destroy();
    }));

  it('[CHANNEL-22] sleeps between frames thousands of times and loses no wake-up [shm-transport 21]', () =>
    leavingNothing(async () => {
      await using one = await session('echo');
      const { connection } = one;
      const checker = new Checker(() => 16);
      let arrived: (() => void) | undefined;
      connection.consume((bytes, offset, length) => {
        checker.take(bytes, offset, length);
        arrived?.();
      });
      const rounds = 3_000 * MANY;
      let random = 7;
      for (let number = 0; number < rounds; number++) {
        const back = new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`a wake-up was lost at frame ${number}`)), 10_000);
          arrived = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        connection.offer(contentOf(number, 16));
        await back;
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
        // Around the 200 us after which an idle end parks, on both sides of it.
        const pauseUs = random % 512;
        const until = performance.now() + pauseUs / 1000;
        while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(checker.received, rounds);
    }));

  it('a parked pair costs next to nothing [shm-transport 21]', () =>
    leavingNothing(async () => {
      await using one = await session('idle');
      const { connection, child } = one;
      connection.consume(() => {});
      connection.offer(Buffer.alloc(10));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const before = process.cpuUsage();
      child.tell('measure');
      const theirs = Number(await child.says('cpu'));
      const { user, system } = process.cpuUsage(before);
      // `until` looks every millisecond, which is most of what this side uses: the child is the one to judge.
      assert.ok(theirs < 100, `${theirs} ms of processor time in 2 s`);
      assert.ok((user + system) / 1000 < 1000, `${(user + system) / 1000} ms here`);
    }));
});

describe('workers', () => {
  it('[CHANNEL-27] ten with open channels, half of them terminated in the middle: the process ends well and the rest goes on', () =>
    leavingNothing(async () => {
      using place = new Place();
      await using listener: Listener = await listen('shm:storm', { context: place.context, ringBytes: 4096 });
      const accepted: Connection[] = [];
      const accepting = (async () => {
        for await (const connection of listener) {
          accepted.push(connection);
          connection.consume((bytes, offset, length) => {
            if (connection.offer(bytes, offset, length) === -1)
              connection.send(bytes.slice(offset, offset + length)).catch(() => {}); // its worker was terminated
          });
        }
      })();
      using child = Child.peer('worker-storm', [place.directory, 'storm']);
      const report = await child.report<{
        echoed: number;
        terminated: number;
        left: string[];
        mappings: number;
      }>();
      assert.deepEqual(report.left, [], 'descriptors are left in the process of the workers');
      assert.equal(report.mappings, 0, 'mappings are left in the process of the workers');
      assert.equal(report.terminated, 5);
      assert.equal(report.echoed, 5 * 3 * 100);
      await until(
        () => accepted.length >= 30,
        () => `${accepted.length} channels were opened`,
      );
      await until(() => accepted.every(({ state }) => state === 'closed'), 'this end of each is closed');
      await listener.close();
      await accepting;
      assert.deepEqual(place.leftovers(), []);
    }));
});
