import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { threadLiveness } from './owner.ts';
import { RegionPool } from './region-pool.ts';
import { Semaphore } from './semaphore.ts';
import { SeqLock } from './seq-lock.ts';
import { ShardedMutex } from './sharded-mutex.ts';
import { SpinLock } from './spin-lock.ts';
import { ATOMICS_WAITER } from './word-waiter.ts';

// Real threads over one SharedArrayBuffer. This file is the test and, in its workers, the threads.

const SCALE = process.env['TENDON_TORTURE'] === '1' ? 50 : 1;
const THREADS = 4;
/** words 0..7 are the tests' own, the primitive starts here */
const AT = 16;
const COUNTER = 0;
const INSIDE = 1;
const MOST = 2;
const STOP = 3;
const DEAD = 4;
const RECORD = 8192;
const RECORD_WORDS = 64;
const WORDS = RECORD + RECORD_WORDS;

interface Job {
  readonly name: keyof typeof jobs;
  readonly words: Int32Array;
  readonly threadId: number;
  readonly rounds: number;
}

function blocking(job: Pick<Job, 'words' | 'threadId'>) {
  const isThreadAlive = (id: number): boolean => (Atomics.load(job.words, DEAD) & (1 << id)) === 0;
  return { liveness: threadLiveness(job.threadId, isThreadAlive), waiter: ATOMICS_WAITER, timeoutMs: 60_000 };
}
/** Not atomic on purpose: only exclusion makes it exact. */
function increment(words: Int32Array): void {
  const seen = words[COUNTER]!;
  for (let n = seen & 7; n > 0; n--) words[INSIDE] = n;
  words[COUNTER] = seen + 1;
}
function fill(words: Int32Array, value: number): void {
  for (let n = 0; n < RECORD_WORDS; n++) words[RECORD + n] = value;
}
function isTorn(words: Int32Array): boolean {
  const first = words[RECORD]!;
  for (let n = 1; n < RECORD_WORDS; n++) if (words[RECORD + n] !== first) return true;
  return false;
}

const jobs = {
  spinLock(job: Job): void {
    const lock = new SpinLock(job.words, AT, blocking(job));
    for (let n = 0; n < job.rounds; n++) lock.run(() => increment(job.words));
  },
  shardedMutex(job: Job): void {
    const mutex = new ShardedMutex(job.words, AT, { ...blocking(job), shards: 16 });
    const { words } = job;
    for (let n = 0; n < job.rounds; n++) {
      mutex.lock('counter');
      fill(words, words[RECORD]! + 1);
      increment(words);
      mutex.unlock('counter');
      for (let read = 0; read < 3; read++) {
        mutex.lockShared('counter');
        assert.equal(isTorn(words), false);
        mutex.unlockShared('counter');
      }
    }
  },
  semaphore(job: Job): void {
    const semaphore = new Semaphore(job.words, AT, { ...blocking(job), permits: 3 });
    for (let n = 0; n < job.rounds; n++) {
      semaphore.acquire();
      const inside = Atomics.add(job.words, INSIDE, 1) + 1;
      if (inside > Atomics.load(job.words, MOST)) Atomics.store(job.words, MOST, inside);
      if (n % 8 === 0) Atomics.wait(job.words, STOP, 0, 0.1);
      Atomics.sub(job.words, INSIDE, 1);
      Atomics.add(job.words, COUNTER, 1);
      semaphore.release();
    }
  },
  regionPool(job: Job): void {
    const pool = RegionPool.attach(job.words, AT, blocking(job).liveness);
    for (let n = 0; n < job.rounds; n++) {
      using loan = pool.tryAcquire(64);
      if (loan === undefined) continue;
      loan.bytes.fill(job.threadId);
      for (let turn = 0; turn < 4; turn++) assert.ok(loan.bytes.every((byte) => byte === job.threadId));
      Atomics.add(job.words, COUNTER, 1);
    }
  },
  acquireOnce(job: Job): void {
    const semaphore = new Semaphore(job.words, AT, { ...blocking(job), permits: 1 });
    semaphore.acquire();
    parentPort?.postMessage(job.threadId);
    semaphore.release();
  },
  seqLockWriter(job: Job): void {
    const lock = new SeqLock(job.words, AT, blocking(job));
    for (let n = 1; Atomics.load(job.words, STOP) === 0; n++) lock.write(() => fill(job.words, n));
  },
  carelessWriter(job: Job): void {
    for (let n = 1; Atomics.load(job.words, STOP) === 0; n++) fill(job.words, n);
  },
  dieInLock(job: Job): void {
    new SpinLock(job.words, AT, blocking(job)).lock();
    parentPort?.postMessage('inside');
    Atomics.wait(job.words, STOP, 0);
  },
  dieInWrite(job: Job): void {
    new SeqLock(job.words, AT, blocking(job)).writeBegin();
    fill(job.words.subarray(0, RECORD + RECORD_WORDS / 2), 7);
    parentPort?.postMessage('inside');
    Atomics.wait(job.words, STOP, 0);
  },
};

if (!isMainThread) {
  const job = workerData as Job;
  jobs[job.name](job);
} else {
  const memory = (): Int32Array => new Int32Array(new SharedArrayBuffer(WORDS * 4));
  const start = (name: Job['name'], words: Int32Array, threadId: number, rounds = 0): Worker =>
    new Worker(new URL(import.meta.url), { workerData: { name, words, threadId, rounds } satisfies Job });
  const all = async (name: Job['name'], words: Int32Array, rounds: number): Promise<void> => {
    const ends = Array.from({ length: THREADS }, (_, n) => once(start(name, words, n + 1, rounds), 'exit'));
    for (const [exitCode] of await Promise.all(ends)) assert.equal(exitCode, 0);
  };

  describe('threads', () => {
    it('[shm-transport 49] SpinLock: 100 × 100 increments are exact', async () => {
      const words = memory();
      await all('spinLock', words, (100 * 100 * SCALE) / THREADS);
      assert.equal(words[COUNTER], 100 * 100 * SCALE);
    });

    it('[shm-transport 51] ShardedMutex(16): 100 × 100 increments are exact', async () => {
      const words = memory();
      await all('shardedMutex', words, (100 * 100 * SCALE) / THREADS);
      assert.equal(words[COUNTER], 100 * 100 * SCALE);
    });

    it('lends no block of a region to two threads', async () => {
      const words = memory();
      const classes = [{ blockBytes: 64, blocks: 3 }];
      const pool = RegionPool.create(words, AT, { classes }, blocking({ words, threadId: 9 }).liveness);
      await all('regionPool', words, 5000 * SCALE);
      assert.ok(words[COUNTER]! > 0);
      assert.equal(pool.lent, 0);
    });

    it('[shm-transport 52] Semaphore(3) never exceeds 3 among threads that sleep for it', async () => {
      const words = memory();
      await all('semaphore', words, 250 * SCALE);
      assert.equal(words[COUNTER], THREADS * 250 * SCALE);
      assert.ok(words[MOST]! >= 1 && words[MOST]! <= 3, `${words[MOST]} inside`);
      assert.equal(new Semaphore(words, AT, { ...blocking({ words, threadId: 9 }), permits: 3 }).count(), 3);
    });

    it('[shm-transport 53] Semaphore: blocked acquires wake on release, in the order they came', async () => {
      const words = memory();
      const semaphore = new Semaphore(words, AT, { ...blocking({ words, threadId: 9 }), permits: 1 });
      semaphore.acquire();
      const order: number[] = [];
      const ends: Promise<unknown>[] = [];
      for (let threadId = 1; threadId <= 3; threadId++) {
        const nextTicket = words[AT + 5]!; // the line grows by one
        const worker = start('acquireOnce', words, threadId);
        worker.on('message', (id: number) => order.push(id));
        ends.push(once(worker, 'exit'));
        while (Atomics.load(words, AT + 5) === nextTicket) await new Promise(setImmediate);
      }
      assert.deepEqual(order, []);
      semaphore.release();
      await Promise.all(ends);
      assert.deepEqual(order, [1, 2, 3]);
    });

    it('[shm-transport 50] SeqLock: a reader never sees torn data under a busy writer', async () => {
      const words = memory();
      const lock = new SeqLock(words, AT, blocking({ words, threadId: 9 }));
      const writer = start('seqLockWriter', words, 1);
      while (Atomics.load(words, RECORD) === 0) await new Promise(setImmediate);
      const first = lock.readBegin();
      let torn = 0;
      for (let n = 0; n < 100_000 * SCALE; n++) if (lock.read(() => isTorn(words))) torn++;
      const writes = lock.read(() => words[RECORD]!);
      Atomics.store(words, STOP, 1);
      await once(writer, 'exit');
      assert.equal(torn, 0);
      assert.ok(writes > 1 && lock.readBegin() !== first, 'the writer was busy');
    });

    it('tears without the protocol: the control of the test above', async () => {
      const words = memory();
      const writer = start('carelessWriter', words, 1);
      let torn = 0;
      for (const startMs = performance.now(); torn === 0 && performance.now() - startMs < 30_000; ) {
        for (let n = 0; n < 1000; n++) if (isTorn(words)) torn++;
        await new Promise(setImmediate);
      }
      Atomics.store(words, STOP, 1);
      await once(writer, 'exit');
      assert.ok(torn > 0);
    });

    it('[shm-transport 55] inherits the lock of a thread that was terminated in its section', async () => {
      const words = memory();
      const worker = start('dieInLock', words, 1);
      await once(worker, 'message');
      const lock = new SpinLock(words, AT, blocking({ words, threadId: 9 }));
      assert.equal(lock.tryLock(), false);
      await worker.terminate();
      assert.equal(lock.tryRecover(), false, 'nobody said yet that the thread is dead');
      Atomics.or(words, DEAD, 1 << 1);
      assert.equal(lock.lock(), 'owner-died');
      lock.unlock();
    });

    it('[shm-transport 55] warns readers of a writer that was terminated in its write', async () => {
      const words = memory();
      const worker = start('dieInWrite', words, 1);
      await once(worker, 'message');
      await worker.terminate();
      Atomics.or(words, DEAD, 1 << 1);
      const lock = new SeqLock(words, AT, blocking({ words, threadId: 9 }));
      assert.throws(() => lock.read(() => isTorn(words)), /half-written/);
      lock.write((acquired) => {
        assert.equal(acquired, 'owner-died');
        assert.equal(isTorn(words), true);
        fill(words, 8);
      });
      assert.equal(
        lock.read(() => isTorn(words)),
        false,
      );
    });
  });
}
