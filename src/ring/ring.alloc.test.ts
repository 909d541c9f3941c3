import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BroadcastRing } from './broadcast-ring.ts';
import { MpscRing } from './mpsc-ring.ts';
import { SpscRing } from './spsc-ring.ts';

const CHUNKS = 64;
const OPERATIONS = 300;

/** What 64 chunks of operations add to the heap; a chunk in which a collection ran is left out. */
function heapGrowth(operate: () => void, operations: number): number {
  let growth = 0;
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < operations; i++) operate();
    growth += Math.max(0, process.memoryUsage().heapUsed - before);
  }
  return growth;
}

/** 16 times the operations must not cost more heap: an object of 16 bytes for each would show as 4.6 MB. */
function allocatesNothing(operate: () => void): void {
  for (let i = 0; i < 4; i++) heapGrowth(operate, 16 * OPERATIONS); // warm up
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const few = heapGrowth(operate, OPERATIONS);
    least = Math.min(least, heapGrowth(operate, 16 * OPERATIONS) - few);
  }
  assert.ok(least < 1_000_000, `${least} bytes more for ${CHUNKS * 15 * OPERATIONS} more operations`);
}

describe('SpscRing, in steady state', () => {
  const memory = new ArrayBuffer(SpscRing.bytesNeeded(65_536));
  const ring = SpscRing.format({ memory, capacityBytes: 65_536 });
  const producer = ring.producer();
  const consumer = ring.consumer();
  let bytesSeen = 0;
  const handler = (_: Uint8Array, __: number, length: number) => {
    bytesSeen = (bytesSeen + length) | 0;
  };

  it('allocates nothing to claim, commit and poll', () => {
    allocatesNothing(() => {
      producer.tryClaim(64);
      producer.commit();
      producer.tryClaim(64, 2);
      producer.commit(32);
      consumer.poll(handler);
    });
  });

  it('allocates nothing to offer whole arrays, and parts of up to 96 bytes', () => {
    const small = new Uint8Array(12);
    const large = new Uint8Array(1024);
    allocatesNothing(() => {
      producer.offer(small);
      producer.offer(large);
      producer.offer(large, 3, 96);
      consumer.poll(handler, 100);
    });
  });

  it('allocates nothing to cork, peek, release and park', () => {
    allocatesNothing(() => {
      producer.cork();
      producer.tryClaim(64);
      producer.commit();
      producer.uncork();
      consumer.peek();
      bytesSeen = (bytesSeen + consumer.recordLength) | 0;
      consumer.release();
      consumer.park();
      consumer.unpark();
    });
    assert.notEqual(bytesSeen, 0);
  });
});

describe('MpscRing and BroadcastRing, in steady state', () => {
  const capacityBytes = 65_536;
  let bytesSeen = 0;
  const handler = (_: Uint8Array, __: number, length: number) => {
    bytesSeen = (bytesSeen + length) | 0;
  };
  const source = new Uint8Array(100);

  it('allocates nothing to claim, commit, abort, offer and poll with many producers', () => {
    const ring = MpscRing.format({
      memory: new ArrayBuffer(MpscRing.bytesNeeded(capacityBytes)),
      capacityBytes,
    });
    const producer = ring.producer({ ownerId: 1 });
    const consumer = ring.consumer();
    allocatesNothing(() => {
      producer.tryClaim(64);
      producer.commit(32);
      producer.tryClaim(64);
      producer.abort();
      producer.offer(source);
      consumer.poll(handler);
    });
  });

  for (const policy of ['wait', 'drop', 'disconnect'] as const) {
    it(`allocates nothing for a record of a broadcast (${policy})`, () => {
      const memory = new ArrayBuffer(BroadcastRing.bytesNeeded(capacityBytes));
      const ring = BroadcastRing.format({ memory, capacityBytes, policy });
      const writer = ring.writer();
      const cursor = new ArrayBuffer(BroadcastRing.cursorBytes);
      writer.addReader({ memory: cursor });
      const reader = ring.reader({ memory: cursor });
      const record = () => {
        writer.tryClaim(64);
        writer.commit();
        writer.offer(source);
      };
      let records = 0;
      // A poll that copies makes one view, whatever the number of records: once in 256 here, 0.4 bytes a record.
      allocatesNothing(() => {
        record();
        if ((++records & 127) === 0) reader.poll(handler);
      });
    });
  }

  it('is a test that can fail: an object for each record shows', () => {
    const kept: object[] = new Array(64).fill({});
    let i = 0;
    assert.throws(
      () =>
        allocatesNothing(() => {
          kept[i++ & 63] = { i };
        }),
      /bytes more/,
    );
  });
});
