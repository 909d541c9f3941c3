import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameParser, PREFIX_BYTES } from './frame-parser.ts';

describe('FrameParser', () => {
  it('gives back the frames of a stream however it is cut into chunks', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(frames, cuts, (sent, sizes) => {
        const stream = Buffer.concat(sent.map(framed));
        const received: Uint8Array[] = [];
        const parser = new FrameParser(8, (bytes, offset, length) => {
          received.push(Uint8Array.from(bytes.subarray(offset, offset + length)));
        });
        for (let at = 0, cut = 0; at < stream.length; cut += 1) {
          const size = sizes[cut % sizes.length]!;
          parser.push(stream.subarray(at, at + size));
          at += size;
        }
        assert.deepEqual(received, sent);
      }),
    );
  });
});

function framed(bytes: Uint8Array): Buffer {
  const frame = Buffer.alloc(PREFIX_BYTES + bytes.length);
  frame.writeInt32LE(bytes.length, 0);
  frame.set(bytes, PREFIX_BYTES);
  return frame;
}
