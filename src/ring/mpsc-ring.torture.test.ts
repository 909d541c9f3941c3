import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { TendonError } from '../core/index.ts';
import { MpscRing } from './mpsc-ring.ts';

const CAPACITY = 16_384;
const TIMES = Number(process.env['TENDON_TORTURE'] ?? '1');

interface Job {
  readonly memory: SharedArrayBuffer;
  readonly writer: number;
  readonly count: number;
  /** The control: hands a record over before it is written. */
  readonly early: boolean;
}

const lengthOf = (writer: number, number: number) => 8 + ((writer * 131 + number * 37) % 300);

function write(job: Job): void {
  const producer = MpscRing.attach({ memory: job.memory, capacityBytes: CAPACITY }).producer({
    ownerId: job.writer,
  });
  for (let number = 0; number < job.count; ) {
    const length = lengthOf(job.writer, number);
    const at = producer.tryClaim(length);
    if (at < 0) continue;
    if (job.early && number % 7 !== 0) producer.commit();
    const view = new DataView(job.memory, producer.bytes.byteOffset + at, length);
    view.setInt32(0, job.writer, true);
    view.setInt32(4, number, true);
    for (let i = 8; i < length; i++) producer.bytes[at + i] = job.writer + number + i;
    if (number % 7 === 0) {
      producer.abort();
      while (producer.tryClaim(length) < 0);
      producer.abort();
    } else if (!job.early) {
      producer.commit();
    }
    number++;
  }
  producer.close();
}

async function torture(writers: number, count: number, early = false) {
  const memory = new SharedArrayBuffer(MpscRing.bytesNeeded(CAPACITY));
  const ring = MpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition: 2 ** 31 - 4096 });
  const consumer = ring.consumer();
  const workers: Worker[] = [];
  const exits = Array.from({ length: writers }, (_, index) => {
    const job: Job = { memory, writer: index + 1, count, early };
    const worker = new Worker(new URL(import.meta.url), { workerData: job });
    workers.push(worker);
    return new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => resolve());
    });
  });
  let running = true;
  const ended = Promise.all(exits).finally(() => {
    running = false;
  });
  const next = new Array<number>(writers + 1).fill(0);
  let received = 0;
  let wrong = 0;
  const handler = (bytes: Uint8Array, offset: number, length: number): void => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
    const writer = view.getInt32(0, true);
    let expected = next[writer] ?? -1;
    if (expected % 7 === 0) expected++; // that one was aborted
    const number = view.getInt32(4, true);
    if (number !== expected || length !== lengthOf(writer, number)) wrong++;
    for (let i = 8; i < length; i++) {
      if (bytes[offset + i] === ((writer + number + i) & 255)) continue;
      wrong++;
      break;
    }
    next[writer] = number + 1;
    received++;
  };
  while (running && !(early && wrong > 0)) {
    try {
      while (consumer.poll(handler) > 0);
    } catch (error) {
      if (!early || !TendonError.is(error, 'REGION_CORRUPT')) throw error;
      wrong++;
    }
    await new Promise(setImmediate);
  }
  // The control may have wrecked the ring for good: then its writers would wait for room for ever.
  if (wrong > 0) for (const worker of workers) await worker.terminate();
  await ended;
  if (wrong === 0) while (consumer.poll(handler) > 0);
  return { received, wrong, claimed: consumer.claimedBytes };
}

if (isMainThread) {
  describe('MpscRing, between threads', () => {
    it('[shm-transport 23] takes the records of ten concurrent writers, all intact, each in its order', async () => {
      const count = 700 * TIMES;
      assert.deepEqual(await torture(10, count), {
        received: 10 * (count - Math.ceil(count / 7)),
        wrong: 0,
        claimed: 0,
      });
    });

    it('is a test that can fail: records committed before they are written arrive wrong', async () => {
      assert.ok((await torture(2, 20_000, true)).wrong > 0);
    });
  });
} else {
  write(workerData as Job);
}
