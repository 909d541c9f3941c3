import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { SendQueue } from './send-queue.ts';

const outcome = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'sent',
    (error: TendonError) => error.code,
  );

describe('SendQueue', () => {
  it('completes in the order of the calls, far beyond its compaction', async () => {
    const queue = new SendQueue(5000, Infinity);
    const order: number[] = [];
    const sends = Array.from({ length: 3000 }, (_, index) =>
      queue.add(new Uint8Array([index & 0xff]), 0, undefined).then(() => order.push(index)),
    );
    for (let index = 0; index < 3000; index++) {
      assert.equal(queue.head?.bytes[0], index & 0xff);
      queue.complete();
    }
    await Promise.all(sends);
    assert.deepEqual(order, [...new Array(3000).keys()]);
    assert.equal(queue.waiting, 0);
    assert.equal(queue.head, undefined);
    queue.complete();
    assert.equal(queue.waiting, 0);
  });

  it('refuses more than its limit and frees a place when one leaves', async () => {
    const queue = new SendQueue(2, Infinity);
    const kept = [
      outcome(queue.add(new Uint8Array(1), 0, undefined)),
      outcome(queue.add(new Uint8Array(1), 0, undefined)),
    ];
    assert.equal(await outcome(queue.add(new Uint8Array(1), 0, undefined)), 'QUEUE_FULL');
    queue.complete();
    kept.push(outcome(queue.add(new Uint8Array(1), 0, undefined)));
    queue.complete();
    queue.complete();
    assert.deepEqual(await Promise.all(kept), ['sent', 'sent', 'sent']);
  });

  it('refuses more bytes than its limit, whatever leaves gives its room back, and an empty one takes any frame', async () => {
    const queue = new SendQueue(100, 10);
    const controller = new AbortController();
    const large = outcome(queue.add(new Uint8Array(50), 0, undefined));
    assert.equal(await outcome(queue.add(new Uint8Array(1), 0, undefined)), 'QUEUE_FULL');
    queue.complete();
    assert.equal(await large, 'sent');
    const kept = [outcome(queue.add(new Uint8Array(6), 0, undefined))];
    const aborted = outcome(queue.add(new Uint8Array(4), 0, controller.signal));
    await assert.rejects(queue.add(new Uint8Array(1), 0, undefined), (error: TendonError) => {
      assert.match(error.message, /10 bytes wait already.*raise maxQueuedBytes/);
      assert.deepEqual(error.details, { queue: 'send bytes', limit: 10 });
      return error.code === 'QUEUE_FULL';
    });
    controller.abort();
    assert.equal(await aborted, 'ABORTED');
    kept.push(outcome(queue.add(new Uint8Array(4), 0, undefined)));
    queue.complete();
    queue.complete();
    assert.deepEqual(await Promise.all(kept), ['sent', 'sent']);
    const failed = outcome(queue.add(new Uint8Array(10), 0, undefined));
    queue.failAll(new TendonError('CONNECTION_LOST', 'gone', { endpoint: 'x', unknownBytes: 0 }));
    assert.equal(await failed, 'CONNECTION_LOST');
    const last = outcome(queue.add(new Uint8Array(5), 0, undefined));
    const beside = outcome(queue.add(new Uint8Array(5), 0, undefined));
    queue.complete();
    queue.complete();
    assert.deepEqual([await last, await beside], ['sent', 'sent']);
  });

  it('takes one out of the middle when it is aborted, and leaves its signal alone afterwards', async () => {
    const queue = new SendQueue(10, Infinity);
    const controller = new AbortController();
    const first = outcome(queue.add(new Uint8Array([1]), 0, undefined));
    const aborted = outcome(queue.add(new Uint8Array([2]), 0, controller.signal));
    const last = outcome(queue.add(new Uint8Array([3]), 0, controller.signal));
    queue.complete();
    assert.equal(queue.head?.bytes[0], 2);
    controller.abort();
    assert.deepEqual([await aborted, await last], ['ABORTED', 'ABORTED']);
    assert.equal(queue.waiting, 0);
    assert.equal(await first, 'sent');
    assert.equal(await outcome(queue.add(new Uint8Array(1), 0, controller.signal)), 'ABORTED');
    assert.equal(queue.waiting, 0);
  });

  it('keeps the rest of a frame that is half-way, from a copy, also when it is a Buffer', async () => {
    const queue = new SendQueue(10, Infinity);
    const controller = new AbortController();
    const bytes = Buffer.from([1, 2, 3, 4]);
    const aborted = outcome(queue.add(bytes, 0, controller.signal));
    queue.head!.written = 2;
    controller.abort();
    assert.equal(await aborted, 'ABORTED');
    bytes.fill(0xff);
    assert.equal(queue.waiting, 1);
    assert.deepEqual([...queue.head!.bytes], [1, 2, 3, 4]);
    queue.complete();
    assert.equal(queue.waiting, 0);
  });

  it('fails everybody at once, and tells who waits for it to be idle', async () => {
    const queue = new SendQueue(10, Infinity);
    await queue.idle();
    const sends = [
      outcome(queue.add(new Uint8Array(1), 0, undefined)),
      outcome(queue.add(new Uint8Array(1), 0, undefined)),
    ];
    const idle = queue.idle();
    queue.failAll(new TendonError('CONNECTION_LOST', 'gone', { endpoint: 'x', unknownBytes: 0 }));
    assert.deepEqual(await Promise.all(sends), ['CONNECTION_LOST', 'CONNECTION_LOST']);
    await idle;
    assert.equal(queue.waiting, 0);
  });
});
