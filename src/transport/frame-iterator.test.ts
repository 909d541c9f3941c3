import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import type { FrameHandler } from './contract.ts';
import { FrameIterator, type FrameSource, resolveReceiveOptions } from './frame-iterator.ts';

/** Frames that the test puts there. */
class Source implements FrameSource {
  frames: Uint8Array[] = [];
  ended = false;
  endReason: TendonError | undefined = undefined;
  waits = 0;
  freed = 0;
  /** what polling the last frame does besides: a connection may end in it */
  onDrained: () => void = () => {};
  poll(handler: FrameHandler, limit: number): number {
    let count = 0;
    while (count < limit && this.frames.length > 0) {
      const frame = this.frames.shift()!;
      count++;
      handler(frame, 0, frame.length);
      if (this.frames.length === 0) this.onDrained();
    }
    return count;
  }
  wait(): void {
    this.waits++;
  }
  done(): void {
    this.freed++;
  }
}

const LOST = new TendonError('CONNECTION_LOST', 'gone', { endpoint: 'x', unknownBytes: 0 });

function iterate(source: Source, options: { maxBatch?: number; signal?: AbortSignal } = {}): FrameIterator {
  return new FrameIterator(resolveReceiveOptions(options), source);
}

function numbers(result: IteratorResult<readonly Uint8Array[], undefined>): number[] | 'done' {
  return result.done ? 'done' : result.value.map((frame) => frame[0]!);
}

describe('FrameIterator', () => {
  it('gives copies, of Buffers too', async () => {
    const source = new Source();
    const original = Buffer.from([1, 2]);
    source.frames = [original];
    const { value } = await iterate(source).next();
    original.fill(9);
    assert.deepEqual([...value![0]!], [1, 2]);
  });

  it('takes no more than maxBatch at once, and only when asked', async () => {
    const source = new Source();
    source.frames = Array.from({ length: 20 }, (_, index) => new Uint8Array([index]));
    const iterator = iterate(source, { maxBatch: 12 });
    assert.equal(source.frames.length, 20);
    assert.equal(numbers(await iterator.next()).length, 12);
    assert.equal(source.frames.length, 8);
    assert.deepEqual(numbers(await iterator.next()), [12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('closes a batch that has become large', async () => {
    const source = new Source();
    source.frames = Array.from({ length: 40 }, () => new Uint8Array(200_000));
    const { value } = await iterate(source).next();
    assert.ok(value!.length < 20, `${value!.length} frames of 200 kB in one batch`);
  });

  it('waits until it is served, and one call at a time', async () => {
    const source = new Source();
    const iterator = iterate(source);
    const next = iterator.next();
    assert.ok(iterator.waiting);
    assert.equal(source.waits, 1);
    await assert.rejects(iterator.next(), /earlier next/);
    assert.equal(iterator.serve(), 0);
    source.frames = [new Uint8Array([7])];
    assert.equal(iterator.serve(), 1);
    assert.deepEqual(numbers(await next), [7]);
    assert.equal(iterator.serve(), 0);
  });

  it('lets the event loop turn after some batches in a row', async () => {
    const source = new Source();
    const iterator = iterate(source, { maxBatch: 1 });
    source.frames = Array.from({ length: 100 }, (_, index) => new Uint8Array([index]));
    let direct = 0;
    for (; direct < 100; direct++) {
      const next = iterator.next();
      if (!iterator.waiting) {
        await next;
        continue;
      }
      iterator.serve();
      await next;
      break;
    }
    assert.ok(direct > 0 && direct < 99, `${direct} batches without a turn`);
  });

  it('ends after what is left, orderly or with the reason, and stays ended', async () => {
    for (const reason of [undefined, LOST]) {
      const source = new Source();
      source.frames = [new Uint8Array([1])];
      source.ended = true;
      source.endReason = reason;
      const iterator = iterate(source);
      assert.deepEqual(numbers(await iterator.next()), [1]);
      if (reason === undefined) assert.equal(numbers(await iterator.next()), 'done');
      else await assert.rejects(iterator.next(), (error) => error === LOST);
      assert.equal(numbers(await iterator.next()), 'done');
      assert.equal(source.freed, 1);
    }
  });

  it('reports the reason also when polling the last frames is what ends it', async () => {
    const source = new Source();
    const iterator = iterate(source);
    const waiting = iterator.next();
    source.frames = [new Uint8Array([1]), new Uint8Array([2])];
    source.onDrained = () => {
      source.ended = true;
      source.endReason = LOST;
      iterator.serve(); // as a connection does that is closed by its last poll
    };
    iterator.serve();
    const seen = [...(numbers(await waiting) as number[])];
    const rest = await iterator.next().catch((error: unknown) => error);
    assert.deepEqual(seen, [1, 2]);
    assert.equal(rest, LOST);
  });

  it('frees the receiving side once, by return, also under a waiting call', async () => {
    const source = new Source();
    const iterator = iterate(source);
    const waiting = iterator.next();
    assert.equal(numbers(await iterator.return()), 'done');
    assert.equal(numbers(await waiting), 'done');
    await iterator.return();
    assert.equal(source.freed, 1);
  });

  it('rejects with ABORTED while it waits or when it is asked next', async () => {
    const source = new Source();
    const controller = new AbortController();
    const iterator = iterate(source, { signal: controller.signal });
    const waiting = iterator.next();
    controller.abort();
    await assert.rejects(waiting, { code: 'ABORTED' });
    assert.equal(source.freed, 1);

    const later = new AbortController();
    const idle = new Source();
    idle.frames = [new Uint8Array([1])];
    const second = iterate(idle, { signal: later.signal });
    later.abort();
    await assert.rejects(second.next(), { code: 'ABORTED' });
    assert.equal(idle.frames.length, 1, 'nothing was taken');
    assert.equal(idle.freed, 1);
  });
});
