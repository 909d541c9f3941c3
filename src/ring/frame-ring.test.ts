import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TendonError } from '../core/index.ts';
import { FIRST, FRAME, FrameReader, LAST, MARKER, MIDDLE, writeFrame } from './frame-ring.ts';
import { SpscRing } from './spsc-ring.ts';

const CAPACITY = 4096;

function ringPair(initialPosition = 0, maxFrameBytes = 1 << 20) {
  const memory = new ArrayBuffer(SpscRing.bytesNeeded(CAPACITY));
  const ring = SpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition });
  return { producer: ring.producer(), reader: new FrameReader(ring.consumer(), maxFrameBytes) };
}

function frameOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
}

describe('frames over a ring', () => {
  it('carries frames of any size in order, reading as it writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, -4096, 0x7fff_f000),
        (lengths, limit, position) => {
          const { producer, reader } = ringPair(position);
          const received: Uint8Array[] = [];
          const keep = (bytes: Uint8Array, offset: number, length: number): void => {
            received.push(bytes.slice(offset, offset + length));
          };
          const sent = lengths.map((length, index) => frameOf(length, index));
          for (const frame of sent) {
            for (let written = 0; ; ) {
              const now = writeFrame(producer, frame, written);
              if (now === frame.length) break;
              if (now > 0) written = now;
              reader.poll(keep, limit);
            }
          }
          while (received.length < sent.length) {
            const handed = reader.poll(keep, limit);
            assert.ok(handed >= 1 && handed <= limit);
          }
          assert.deepEqual(received, sent);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('stops at a marker and goes on after resume', () => {
    const { producer, reader } = ringPair();
    writeFrame(producer, frameOf(3, 1), 0);
    producer.tryClaim(0, MARKER);
    producer.commit();
    writeFrame(producer, frameOf(5, 1), 0);
    const lengths: number[] = [];
    const keep = (_bytes: Uint8Array, _offset: number, length: number): void => void lengths.push(length);
    assert.equal(reader.poll(keep, 10), 1);
    assert.ok(reader.marked);
    assert.equal(reader.poll(keep, 10), 0);
    reader.resume();
    assert.equal(reader.poll(keep, 10), 1);
    assert.deepEqual(lengths, [3, 5]);
  });

  it('tells the error of a handler from a broken ring, and has consumed the frame', () => {
    const { producer, reader } = ringPair();
    writeFrame(producer, frameOf(3, 1), 0);
    writeFrame(producer, frameOf(4, 1), 0);
    assert.throws(
      () =>
        reader.poll(() => {
          throw new Error('mine');
        }, 10),
      /mine/,
    );
    assert.ok(reader.handlerFailed);
    assert.equal(
      reader.poll(() => {}, 10),
      1,
    );
    assert.ok(!reader.handlerFailed);
  });

  /** kind, body: what a hostile writer might send. */
  const first = (total: number, bytes = 8): [number, Uint8Array] => {
    const body = new Uint8Array(8 + bytes);
    new DataView(body.buffer).setUint32(0, total, true);
    return [FIRST, body];
  };
  const hostile: Record<string, [number, Uint8Array][]> = {
    'a middle part without a first': [[MIDDLE, new Uint8Array(8)]],
    'a last part without a first': [[LAST, new Uint8Array(8)]],
    'a total beyond maxFrameBytes': [first(2 ** 21)],
    'a total of four gigabytes': [first(0xffff_ffff)],
    'a total that the first part exceeds': [first(8)],
    'a first part without bytes': [first(100, 0)],
    'a frame within a frame': [first(100), [FRAME, new Uint8Array(1)]],
    'a first within a frame': [first(100), first(100)],
    'a marker within a frame': [first(100), [MARKER, new Uint8Array(0)]],
    'too long a middle part': [first(20), [MIDDLE, new Uint8Array(12)]],
    'an empty middle part': [first(20), [MIDDLE, new Uint8Array(0)]],
    'too short a last part': [first(20), [LAST, new Uint8Array(11)]],
    'too long a last part': [first(20), [LAST, new Uint8Array(13)]],
    'an unknown kind': [[77, new Uint8Array(1)]],
  };
  for (const [name, records] of Object.entries(hostile)) {
    it(`refuses ${name} as REGION_CORRUPT, again and again`, () => {
      const { producer, reader } = ringPair();
      for (const [kind, body] of records) assert.ok(producer.offer(body, 0, body.length, kind) >= 0);
      const poll = (): number => reader.poll(() => assert.fail('nothing is whole'), 10);
      for (let round = 0; round < 2; round++) {
        assert.throws(poll, (error) => TendonError.is(error, 'REGION_CORRUPT'));
        assert.ok(!reader.handlerFailed);
      }
    });
  }
});
