import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { TendonError } from '../core/index.ts';
import { AtomicFlag } from './atomic-flag.ts';
import { type OwnerLiveness, threadLiveness } from './owner.ts';
import { ReadWriteLock } from './read-write-lock.ts';
import { Semaphore } from './semaphore.ts';
import { SeqLock } from './seq-lock.ts';
import { ShardedMutex } from './sharded-mutex.ts';
import { SpinLock } from './spin-lock.ts';
import { ATOMICS_WAITER } from './word-waiter.ts';

const waiter = ATOMICS_WAITER;
const code = (expected: string) => (error: unknown) => TendonError.is(error) && error.code === expected;
const memory = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(words * 4));

/** Thread `threadId` of a process in which the threads of `dead` are dead. */
function party(threadId: number, dead: ReadonlySet<number> = new Set()) {
  const liveness: OwnerLiveness = threadLiveness(threadId, (id) => !dead.has(id));
  return { liveness, waiter };
}

describe('SpinLock', () => {
  it('[shm-transport 49] SpinLock: TryLock true, false, Unlock, true', () => {
    const words = memory(SpinLock.WORDS);
    const [one, two] = [new SpinLock(words, 0, party(1)), new SpinLock(words, 0, party(2))];
    assert.equal(one.tryLock(), true);
    assert.equal(one.tryLock(), false);
    assert.equal(two.tryLock(), false);
    assert.deepEqual(two.owner, { pid: 1, startTime: 0, threadId: 1 });
    one.unlock();
    assert.equal(two.tryLock(), true);
  });

  it('refuses to unlock what another thread holds, or nobody', () => {
    const words = memory(SpinLock.WORDS);
    const [one, two] = [new SpinLock(words, 0, party(1)), new SpinLock(words, 0, party(2))];
    assert.throws(() => one.unlock(), code('LOCK_NOT_OWNED'));
    one.lock();
    assert.throws(() => two.unlock(), code('LOCK_NOT_OWNED'));
    assert.equal(one.isLocked, true);
  });

  it('gives up after its time-out and leaves the lock to its owner', async () => {
    const words = memory(SpinLock.WORDS);
    const [one, two] = [new SpinLock(words, 0, party(1)), new SpinLock(words, 0, party(2))];
    one.lock();
    const startMs = performance.now();
    assert.throws(() => two.lock(20), code('LOCK_TIMEOUT'));
    assert.ok(performance.now() - startMs >= 19);
    await assert.rejects(two.lockAsync({ timeoutMs: 5 }), code('LOCK_TIMEOUT'));
    assert.equal(one.isMine, true);
  });

  it('[shm-transport 55] is inherited from an owner that died, and says so', async () => {
    const dead = new Set<number>();
    const words = memory(SpinLock.WORDS);
    const [one, two] = [new SpinLock(words, 0, party(1, dead)), new SpinLock(words, 0, party(2, dead))];
    one.lock();
    assert.equal(two.tryRecover(), false);
    dead.add(1);
    assert.equal(two.tryLock(), false);
    assert.equal(two.lock(1000), 'owner-died');
    two.unlock();
    assert.equal(two.lock(), 'acquired');
    dead.add(2);
    const three = new SpinLock(words, 0, party(3, dead));
    assert.equal(await three.lockAsync(), 'owner-died');
  });

  it('recovers from an owner word that no living thread can have written', () => {
    const words = memory(SpinLock.WORDS);
    words[1] = 77; // a start time without a pid
    const everybodyLives = { self: { pid: 3, startTime: 0, threadId: 0 }, isAlive: () => true };
    const lock = new SpinLock(words, 0, { liveness: everybodyLives, waiter });
    assert.equal(lock.lock(1000), 'owner-died');
    lock.unlock();
    assert.equal(lock.tryLock(), true);
  });

  it('tells two processes of one pid apart by their start', () => {
    const words = memory(SpinLock.WORDS);
    const identity = (startTime: number) => ({
      liveness: {
        self: { pid: 9, startTime, threadId: 0 },
        isAlive: (o: { startTime: number }) => o.startTime === 2,
      },
      waiter,
    });
    const [before, after] = [new SpinLock(words, 0, identity(1)), new SpinLock(words, 0, identity(2))];
    before.lock();
    assert.throws(() => after.unlock(), code('LOCK_NOT_OWNED'));
    assert.equal(after.lock(1000), 'owner-died');
  });

  it('keeps start times of 32 bits and thread ids of 10 bits', () => {
    const words = memory(SpinLock.WORDS);
    const self = { pid: 2 ** 22 - 1, startTime: 2 ** 32 + 0xfffffff0, threadId: 1023 };
    const lock = new SpinLock(words, 0, { liveness: { self, isAlive: () => true }, waiter });
    lock.lock();
    assert.deepEqual(lock.owner, { pid: 2 ** 22 - 1, startTime: 0xfffffff0, threadId: 1023 });
    assert.equal(lock.isMine, true);
    lock.unlock();
  });

  it('wakes one sleeper on release, and the next when that one releases', () => {
    const words = memory(SpinLock.WORDS);
    const one = new SpinLock(words, 0, party(1));
    let woken = 0;
    const two = new SpinLock(words, 0, {
      ...party(2),
      waiter: {
        wait(over, index, expected) {
          assert.equal(over[index], expected);
          one.unlock(); // what happens while it sleeps
          assert.notEqual(over[index], expected, 'who is about to sleep now does not');
          return 'woken';
        },
        wake: (_over, _index, count) => {
          assert.equal(count, 1);
          return ++woken;
        },
      },
    });
    one.lock();
    assert.equal(two.lock(), 'acquired');
    two.unlock(); // others may have slept beside it
    assert.equal(woken, 1);
    two.lock();
    two.unlock(); // nobody waited since
    assert.equal(woken, 1);
  });

  it('refuses memory that is too short, off alignment, or options it does not know', () => {
    assert.throws(() => new SpinLock(memory(3), 0, party(1)), code('OPTION_INVALID'));
    assert.throws(() => new SpinLock(memory(8), 1, party(1)), code('OPTION_INVALID'));
    const misspelt = { ...party(1), spin: 3 };
    assert.throws(() => new SpinLock(memory(8), 0, misspelt), code('OPTION_INVALID'));
  });

  it('waits by AbortSignal without blocking, and leaves no listener behind', async () => {
    const words = new Int32Array(new ArrayBuffer(SpinLock.BYTES));
    const [one, two] = [new SpinLock(words, 0, party(1)), new SpinLock(words, 0, party(2))];
    one.lock();
    const controller = new AbortController();
    const waiting = two.lockAsync({ signal: controller.signal });
    controller.abort('enough');
    await assert.rejects(waiting, (error: Error) => code('ABORTED')(error) && error.cause === 'enough');
    await assert.rejects(two.lockAsync({ signal: controller.signal }), code('ABORTED'));
    const later = two.lockAsync();
    setTimeout(() => one.unlock(), 5);
    assert.equal(await later, 'acquired');
  });

  it('says which waiter fits when it may not sleep on plain memory', () => {
    const words = new Int32Array(SpinLock.WORDS);
    new SpinLock(words, 0, party(1)).lock();
    assert.throws(() => new SpinLock(words, 0, party(2)).lock(10), code('CAPABILITY_MISSING'));
  });
});

describe('SeqLock', () => {
  it('[shm-transport 50] SeqLock: equal sequences without writes; larger after a write; a second write works', () => {
    const words = memory(SeqLock.WORDS + 1);
    const lock = new SeqLock(words, 0, party(1));
    const first = lock.readBegin();
    assert.equal(lock.readBegin(), first);
    assert.equal(lock.readRetry(first), false);
    for (let write = 1; write <= 2; write++) {
      lock.write(() => {
        assert.equal(lock.readRetry(lock.readBegin()), true);
        words[SeqLock.WORDS] = write;
      });
      assert.equal(lock.readBegin(), first + 2 * write);
      assert.equal(lock.readRetry(first), true);
      assert.equal(
        lock.read(() => words[SeqLock.WORDS]),
        write,
      );
    }
  });

  it('counts on when the low half of its sequence wraps', () => {
    const words = memory(SeqLock.WORDS);
    words[0] = -2;
    words[1] = 7;
    const lock = new SeqLock(words, 0, party(1));
    const before = lock.readBegin();
    assert.equal(before, 7 * 2 ** 32 + 0xfffffffe);
    lock.write(() => {});
    assert.equal(lock.readBegin(), 8 * 2 ** 32);
    assert.equal(lock.readRetry(before), true);
  });

  it('keeps writers apart', () => {
    const words = memory(SeqLock.WORDS);
    const [one, two] = [new SeqLock(words, 0, party(1)), new SeqLock(words, 0, party(2))];
    one.writeBegin();
    assert.throws(() => two.writeBegin(5), code('LOCK_TIMEOUT'));
    assert.throws(() => two.writeEnd(), code('LOCK_NOT_OWNED'));
    one.writeEnd();
    assert.throws(() => one.writeEnd(), code('LOCK_NOT_OWNED'));
    assert.equal(two.writeBegin(5), 'acquired');
  });

  it('ends a read in the way of a living writer by its time-out', async () => {
    const words = memory(SeqLock.WORDS);
    const lock = new SeqLock(words, 0, party(1));
    lock.writeBegin();
    const reader = new SeqLock(words, 0, party(2));
    assert.throws(() => reader.read(() => 1, 10), code('LOCK_TIMEOUT'));
    assert.equal(
      reader.tryRead(() => 1),
      undefined,
    );
    const read = reader.readAsync(() => 'read');
    setTimeout(() => lock.writeEnd(), 5);
    assert.equal(await read, 'read');
  });

  it('[shm-transport 55] tells readers and the next writer that a writer died in its write', async () => {
    const dead = new Set<number>();
    const words = memory(SeqLock.WORDS);
    const [one, two] = [new SeqLock(words, 0, party(1, dead)), new SeqLock(words, 0, party(2, dead))];
    one.writeBegin();
    dead.add(1);
    assert.throws(() => two.read(() => 1, 1000), code('LOCK_OWNER_DIED'));
    await assert.rejects(
      two.readAsync(() => 1),
      code('LOCK_OWNER_DIED'),
    );
    assert.equal(
      two.write((acquired) => acquired, 1000),
      'owner-died',
    );
    assert.equal(
      two.read(() => 'whole'),
      'whole',
    );
    assert.equal(two.writeBegin(), 'acquired');
  });

  it('is whole when a writer died after the end of its write', () => {
    const dead = new Set<number>();
    const words = memory(SeqLock.WORDS);
    const lock = new SeqLock(words, 0, party(1, dead));
    lock.writeBegin();
    words[0]! += 1; // the end of the write was published; the writers' lock was not yet released
    dead.add(1);
    const next = new SeqLock(words, 0, party(2, dead));
    assert.equal(
      next.read(() => 'whole'),
      'whole',
    );
    assert.equal(next.writeBegin(1000), 'acquired');
  });
});

describe('ShardedMutex', () => {
  const shardedMemory = (shards: number) => memory(ShardedMutex.wordsNeeded(shards));

  it('[shm-transport 51] ShardedMutex: 5 shards become 8; 0 becomes 1', () => {
    assert.equal(new ShardedMutex(shardedMemory(5), 0, { ...party(1), shards: 5 }).shards, 8);
    assert.equal(new ShardedMutex(shardedMemory(0), 0, { ...party(1), shards: 0 }).shards, 1);
    assert.equal(ShardedMutex.wordsNeeded(5), ShardedMutex.wordsNeeded(8));
  });

  it('[shm-transport 51] ShardedMutex(16): different shards lock independently', () => {
    const words = shardedMemory(16);
    const [one, two] = [1, 2].map((id) => new ShardedMutex(words, 0, { ...party(id), shards: 16 })) as [
      ShardedMutex,
      ShardedMutex,
    ];
    const keyOf = new Map<number, number>();
    for (let key = 0; keyOf.size < 16; key++) keyOf.set(one.shardOf(key), key);
    for (const key of keyOf.values()) one.lock(key);
    for (const [shard, key] of keyOf) {
      assert.equal(two.shardOf(key), shard);
      assert.equal(two.tryLock(key), false);
      one.unlock(key);
      assert.equal(two.tryLock(key), true);
      two.unlock(key);
    }
  });

  it('[shm-transport 51] ShardedMutex: read locks are shared, and exclude the writer', () => {
    const words = shardedMemory(4);
    const [one, two] = [1, 2].map((id) => new ShardedMutex(words, 0, { ...party(id), shards: 4 })) as [
      ShardedMutex,
      ShardedMutex,
    ];
    one.lockShared('key');
    assert.equal(two.tryLockShared('key'), true);
    assert.equal(two.tryLock('key'), false);
    assert.throws(() => two.lock('key', 5), code('LOCK_TIMEOUT'));
    two.unlockShared('key');
    one.unlockShared('key');
    assert.throws(() => one.unlockShared('key'), code('LOCK_NOT_OWNED'));
    assert.equal(two.lock('key', 5), 'acquired');
    assert.equal(one.tryLockShared('key'), false);
    assert.throws(() => one.lockShared('key', 5), code('LOCK_TIMEOUT'));
  });

  it('spreads aligned, consecutive, large and textual keys over all shards', () => {
    const mutex = new ShardedMutex(shardedMemory(16), 0, { ...party(1), shards: 16 });
    const keys: Record<string, (n: number) => number | string> = {
      consecutive: (n) => n,
      aligned: (n) => n * 4096,
      'high half only': (n) => n * 2 ** 32,
      negative: (n) => -n * 64,
      text: (n) => `key-${n}`,
    };
    for (const [name, key] of Object.entries(keys)) {
      const hits = new Array<number>(16).fill(0);
      for (let n = 0; n < 1600; n++) hits[mutex.shardOf(key(n))]! += 1;
      for (const count of hits) assert.ok(count > 50 && count < 200, `${name}: ${hits}`);
    }
    assert.throws(() => mutex.shardOf(0.5), code('OPTION_INVALID'));
  });

  it('[shm-transport 55] puts out dead readers, inherits from dead writers, and warns readers of them', async () => {
    const dead = new Set<number>();
    const words = memory(ReadWriteLock.wordsNeeded());
    const [one, two, three] = [1, 2, 3].map((id) => new ReadWriteLock(words, 0, party(id, dead))) as [
      ReadWriteLock,
      ReadWriteLock,
      ReadWriteLock,
    ];
    one.lockShared();
    one.lockShared();
    dead.add(1);
    assert.equal(two.tryLock(), false);
    assert.equal(two.lock(1000), 'acquired');
    dead.add(2);
    assert.throws(() => three.lockShared(1000), code('LOCK_OWNER_DIED'));
    await assert.rejects(three.lockSharedAsync(), code('LOCK_OWNER_DIED'));
    assert.equal(await three.lockAsync(), 'owner-died');
    three.unlock();
    three.lockShared();
  });

  it('steps back as a reader when a writer came in the middle of entering', () => {
    const words = memory(ReadWriteLock.wordsNeeded());
    const [reader, writer] = [new ReadWriteLock(words, 0, party(1)), new ReadWriteLock(words, 0, party(2))];
    const compareExchange = mock.method(Atomics, 'compareExchange');
    const interrupted = (cells: BigInt64Array, at: number, was: bigint, to: bigint): bigint => {
      assert.equal(writer.tryLock(), true); // after the reader looked for one, before it enters its name
      return Atomics.compareExchange(cells, at, was, to);
    };
    // locks only ever call it with 64-bit cells
    compareExchange.mock.mockImplementationOnce(interrupted as typeof Atomics.compareExchange, 0);
    assert.equal(reader.tryLockShared(), false);
    compareExchange.mock.restore();
    writer.unlock();
    assert.equal(writer.tryLock(), true, 'the reader left no name behind');
    writer.unlock();
    assert.equal(reader.tryLockShared(), true);
  });

  it('holds back more readers than it has places for', () => {
    const words = memory(ReadWriteLock.wordsNeeded(2));
    const lock = new ReadWriteLock(words, 0, { ...party(1), readers: 2 });
    lock.lockShared();
    lock.lockShared();
    assert.equal(lock.tryLockShared(), false);
    lock.unlockShared();
    assert.equal(lock.tryLockShared(), true);
  });
});

describe('Semaphore', () => {
  const semaphore = (permits: number, threadId = 1, words?: Int32Array, dead?: Set<number>) =>
    new Semaphore(words ?? memory(Semaphore.wordsNeeded(permits)), 0, { ...party(threadId, dead), permits });

  it('[shm-transport 52] Semaphore(5): five acquires, TryAcquire false, Release, TryAcquire true', () => {
    const five = semaphore(5);
    for (let permit = 5; permit > 0; permit--) {
      assert.equal(five.count(), permit);
      five.acquire();
    }
    assert.equal(five.tryAcquire(), false);
    assert.equal(five.count(), 0);
    five.release();
    assert.equal(five.count(), 1);
    assert.equal(five.tryAcquire(), true);
  });

  it('[shm-transport 52] Semaphore(3) never exceeds 3 among ten tasks', async () => {
    const three = semaphore(3);
    let inside = 0;
    let most = 0;
    const task = async (): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        await three.acquireAsync();
        most = Math.max(most, ++inside);
        assert.ok(inside <= 3, `${inside} inside`);
        await new Promise(setImmediate);
        inside--;
        three.release();
      }
    };
    await Promise.all(Array.from({ length: 10 }, task));
    assert.equal(most, 3);
    assert.equal(three.count(), 3);
  });

  it('[shm-transport 53] Semaphore: over-release is refused', () => {
    const words = memory(Semaphore.wordsNeeded(2));
    const two = semaphore(2, 1, words);
    assert.throws(() => two.release(), code('OVER_RELEASE'));
    two.acquire();
    two.release();
    assert.throws(() => two.release(), code('OVER_RELEASE'));
    assert.equal(two.count(), 2);
    two.acquire();
    const liveness = { self: { pid: 5, startTime: 5, threadId: 1 }, isAlive: () => true };
    const stranger = new Semaphore(words, 0, { liveness, waiter, permits: 2 });
    assert.throws(() => stranger.release(), code('LOCK_NOT_OWNED'));
  });

  it('lets any thread of a process release its permits', () => {
    const words = memory(Semaphore.wordsNeeded(1));
    const [one, two] = [semaphore(1, 1, words), semaphore(1, 2, words)];
    one.acquire();
    two.release();
    assert.equal(one.count(), 1);
  });

  it('[shm-transport 53] Semaphore: FIFO among those who wait', async () => {
    const one = semaphore(1);
    one.acquire();
    const order: number[] = [];
    const waiting = [0, 1, 2, 3, 4].map((n) =>
      one.acquireAsync().then(() => {
        order.push(n);
        one.release();
      }),
    );
    assert.equal(one.tryAcquire(), false);
    one.release();
    assert.equal(one.tryAcquire(), false, 'those who wait come first');
    await Promise.all(waiting);
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
  });

  it('keeps the order when its tickets wrap', async () => {
    const words = memory(Semaphore.wordsNeeded(1));
    words[5] = 2 ** 29 - 2; // word 5 is the next ticket: signs and wraps are near
    for (const start of [2 ** 29 - 2, 2 ** 30 - 2, 2 ** 31 - 2, -2]) {
      words[5] = start;
      const one = semaphore(1, 1, words);
      one.acquire();
      const order: number[] = [];
      const waiting = [0, 1, 2, 3].map((n) =>
        one.acquireAsync().then(() => {
          order.push(n);
          one.release();
        }),
      );
      one.release();
      await Promise.all(waiting);
      assert.deepEqual(order, [0, 1, 2, 3]);
    }
  });

  it('[shm-transport 53] Semaphore: the time-out works, and who gave up is passed over', async () => {
    const one = semaphore(1);
    one.acquire();
    assert.throws(() => one.acquire(10), code('LOCK_TIMEOUT'));
    const controller = new AbortController();
    const aborted = one.acquireAsync({ signal: controller.signal });
    const late = one.acquireAsync({ timeoutMs: 5 });
    const patient = one.acquireAsync();
    controller.abort();
    await assert.rejects(aborted, code('ABORTED'));
    await assert.rejects(late, code('LOCK_TIMEOUT'));
    one.release();
    await patient;
    assert.equal(one.count(), 0);
    one.release();
    assert.equal(one.count(), 1);
  });

  it('gives back the permit that came in the moment of the abort', async () => {
    const one = semaphore(1);
    one.acquire();
    const controller = new AbortController();
    const waiting = one.acquireAsync({ signal: controller.signal });
    one.release(); // granted now; the waiter looks in a microtask
    controller.abort();
    await assert.rejects(waiting, code('ABORTED'));
    assert.equal(one.count(), 1);
  });

  it('releases no permit that a waiter was granted and has not seen yet', async () => {
    const two = semaphore(2);
    two.acquire();
    two.acquire();
    const waiting = [two.acquireAsync(), two.acquireAsync()];
    two.release();
    two.release();
    assert.throws(() => two.release(), code('LOCK_NOT_OWNED'));
    await Promise.all(waiting);
    two.release();
    two.release();
    assert.equal(two.count(), 2);
  });

  it('hands on a permit that is released while another hands out permits', async () => {
    const words = memory(Semaphore.wordsNeeded(2));
    const [one, two] = [semaphore(2, 1, words), semaphore(2, 2, words)];
    let released = true;
    const handsOut = new Semaphore(words, 0, {
      ...party(3),
      permits: 2,
      waiter: {
        wait: waiter.wait,
        wake(over, index, count) {
          if (!released) {
            released = true;
            one.release(); // the guard is held: it is not to be had here
          }
          return waiter.wake(over, index, count);
        },
      },
    });
    one.acquire();
    handsOut.acquire();
    released = false;
    const waiting = [two.acquireAsync(), two.acquireAsync()];
    assert.equal(two.count(), 0);
    handsOut.release();
    assert.equal(released, true);
    assert.equal(two.count(), 0, 'both permits went to those who wait, at once');
    await Promise.all(waiting);
  });

  it('has a bound on those who wait', async () => {
    const words = memory(Semaphore.wordsNeeded(1, 2));
    const one = new Semaphore(words, 0, { ...party(1), permits: 1, maxWaiting: 2 });
    one.acquire();
    const waiting = [one.acquireAsync(), one.acquireAsync()];
    await assert.rejects(one.acquireAsync(), code('QUEUE_FULL'));
    one.release();
    await waiting[0];
    one.release();
    await waiting[1];
  });

  it('[shm-transport 55] gets back the permits of the dead, and passes over the dead who wait', async () => {
    const dead = new Set<number>();
    const words = memory(Semaphore.wordsNeeded(2));
    const [one, two, three] = [1, 2, 3].map((id) => semaphore(2, id, words, dead)) as [
      Semaphore,
      Semaphore,
      Semaphore,
    ];
    one.acquire();
    one.acquire();
    const forgotten = two.acquireAsync({ timeoutMs: 1000 }).catch(() => {});
    const patient = three.acquireAsync();
    dead.add(2);
    dead.add(1);
    await patient;
    three.acquire();
    assert.equal(three.count(), 0);
    await forgotten;
  });

  it('recovers when a process died while it handed out permits', () => {
    const dead = new Set([7]);
    const words = memory(Semaphore.wordsNeeded(1));
    new SpinLock(words, 0, party(7, dead)).lock(); // words 0 to 3 are the guard
    const one = semaphore(1, 1, words, dead);
    one.acquire();
    assert.equal(one.count(), 0);
    one.release();
    new SpinLock(words, 0, party(7, dead)).lock();
    assert.equal(semaphore(1, 2, words, dead).tryAcquire(), true);
  });
});

describe('AtomicFlag', () => {
  it('[shm-transport 54] AtomicFlag: Set, Clear, Get, Swap returns old, compare-and-swap both ways', () => {
    const flag = new AtomicFlag(memory(1), 0);
    assert.equal(flag.get(), false);
    flag.set();
    assert.equal(flag.get(), true);
    flag.clear();
    assert.equal(flag.get(), false);
    assert.equal(flag.swap(true), false);
    assert.equal(flag.swap(true), true);
    assert.equal(flag.swap(false), true);
    assert.equal(flag.compareAndSwap(true, false), false);
    assert.equal(flag.compareAndSwap(false, true), true);
    assert.equal(flag.compareAndSwap(false, true), false);
    assert.equal(flag.compareAndSwap(true, false), true);
    assert.equal(flag.get(), false);
  });

  it('takes every foreign value but 0 for set', () => {
    const words = memory(1);
    words[0] = -9;
    const flag = new AtomicFlag(words, 0);
    assert.equal(flag.get(), true);
    assert.equal(flag.compareAndSwap(true, false), true);
    assert.equal(words[0], 0);
  });
});
