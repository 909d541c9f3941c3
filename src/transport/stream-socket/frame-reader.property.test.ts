import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';

/** A sink that keeps what it is given, and takes it only when told to. */
class Pipe {
  readonly chunks: Uint8Array[] = [];
  writableLength = 0;
  readonly destroyed = false;
  readonly errored = null;
  taking = true;
  write(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    if (!this.taking) this.writableLength += bytes.length;
    else this.chunks.push(new Uint8Array(this.chunks.pop()!)); // the buffer is the writer's again
  }
  cork(): void {}
  uncork(): void {}
  drain(): void {
    for (const [index, chunk] of this.chunks.entries()) this.chunks[index] = new Uint8Array(chunk);
    this.writableLength = 0;
  }
  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.chunks));
  }
}

describe('frames through writer and reader', () => {
  it('come out as they went in, however the stream is cut', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('offer' as const), length: fc.integer({ min: 0, max: 9000 }) }),
      fc.record({ kind: fc.constant('claim' as const), length: fc.integer({ min: 0, max: 9000 }) }),
      fc.record({ kind: fc.constant('abort' as const), length: fc.integer({ min: 0, max: 9000 }) }),
      fc.record({ kind: fc.constant('held' as const), length: fc.integer({ min: 0, max: 80_000 }) }),
      fc.record({
        kind: fc.constantFrom(
          'cork' as const,
          'uncork' as const,
          'stall' as const,
          'drain' as const,
          'flush' as const,
        ),
        length: fc.constant(0),
      }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }),
        (steps, cuts) => {
          const pipe = new Pipe();
          const writer = new FrameWriter(pipe);
          const sent: Uint8Array[] = [];
          const drain = (): void => {
            pipe.drain();
            writer.drained();
          };
          for (const { kind, length } of steps) {
            const frame = new Uint8Array(length).fill(sent.length + 1);
            if (kind === 'offer') {
              if (writer.write(frame, 0, length) === 0) sent.push(frame);
            } else if (kind === 'held') {
              let written = writer.writeHeld(frame);
              while (written !== length) {
                drain();
                written = writer.writeHeld(frame);
              }
              sent.push(frame);
            } else if (kind === 'claim' || kind === 'abort') {
              const offset = writer.tryClaim(length);
              if (offset < 0) continue;
              writer.flush(); // the end of a turn in the middle of a claim
              writer.buffer.set(frame, offset);
              if (kind === 'abort') writer.abort();
              else {
                writer.commit();
                sent.push(frame);
              }
            } else if (kind === 'cork') writer.cork();
            else if (kind === 'uncork') writer.uncork();
            else if (kind === 'flush') writer.flush();
            else if (kind === 'stall') pipe.taking = false;
            else {
              pipe.taking = true;
              drain();
            }
          }
          drain();
          writer.goodbye();
          drain();
          const reader = new FrameReader(100_000);
          const received: Uint8Array[] = [];
          const stream = pipe.bytes();
          for (let at = 0, cut = 0; at < stream.length; cut++) {
            const next = at + cuts[cut % cuts.length]!;
            reader.push(stream.slice(at, next));
            reader.poll((bytes, offset, length) => received.push(bytes.slice(offset, offset + length)), 7);
            at = next;
          }
          while (reader.unread)
            reader.poll((bytes, offset, length) => received.push(bytes.slice(offset, offset + length)), 7);
          assert.equal(reader.violation, undefined);
          assert.ok(reader.goodbye);
          assert.equal(received.length, sent.length);
          for (const [index, frame] of sent.entries()) assert.ok(Buffer.from(frame).equals(received[index]!));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('survive no garbage, and break on none', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (chunks) => {
        const reader = new FrameReader(64);
        let frames = 0;
        for (const chunk of chunks) {
          reader.push(chunk);
          reader.endsWithGoodbye();
          reader.poll((bytes, offset, length) => {
            frames++;
            assert.ok(length <= 64 && offset + length <= bytes.length);
          }, 100);
        }
        assert.equal(frames, reader.frames);
        if (reader.violation !== undefined) assert.equal(reader.unread, false);
      }),
      { numRuns: 500 },
    );
  });
});
