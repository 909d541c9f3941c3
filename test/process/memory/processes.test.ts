import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TendonError } from 'tendon/core';
import { AtomicFlag, CounterTable, Semaphore, SeqLock, ShardedMutex, SpinLock } from 'tendon/memory';
import { closeFd, createMemfd, Mapping } from 'tendon/os';
import { AT, blocking, COUNTER, fill, isTorn, type Job, MOST, READY, RECORD, STOP, WORDS } from './peer.ts';

const SCALE = process.env['TENDON_TORTURE'] === '1' ? 50 : 1;
const PROCESSES = 4;
const DEADLINE_MS = 60_000;
const peer = fileURLToPath(new URL('./peer.js', import.meta.url));
const code = (expected: string) => (error: unknown) => TendonError.is(error) && error.code === expected;
const children = new Set<ChildProcess>();

/** A memfd that this process has mapped and hands to its children as descriptor 3. */
class Shared implements Disposable {
  readonly #fd = createMemfd('memory-test', WORDS * 4);
  readonly #mapping = Mapping.map(this.#fd, { bytes: WORDS * 4, writable: true });
  readonly words = new Int32Array(this.#mapping.buffer);

  start(name: Job['name'], rounds = 0): ChildProcess {
    const job = JSON.stringify({ name, rounds } satisfies Job);
    const child = spawn(process.execPath, [peer, job], { stdio: ['ignore', 'pipe', 'inherit', this.#fd] });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  }

  async inside(name: Job['name'], rounds = 0): Promise<ChildProcess> {
    const child = this.start(name, rounds);
    await once(child.stdout!, 'data', { signal: AbortSignal.timeout(DEADLINE_MS) });
    return child;
  }

  [Symbol.dispose](): void {
    this.#mapping.close();
    closeFd(this.#fd);
  }
}
const ended = async (child: ChildProcess): Promise<void> => {
  const [exitCode] = await once(child, 'exit', { signal: AbortSignal.timeout(DEADLINE_MS) });
  assert.equal(exitCode, 0);
};
const killed = async (child: ChildProcess): Promise<void> => {
  const exit = once(child, 'exit', { signal: AbortSignal.timeout(DEADLINE_MS) });
  child.kill('SIGKILL');
  await exit;
};
const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const startMs = performance.now(); !condition(); await delay(1)) {
    if (performance.now() - startMs > DEADLINE_MS) throw new Error(`waited in vain until ${what}`);
  }
};

describe('processes over one memfd', () => {
  after(() => {
    const left = [...children];
    for (const child of left) child.kill('SIGKILL');
    assert.equal(left.length, 0, 'children were left');
  });

  it('[shm-transport 49] SpinLock: 100 × 100 increments are exact, TryLock excludes', async () => {
    using shared = new Shared();
    const { words } = shared;
    const lock = new SpinLock(words, AT, blocking());
    assert.equal(lock.tryLock(), true);
    assert.equal(lock.tryLock(), false);
    const peers = Array.from({ length: PROCESSES }, () =>
      shared.start('spinLock', (100 * 100 * SCALE) / PROCESSES),
    );
    const ends = Promise.all(peers.map(ended));
    await until('all have started', () => words[READY] === PROCESSES);
    assert.equal(words[COUNTER], 0, 'we hold the lock');
    lock.unlock();
    await ends;
    assert.equal(words[COUNTER], 100 * 100 * SCALE);
    assert.equal(lock.tryLock(), true);
  });

  it('[shm-transport 51] ShardedMutex(16): 100 × 100 increments are exact', async () => {
    using shared = new Shared();
    const peers = [1, 2].map(() => shared.start('shardedMutex', (100 * 100 * SCALE) / 2));
    await Promise.all(peers.map(ended));
    assert.equal(shared.words[COUNTER], 100 * 100 * SCALE);
  });

  it('[shm-transport 50] SeqLock: a reader never sees torn data under a busy writer, and a second write works', async () => {
    using shared = new Shared();
    const { words } = shared;
    const lock = new SeqLock(words, AT, blocking());
    const first = lock.readBegin();
    assert.equal(lock.readBegin(), first);
    const writer = shared.start('seqLockWriter');
    await until('the writer writes', () => Atomics.load(words, RECORD) > 0);
    let torn = 0;
    for (let n = 0; n < 100_000 * SCALE; n++) {
      const read = lock.tryRead(() => isTorn(words)) ?? (await lock.readAsync(() => isTorn(words)));
      if (read) torn++;
    }
    Atomics.store(words, STOP, 1);
    await ended(writer);
    assert.equal(torn, 0);
    const last = lock.readBegin();
    assert.ok(last > first && last % 2 === 0);
    lock.write(() => fill(words, 1));
    assert.equal(lock.readBegin(), last + 2);
  });

  it('tears without the protocol: the control of the test above', async () => {
    using shared = new Shared();
    const { words } = shared;
    const writer = shared.start('carelessWriter');
    let torn = 0;
    await until('a read is torn', () => {
      for (let n = 0; n < 1000; n++) if (isTorn(words)) torn++;
      return torn > 0;
    });
    Atomics.store(words, STOP, 1);
    await ended(writer);
  });

  it('[shm-transport 52] Semaphore(3) never exceeds 3 among processes', async () => {
    using shared = new Shared();
    const { words } = shared;
    const peers = Array.from({ length: PROCESSES }, () => shared.start('semaphore', 250 * SCALE));
    await Promise.all(peers.map(ended));
    assert.equal(words[COUNTER], PROCESSES * 250 * SCALE);
    assert.ok(words[MOST]! >= 1 && words[MOST]! <= 3, `${words[MOST]} inside`);
    assert.equal(new Semaphore(words, AT, { ...blocking(), permits: 3 }).count(), 3);
  });

  it('[shm-transport 53] Semaphore: blocked acquires wake on release, FIFO; time-out; over-release refused', async () => {
    using shared = new Shared();
    const { words } = shared;
    const semaphore = new Semaphore(words, AT, { ...blocking(), permits: 1 });
    assert.throws(() => semaphore.release(), code('OVER_RELEASE'));
    semaphore.acquire();
    await assert.rejects(semaphore.acquireAsync({ timeoutMs: 20 }), code('LOCK_TIMEOUT'));
    const ends: Promise<void>[] = [];
    for (let turn = 1; turn <= 3; turn++) {
      const nextTicket = words[AT + 5]!;
      ends.push(ended(shared.start('acquireInTurn', turn)));
      await until(`process ${turn} stands in line`, () => Atomics.load(words, AT + 5) !== nextTicket);
    }
    const last = semaphore.acquireAsync();
    assert.equal(words[COUNTER], 0);
    semaphore.release();
    await Promise.all([...ends, last]);
    assert.deepEqual([...words.subarray(RECORD, RECORD + 4)], [1, 2, 3, 0]);
    semaphore.release();
    assert.throws(() => semaphore.release(), code('OVER_RELEASE'));
  });

  it('[shm-transport 54] AtomicFlag: set, cleared, swapped and compared across processes', async () => {
    using shared = new Shared();
    const { words } = shared;
    const [ours, theirs] = [new AtomicFlag(words, AT), new AtomicFlag(words, AT + 16)];
    const rounds = 50 * SCALE;
    const end = ended(shared.start('flag', rounds));
    for (let n = 0; n < rounds; n++) {
      assert.equal(ours.swap(true), false);
      await until('the answer comes', () => theirs.get());
      assert.equal(ours.get(), false);
      assert.equal(ours.compareAndSwap(true, false), false);
      theirs.clear();
    }
    await end;
    assert.equal(theirs.get(), false);
  });

  it('[shm-transport 55] SpinLock: killed with SIGKILL inside, its lock is inherited, and the heir is told', async () => {
    using shared = new Shared();
    const lock = new SpinLock(shared.words, AT, blocking());
    const child = await shared.inside('dieInSpinLock');
    assert.equal(lock.tryLock(), false);
    assert.equal(lock.tryRecover(), false, 'a living owner keeps it');
    assert.equal(lock.owner?.pid, child.pid);
    await assert.rejects(lock.lockAsync({ timeoutMs: 50 }), code('LOCK_TIMEOUT'));
    const waiting = lock.lockAsync();
    await killed(child);
    assert.equal(await waiting, 'owner-died');
    lock.unlock();
    assert.equal(lock.tryLock(), true);
  });

  it('[shm-transport 55] SpinLock: a process asleep for it wakes when the owner is killed', async () => {
    using shared = new Shared();
    const { words } = shared;
    const owner = await shared.inside('dieInSpinLock');
    const heir = shared.start('spinLock', 1);
    const end = ended(heir);
    await until('the heir is parked', () => Atomics.load(words, AT + 2) === 1);
    await killed(owner);
    await end;
    assert.equal(words[COUNTER], 1);
  });

  it('[shm-transport 55] SpinLock: killed at random, its section is repaired each time', async () => {
    using shared = new Shared();
    const { words } = shared;
    const lock = new SpinLock(words, AT, blocking());
    let inherited = 0;
    for (let round = 0; round < 6 * SCALE; round++) {
      const child = await shared.inside('repairingSpinLock');
      await delay(Math.random() * 5);
      await killed(child);
      if ((await lock.lockAsync()) === 'owner-died') {
        inherited++;
        assert.ok(words[COUNTER]! - words[COUNTER + 1]! <= 1);
        words[COUNTER + 1] = words[COUNTER]!;
      }
      assert.equal(words[COUNTER], words[COUNTER + 1]);
      lock.unlock();
    }
    assert.ok(words[COUNTER]! > 0, `${inherited} inherited`);
  });

  it('[shm-transport 55] SeqLock: killed in its write, readers are warned and the next writer mends', async () => {
    using shared = new Shared();
    const { words } = shared;
    const lock = new SeqLock(words, AT, blocking());
    await killed(await shared.inside('dieInWrite'));
    await assert.rejects(
      lock.readAsync(() => isTorn(words)),
      code('LOCK_OWNER_DIED'),
    );
    assert.equal(await lock.writeBeginAsync(), 'owner-died');
    assert.equal(isTorn(words), true);
    fill(words, 8);
    lock.writeEnd();
    assert.equal(
      lock.read(() => isTorn(words)),
      false,
    );
  });

  it('[shm-transport 55] ShardedMutex: a reader that was killed does not keep the writer out', async () => {
    using shared = new Shared();
    const mutex = new ShardedMutex(shared.words, AT, { ...blocking(), shards: 16 });
    const child = await shared.inside('dieReading');
    assert.equal(mutex.tryLock('counter'), false);
    assert.equal(mutex.tryLockShared('counter'), true);
    mutex.unlockShared('counter');
    await killed(child);
    assert.equal(await mutex.lockAsync('counter'), 'acquired');
  });

  it('[shm-transport 55] Semaphore: permits of the killed come back, and the killed who waited are passed over', async () => {
    using shared = new Shared();
    const { words } = shared;
    const holder = await shared.inside('dieWithPermits', 1);
    const semaphore = new Semaphore(words, AT, { ...blocking(), permits: 1 });
    const nextTicket = words[AT + 5]!;
    const waiting = await shared.inside('dieWaiting');
    await until('it stands in line', () => Atomics.load(words, AT + 5) !== nextTicket);
    const ours = semaphore.acquireAsync();
    await killed(waiting);
    await killed(holder);
    await ours;
    assert.equal(semaphore.count(), 0);
    semaphore.release();
    assert.equal(semaphore.count(), 1);
  });

  it('sums exactly what several processes add to one counter', async () => {
    using shared = new Shared();
    const table = CounterTable.create(shared.words, AT, { capacity: 8, writers: 3 }, blocking().liveness);
    const counter = table.allocate({ label: 'shared', shared: true });
    counter.increment();
    await Promise.all([1, 2].map(() => ended(shared.start('counters', 10_000))));
    assert.equal(table.read(counter.id)?.value, 20_001);
  });
});
