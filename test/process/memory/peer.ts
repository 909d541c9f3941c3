import { writeSync } from 'node:fs';
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
import {
  AtomicFlag,
  CounterTable,
  ownerLiveness,
  Semaphore,
  SeqLock,
  ShardedMutex,
  SpinLock,
} from 'tendon/memory';
import { futexWaiter, Mapping, processLiveness } from 'tendon/os';

/**
 * The other process: maps the memfd it got as descriptor 3 and does one job, in a worker, where it may block. Says
 * "inside" on its standard output when it is where the parent wants to kill it.
 */
export const FD = 3;
export const COUNTER = 0;
export const INSIDE = 1;
export const MOST = 2;
export const STOP = 3;
export const READY = 4;
export const AT = 16;
export const RECORD = 12_288;
export const RECORD_WORDS = 64;
export const WORDS = 16_384;

export interface Job {
  readonly name: string;
  readonly rounds: number;
}

export function mapWords(): Int32Array {
  return new Int32Array(Mapping.map(FD, { bytes: WORDS * 4, writable: true }).buffer);
}
export function blocking() {
  return { liveness: ownerLiveness(processLiveness, threadId), waiter: futexWaiter, timeoutMs: 60_000 };
}
/** Not atomic on purpose: only exclusion makes it exact. */
export function increment(words: Int32Array): void {
  const seen = words[COUNTER]!;
  for (let n = seen & 7; n > 0; n--) words[INSIDE] = n;
  words[COUNTER] = seen + 1;
}
export function fill(words: Int32Array, value: number, count = RECORD_WORDS): void {
  for (let n = 0; n < count; n++) words[RECORD + n] = value;
}
export function isTorn(words: Int32Array): boolean {
  const first = words[RECORD]!;
  for (let n = 1; n < RECORD_WORDS; n++) if (words[RECORD + n] !== first) return true;
  return false;
}
function stayInside(words: Int32Array): never {
  writeSync(1, 'inside\n');
  for (;;) futexWaiter.wait(words, STOP, 0, 1000);
}

const jobs: Record<string, (words: Int32Array, rounds: number) => void> = {
  spinLock(words, rounds) {
    const lock = new SpinLock(words, AT, blocking());
    for (let n = 0; n < rounds; n++) lock.run(() => increment(words));
  },
  /** increments for ever; a death inside is repaired by whoever comes next */
  repairingSpinLock(words) {
    const lock = new SpinLock(words, AT, blocking());
    writeSync(1, 'inside\n');
    for (;;) {
      lock.run(() => {
        words[COUNTER] = words[COUNTER]! + 1;
        words[COUNTER + 1] = words[COUNTER + 1]! + 1;
      });
    }
  },
  dieInSpinLock(words) {
    new SpinLock(words, AT, blocking()).lock();
    stayInside(words);
  },
  shardedMutex(words, rounds) {
    const mutex = new ShardedMutex(words, AT, { ...blocking(), shards: 16 });
    for (let n = 0; n < rounds; n++) {
      mutex.lock('counter');
      increment(words);
      mutex.unlock('counter');
    }
  },
  dieReading(words) {
    new ShardedMutex(words, AT, { ...blocking(), shards: 16 }).lockShared('counter');
    stayInside(words);
  },
  semaphore(words, rounds) {
    const semaphore = new Semaphore(words, AT, { ...blocking(), permits: 3 });
    for (let n = 0; n < rounds; n++) {
      semaphore.acquire();
      const inside = Atomics.add(words, INSIDE, 1) + 1;
      if (inside > Atomics.load(words, MOST)) Atomics.store(words, MOST, inside);
      if (n % 8 === 0) futexWaiter.wait(words, STOP, 0, 0.1);
      Atomics.sub(words, INSIDE, 1);
      Atomics.add(words, COUNTER, 1);
      semaphore.release();
    }
  },
  acquireInTurn(words, turn) {
    const semaphore = new Semaphore(words, AT, { ...blocking(), permits: 1 });
    semaphore.acquire();
    words[RECORD + Atomics.add(words, COUNTER, 1)] = turn;
    semaphore.release();
  },
  dieWithPermits(words, permits) {
    const semaphore = new Semaphore(words, AT, { ...blocking(), permits });
    for (let n = 0; n < permits; n++) semaphore.acquire();
    stayInside(words);
  },
  dieWaiting(words) {
    writeSync(1, 'inside\n');
    new Semaphore(words, AT, { ...blocking(), permits: 1 }).acquire();
    throw new Error('acquired after all');
  },
  seqLockWriter(words) {
    const lock = new SeqLock(words, AT, blocking());
    for (let n = 1; Atomics.load(words, STOP) === 0; n++) lock.write(() => fill(words, n));
  },
  carelessWriter(words) {
    for (let n = 1; Atomics.load(words, STOP) === 0; n++) fill(words, n);
  },
  dieInWrite(words) {
    new SeqLock(words, AT, blocking()).writeBegin();
    fill(words, 7, RECORD_WORDS / 2);
    stayInside(words);
  },
  /** answers the parent's flag with its own, `rounds` times */
  flag(words, rounds) {
    const [theirs, ours] = [new AtomicFlag(words, AT), new AtomicFlag(words, AT + 16)];
    for (let n = 0; n < rounds; n++) {
      while (!theirs.compareAndSwap(true, false)) futexWaiter.wait(words, STOP, 0, 0.05);
      if (ours.swap(true)) throw new Error('the parent had not taken the last answer');
    }
  },
  counters(words, rounds) {
    using counter = CounterTable.attach(words, AT, blocking().liveness).join(0 as never);
    for (let n = 0; n < rounds; n++) counter.increment();
  },
};

const job = (isMainThread ? process.argv[2] : workerData) as string | undefined;
if (job?.startsWith('{')) {
  if (isMainThread) {
    new Worker(new URL(import.meta.url), { workerData: job });
  } else {
    const { name, rounds } = JSON.parse(job) as Job; // the parent wrote it
    const words = mapWords();
    Atomics.add(words, READY, 1);
    jobs[name]!(words, rounds);
  }
}
