import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';

const collect = (globalThis as { gc?: () => void }).gc;

/** Takes everything at once. */
const sink = {
  writableLength: 0,
  destroyed: false,
  errored: null,
  write: () => true,
  cork: () => {},
  uncork: () => {},
};

function heapGrowth(work: () => void): number {
  collect?.();
  const before = process.memoryUsage().heapUsed;
  work();
  return process.memoryUsage().heapUsed - before;
}

describe('frames over a stream', () => {
  it('cost no allocation each, sent by claim or offer and polled', () => {
    assert.ok(collect !== undefined, 'run with --expose-gc');
    const frame = new Uint8Array(64);
    const chunk = new Uint8Array(68 * 900);
    for (let at = 0; at < chunk.length; at += 68) chunk[at] = 64;
    const writer = new FrameWriter(sink);
    const reader = new FrameReader(1000);
    let bytes = 0;
    const handler = (_bytes: Uint8Array, _offset: number, length: number): void => {
      bytes += length;
    };
    // A chunk and a batch cost something; a frame in them must not: 900 of them to one.
    const batches = (count: number) => (): void => {
      writer.cork();
      for (let batch = 0; batch < count; batch++) {
        for (let index = 0; index < 450; index++) {
          const offset = writer.tryClaim(64);
          writer.buffer[offset] = index;
          writer.commit();
          writer.write(frame, 0, 64);
        }
        writer.flush();
        reader.push(chunk);
        reader.poll(handler, 1000);
      }
    };
    batches(200)();
    const [few, many] = [heapGrowth(batches(50)), heapGrowth(batches(800))];
    const perFrame = (many - few) / (750 * 900);
    assert.ok(perFrame < 1, `${perFrame.toFixed(2)} bytes of heap a frame (${few} and ${many} in all)`);
    assert.ok(bytes > 0);
  });
});
