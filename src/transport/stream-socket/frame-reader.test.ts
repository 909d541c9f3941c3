import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameReader } from './frame-reader.ts';
import { GOODBYE, HEARTBEAT } from './layout.ts';

function frame(...bytes: number[]): number[] {
  return [bytes.length & 0xff, bytes.length >>> 8, 0, 0, ...bytes];
}

function word(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function pollAll(reader: FrameReader, limit = 1000): number[][] {
  const frames: number[][] = [];
  reader.poll((bytes, offset, length) => frames.push([...bytes.subarray(offset, offset + length)]), limit);
  return frames;
}

describe('FrameReader', () => {
  it('[STREAM-8] hands over the frames of a chunk where they lie, the empty one too', () => {
    const reader = new FrameReader(100);
    const chunk = new Uint8Array([...frame(1, 2, 3), ...frame(), ...frame(9)]);
    reader.push(chunk);
    assert.equal(reader.unreadBytes, chunk.length);
    const places: number[][] = [];
    const count = reader.poll((bytes, offset, length) => {
      assert.equal(bytes, chunk);
      places.push([offset, length]);
    }, 10);
    assert.equal(count, 3);
    assert.deepEqual(places, [
      [4, 3],
      [11, 0],
      [15, 1],
    ]);
    assert.deepEqual([reader.frames, reader.bytes, reader.unreadBytes, reader.unread], [3, 4, 0, false]);
  });

  it('puts frames together that arrive byte by byte', () => {
    const reader = new FrameReader(100);
    const seen: number[][] = [];
    for (const byte of [...frame(1, 2, 3), ...frame(), ...frame(4, 5)]) {
      reader.push(new Uint8Array([byte]));
      seen.push(...pollAll(reader));
    }
    assert.deepEqual(seen, [[1, 2, 3], [], [4, 5]]);
  });

  it('counts what each chunk costs besides its bytes, until it is read', () => {
    const reader = new FrameReader(100);
    for (let index = 0; index < 5000; index++) reader.push(new Uint8Array([index % 5 === 0 ? 1 : 0]));
    assert.equal(reader.unreadBytes, 5000);
    assert.ok(reader.unreadCost > 1024 * 1024, `${reader.unreadCost} bytes for 5000 chunks`);
    pollAll(reader);
    assert.equal(reader.unreadCost, 0);
    reader.push(new Uint8Array(60_000));
    assert.ok(reader.unreadCost < 61_000);
  });

  it('stops at the limit and goes on from there', () => {
    const reader = new FrameReader(100);
    reader.push(new Uint8Array([...frame(1), ...frame(2), ...frame(3)]));
    assert.deepEqual(pollAll(reader, 2), [[1], [2]]);
    assert.ok(reader.unread);
    assert.deepEqual(pollAll(reader, 2), [[3]]);
  });

  it('has consumed the frame of a handler that throws', () => {
    const reader = new FrameReader(100);
    reader.push(new Uint8Array([...frame(1), ...frame(2)]));
    assert.throws(() => reader.poll(() => assert.fail('no'), 10));
    assert.equal(reader.frames, 1);
    assert.deepEqual(pollAll(reader), [[2]]);
  });

  it('[STREAM-9] ends with the goodbye, and sees it coming without reading on', () => {
    const bytes = [...frame(1, 2), ...word(GOODBYE)];
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new FrameReader(100);
      reader.push(new Uint8Array(bytes.slice(0, cut)));
      pollAll(reader, cut % 2);
      assert.equal(reader.endsWithGoodbye(), cut === bytes.length, `after ${cut} bytes`);
      reader.push(new Uint8Array(bytes.slice(cut)));
      assert.ok(reader.endsWithGoodbye());
      assert.equal(reader.goodbye, false);
      pollAll(reader);
      assert.ok(reader.goodbye);
      assert.equal(reader.violation, undefined);
    }
  });

  it('[STREAM-11] delivers what came before a breach and nothing after it', () => {
    for (const [breach, what] of [
      [word(101), 'frame of 101 bytes'],
      [word(0x7fff_fff1), 'reserved frame length 0x7ffffff1'],
      [word(0xffff_fffd), 'reserved frame length 0xfffffffd'],
      [[...word(GOODBYE), ...frame(3)], 'after its goodbye'],
      [[...word(GOODBYE), ...word(HEARTBEAT)], 'after its goodbye'],
    ] as const) {
      const reader = new FrameReader(100);
      reader.push(new Uint8Array([...frame(1), ...breach, ...frame(2)]));
      reader.push(new Uint8Array(frame(4)));
      assert.deepEqual(pollAll(reader), [[1]]);
      assert.ok(reader.violation?.includes(what), `${reader.violation} does not say "${what}"`);
      assert.equal(reader.unread, false);
      reader.push(new Uint8Array(frame(5)));
      assert.deepEqual(pollAll(reader), []);
    }
  });

  it('[STREAM-10] passes over heartbeats', () => {
    const reader = new FrameReader(100);
    reader.push(
      new Uint8Array([...word(HEARTBEAT), ...frame(1), ...word(HEARTBEAT), ...word(HEARTBEAT), ...frame(2)]),
    );
    assert.deepEqual(pollAll(reader), [[1], [2]]);
  });

  it('[STREAM-11] sets no memory aside for a length alone', () => {
    const reader = new FrameReader(1 << 30);
    const before = process.memoryUsage().arrayBuffers;
    reader.push(new Uint8Array([...word(1 << 30), 1]));
    assert.deepEqual(pollAll(reader), []);
    assert.ok(reader.torn);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 24);
  });

  it('gives nothing more once it is halted, also from within its handler', () => {
    const reader = new FrameReader(100);
    reader.push(new Uint8Array([...frame(1), ...frame(2), ...frame(3)]));
    let seen = 0;
    reader.poll(() => {
      seen++;
      reader.halt();
    }, 10);
    assert.equal(seen, 1);
    assert.equal(reader.unread, false);
  });
});
