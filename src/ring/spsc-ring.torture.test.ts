import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { SpscRing } from './spsc-ring.ts';

/**
 * A producer in a worker, the consumer here. Every byte of every record follows from its number, lengths are random,
 * both sides sleep at random moments, so that every record is checked for being whole and in its place.
 */
const CAPACITY = 4096 * 4;
const TIMES = Number(process.env['TENDON_TORTURE'] ?? '1');

interface Job {
  readonly memory: SharedArrayBuffer;
  /** word 0 rings the consumer, word 1 the producer */
  readonly bells: SharedArrayBuffer;
  readonly count: number;
  readonly mode: 'copied' | 'claimed' | 'corked' | 'published-first';
  readonly pauses: boolean;
}

/** xorshift32: both sides draw the same lengths. */
function nextRandom(state: number): number {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  return x ^ (x << 5);
}
const lengthOf = (random: number) => ((random & 15) === 0 ? (random >>> 8) & 2047 : (random >>> 8) & 127);

function bell(bells: Int32Array, word: number) {
  return {
    notify(): void {
      Atomics.add(bells, word, 1);
      Atomics.notify(bells, word);
    },
    /** false when nothing rang for long: a lost wake-up */
    sleep(park: () => boolean, unpark: () => void): boolean {
      const seen = Atomics.load(bells, word);
      const rang = !park() || Atomics.wait(bells, word, seen, 10_000) !== 'timed-out';
      unpark();
      return rang;
    },
  };
}

function produce(job: Job): void {
  const bells = new Int32Array(job.bells);
  const producer = SpscRing.attach({ memory: job.memory, capacityBytes: CAPACITY }).producer(bell(bells, 0));
  const room = bell(bells, 1);
  const { bytes } = producer;
  const sources = Array.from({ length: 2048 }, (_, length) => new Uint8Array(length));
  let random = 0x1234567;
  if (job.mode === 'corked') producer.cork();
  for (let i = 0; i < job.count; i++) {
    random = nextRandom(random);
    const length = lengthOf(random);
    if (job.pauses && (random & 0x7f) === 0) {
      producer.publish();
      for (let k = 0; k < (random & 0xffff); k++) Atomics.load(bells, 0);
    }
    const kind = 1 + (i % 255);
    const fill = (target: Uint8Array, at: number) => {
      for (let k = 0; k < length; k++) target[at + k] = i + k;
    };
    for (;;) {
      let at: number;
      if (job.mode === 'copied') {
        const source = sources[length]!;
        fill(source, 0);
        at = producer.offer(source, 0, length, kind);
      } else {
        at = producer.tryClaim(length, kind);
        if (at >= 0) {
          if (job.mode === 'published-first') producer.commit();
          fill(bytes, at);
          if (job.mode !== 'published-first') producer.commit();
        }
      }
      if (at >= 0) break;
      if (
        !room.sleep(
          () => producer.park(length),
          () => producer.unpark(),
        )
      )
        throw new Error('the producer overslept');
    }
  }
  producer.uncork();
}

interface Tally {
  readonly received: number;
  readonly torn: number;
  readonly misplaced: number;
  readonly overslept: number;
}

async function torture(job: Omit<Job, 'memory' | 'bells'>, initialPosition: number): Promise<Tally> {
  const memory = new SharedArrayBuffer(SpscRing.bytesNeeded(CAPACITY));
  const bells = new Int32Array(new SharedArrayBuffer(8));
  const ring = SpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition });
  const consumer = ring.consumer(bell(bells, 1));
  const data = bell(bells, 0);
  const workerJob: Job = { ...job, memory, bells: bells.buffer as SharedArrayBuffer };
  const worker = new Worker(new URL(import.meta.url), { workerData: workerJob });
  const exit = new Promise<number>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
  let received = 0;
  let torn = 0;
  let misplaced = 0;
  let overslept = 0;
  let random = 0x1234567;
  const handler = (bytes: Uint8Array, offset: number, length: number, kind: number): void => {
    random = nextRandom(random);
    if (length !== lengthOf(random) || kind !== 1 + (received % 255)) misplaced++;
    for (let k = 0; k < length; k++) {
      if (bytes[offset + k] !== ((received + k) & 255)) {
        torn++;
        break;
      }
    }
    received++;
  };
  while (received < job.count && overslept === 0) {
    for (let turn = 0; turn < 200 && received < job.count; turn++) {
      if (consumer.poll(handler, job.pauses ? (random & 31) + 1 : 1000) > 0) continue;
      if (
        !data.sleep(
          () => consumer.park(),
          () => consumer.unpark(),
        )
      )
        overslept++;
    }
    await new Promise(setImmediate); // the worker's errors arrive by the event loop
  }
  assert.equal(await exit, 0);
  assert.equal(consumer.poll(handler), 0, 'records that nobody sent');
  return { received, torn, misplaced, overslept };
}

if (isMainThread) {
  describe('SpscRing, between two threads', () => {
    for (const mode of ['copied', 'claimed', 'corked'] as const) {
      it(`[RING-5] loses, repeats, tears and reorders nothing and oversleeps nowhere (${mode})`, async () => {
        const count = 150_000 * TIMES;
        assert.deepEqual(await torture({ count, mode, pauses: false }, 2 ** 31 - 8192), {
          received: count,
          torn: 0,
          misplaced: 0,
          overslept: 0,
        });
      });
    }

    it('loses no wake-up when both sides pause at random', async () => {
      const count = 40_000 * TIMES;
      assert.deepEqual(await torture({ count, mode: 'copied', pauses: true }, -8192), {
        received: count,
        torn: 0,
        misplaced: 0,
        overslept: 0,
      });
    });

    it('is a test that can fail: records published before they are written arrive torn', async () => {
      const { torn } = await torture({ count: 100_000, mode: 'published-first', pauses: false }, 0);
      assert.ok(torn > 0);
    });
  });
} else {
  produce(workerData as Job);
}
