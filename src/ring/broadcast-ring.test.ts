import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BACK_PRESSURED, CLOSED, TendonError } from '../core/index.ts';
import { type BroadcastPolicy, BroadcastRing } from './broadcast-ring.ts';
import type { BroadcastCursor } from './broadcast-writer.ts';
import {
  BROADCAST_DATA_WORD,
  CURSOR_LOST_HIGH_WORD,
  CURSOR_POSITION_WORD,
  CURSOR_SEQUENCE_HIGH_WORD,
  CURSOR_SEQUENCE_LOW_WORD,
  RESERVED_WORD,
  SEGMENTS_WORD,
  TAIL_WORD,
} from './layout.ts';

const CAPACITY = 4096;

function open(policy: BroadcastPolicy, initialPosition = 0, initialSequence = 0) {
  const memory = new ArrayBuffer(BroadcastRing.bytesNeeded(CAPACITY));
  const evicted: [BroadcastCursor, string][] = [];
  const writer = BroadcastRing.format({
    memory,
    capacityBytes: CAPACITY,
    policy,
    initialPosition,
    initialSequence,
  }).writer({ onEvicted: (cursor, reason) => void evicted.push([cursor, reason]) });
  const ring = BroadcastRing.attach({ memory, capacityBytes: CAPACITY });
  const join = () => {
    const cursorMemory = new ArrayBuffer(BroadcastRing.cursorBytes);
    const rung = { reader: 0, writer: 0 };
    const cursor = writer.addReader({ memory: cursorMemory, waiter: { notify: () => void rung.reader++ } });
    const reader = ring.reader({ memory: cursorMemory, waiter: { notify: () => void rung.writer++ } });
    return { cursor, reader, rung, words: new Int32Array(cursorMemory) };
  };
  let sent = 0;
  /** Each record begins with its number. */
  const send = (length = 100) => {
    const at = writer.tryClaim(Math.max(8, length), 1 + (sent % 255));
    if (at < 0) return at;
    new DataView(memory, writer.bytes.byteOffset + at).setFloat64(0, sent, true);
    writer.commit();
    return sent++;
  };
  return { writer, join, send, evicted, words: new Int32Array(memory) };
}
function take(reader: ReturnType<ReturnType<typeof open>['join']>['reader'], limit?: number): number[] {
  const taken: number[] = [];
  reader.poll((bytes, offset, length, kind) => {
    const number = new DataView(bytes.buffer, bytes.byteOffset + offset, length).getFloat64(0, true);
    assert.equal(kind, 1 + (number % 255));
    taken.push(number);
  }, limit);
  return taken;
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('BroadcastRing', () => {
  for (const policy of ['wait', 'drop', 'disconnect'] as const) {
    it(`[RING-30] hands every record to every reader that keeps up (${policy})`, () => {
      for (const start of [0, -4096, 2 ** 31 - 4096]) {
        const { join, send, writer, evicted } = open(policy, start, 2 ** 32 - 50);
        const [a, b] = [join(), join()];
        for (let round = 0; round < 60; round++) {
          for (let i = 0; i < 9; i++) assert.equal(send((round * 37) % 300), round * 9 + i);
          assert.deepEqual(take(a.reader), range(round * 9, round * 9 + 9));
          assert.deepEqual(take(b.reader, 4), range(round * 9, round * 9 + 4));
          assert.deepEqual(take(b.reader), range(round * 9 + 4, round * 9 + 9));
        }
        const late = join();
        send();
        assert.deepEqual(take(late.reader), [540]);
        assert.equal(late.reader.sequence, 2 ** 32 - 50 + 541);
        assert.equal(writer.sequence, 2 ** 32 - 50 + 541);
        assert.equal(a.reader.lostRecords + b.reader.lostRecords, 0);
        assert.deepEqual(evicted, []);
      }
    });
  }

  it("[RING-39] the writer knows what a reader missed under 'drop', before the reader does", () => {
    const { join, send, writer } = open('drop');
    const [fast, slow] = [join(), join()];
    for (let i = 0; i < 200; i++) {
      send(100);
      take(fast.reader);
    }
    assert.equal(writer.lostRecords(fast.cursor), 0);
    const guessed = writer.lostRecords(slow.cursor);
    assert.ok(guessed >= 150 && guessed < 200, `${guessed} of 200`);
    const taken = take(slow.reader).length;
    assert.equal(writer.lostRecords(slow.cursor), slow.reader.lostRecords);
    assert.equal(writer.lostRecords(slow.cursor) + taken, 200);
    slow.words[CURSOR_LOST_HIGH_WORD] = -1;
    assert.equal(writer.lostRecords(slow.cursor) + taken, 200, 'an impossible count is not believed');
  });

  it("[RING-33] waits for the slowest reader under 'wait', until that one is removed", () => {
    const { join, send, writer } = open('wait');
    const [fast, slow] = [join(), join()];
    let sent = 0;
    while (send(1000) >= 0) sent++;
    assert.equal(sent, 4);
    assert.equal(take(fast.reader).length, 4);
    assert.equal(send(1000), BACK_PRESSURED);
    assert.equal(take(slow.reader, 1).length, 1);
    assert.equal(send(1000), 4);
    assert.equal(send(1000), BACK_PRESSURED);
    assert.equal(writer.behindBytes(slow.cursor), 4096);
    writer.removeReader(slow.cursor);
    writer.removeReader(slow.cursor);
    assert.equal(send(1000), 5);
    assert.equal(
      slow.reader.poll(() => {}),
      CLOSED,
    );
    assert.equal(writer.readers, 1);
  });

  it("[RING-34] counts exactly what an overtaken reader lost under 'drop', and loses no more than it must", () => {
    for (const start of [0, -4096, 2 ** 31 - 4096]) {
      const { join, send } = open('drop', start, 2 ** 32 - 100);
      const { reader } = join();
      let expected = 0;
      let lost = 0;
      for (let round = 1; round < 80; round++) {
        for (let i = 0; i < round * 3; i++) send((i * 13) % 120);
        const taken = take(reader);
        assert.ok(taken.length > 0);
        lost += taken[0]! - expected;
        assert.deepEqual(taken, range(taken[0]!, taken[0]! + taken.length));
        expected = taken.at(-1)! + 1;
        assert.equal(reader.lostRecords, lost);
        if (round > 40) assert.ok(taken.length > 8, `only ${taken.length} of a full ring`);
      }
      assert.ok(lost > 1000 && reader.timesOvertaken > 10);
    }
  });

  it("[RING-35] evicts the laggard under 'disconnect', says which, and goes on for the others", () => {
    const { join, send, evicted, writer } = open('disconnect');
    const [fast, slow] = [join(), join()];
    assert.equal(slow.reader.park(), true);
    for (let i = 0; i < 20; i++) {
      assert.equal(send(500), i);
      assert.deepEqual(take(fast.reader), [i]);
    }
    assert.deepEqual(evicted, [[slow.cursor, 'lagging']]);
    assert.equal(
      slow.reader.poll(() => assert.fail('overwritten')),
      CLOSED,
    );
    assert.equal(slow.reader.park(), false);
    assert.equal(slow.rung.reader, 1);
    assert.equal(writer.readers, 1);
  });

  it('[RING-36] notices that it was overtaken by exactly 2^32 bytes, by the full sequence', () => {
    // The writer stands whole laps of 2^32 bytes ahead of this reader, at the same 32-bit position.
    for (const [ahead, word] of [
      [1000, CURSOR_SEQUENCE_LOW_WORD],
      [3 * 2 ** 32, CURSOR_SEQUENCE_HIGH_WORD],
    ] as const) {
      const { writer, send } = open('drop', 0, ahead);
      const memory = new ArrayBuffer(BroadcastRing.cursorBytes);
      writer.addReader({ memory });
      new Int32Array(memory)[word] = 0;
      const ring = BroadcastRing.attach({ memory: writer.bytes.buffer, capacityBytes: CAPACITY });
      const reader = ring.reader({ memory });
      for (let i = 0; i < 20; i++) send();
      assert.deepEqual(take(reader), range(0, 20));
      assert.equal(reader.timesOvertaken, 1);
      assert.equal(reader.lostRecords, ahead);
      assert.equal(reader.sequence, ahead + 20);
    }
  });

  it('[RING-32] takes no harm from a cursor that lies, and evicts its reader', () => {
    for (const policy of ['wait', 'disconnect'] as const) {
      for (const lie of [8, 1 << 20, -16, 2 ** 31 - 16]) {
        const { join, send, evicted } = open(policy);
        const [good, bad] = [join(), join()];
        bad.words[CURSOR_POSITION_WORD] = lie;
        for (let i = 0; i < 30; i++) {
          assert.equal(send(400), i);
          assert.deepEqual(take(good.reader), [i]);
        }
        assert.deepEqual(evicted, [[bad.cursor, 'corrupt']]);
      }
    }
  });

  it('commits less, aborts without using a number, corks, and refuses after close', () => {
    const { writer, join } = open('drop');
    const { reader } = join();
    const lengths: number[] = [];
    const drain = () => reader.poll((_, __, length) => void lengths.push(length));
    writer.tryClaim(100);
    assert.throws(() => writer.commit(101), { code: 'OPTION_INVALID' });
    writer.commit(3);
    writer.tryClaim(50);
    assert.throws(() => writer.tryClaim(1), { code: 'STATE_INVALID' });
    writer.abort();
    assert.throws(() => writer.commit(), { code: 'STATE_INVALID' });
    assert.equal(writer.sequence, 1);
    writer.cork();
    writer.offer(new Uint8Array(10));
    assert.equal(drain(), 1);
    writer.offer(new Uint8Array(500), 3, 200);
    writer.uncork();
    assert.equal(drain(), 2);
    assert.deepEqual(lengths, [3, 10, 200]);
    assert.throws(() => writer.offer(new Uint8Array(1009)), { code: 'FRAME_TOO_LARGE' });
    writer.close();
    writer.close();
    assert.equal(writer.tryClaim(1), CLOSED);
    reader.close();
    assert.equal(
      reader.poll(() => {}),
      CLOSED,
    );
  });

  it('stops when told, and has consumed the record of a handler that throws', () => {
    for (const policy of ['wait', 'drop'] as const) {
      const { join, send } = open(policy);
      const { reader } = join();
      for (let i = 0; i < 6; i++) send();
      let seen = 0;
      assert.equal(
        reader.poll(() => {
          if (++seen === 2) reader.stop();
        }),
        2,
      );
      assert.throws(
        () =>
          reader.poll(() => {
            throw new Error('mine');
          }),
        /mine/,
      );
      assert.throws(() => reader.poll(() => void reader.poll(() => {})), { code: 'STATE_INVALID' });
      assert.deepEqual(take(reader), [4, 5]);
    }
  });

  it('[RING-37] rings a parked reader once, and a parked writer when a reader goes on', () => {
    const { writer, join, send } = open('wait');
    const [a, b] = [join(), join()];
    assert.equal(a.reader.park(), true);
    send();
    send();
    assert.equal(a.rung.reader, 1);
    assert.equal(b.rung.reader, 0);
    assert.equal(a.reader.park(), false);
    assert.equal(writer.park(8), false);
    while (send(500) >= 0);
    assert.equal(writer.park(500), true);
    take(a.reader);
    take(b.reader);
    assert.equal(a.rung.writer, 1);
    assert.equal(b.rung.writer, 1);
    assert.ok(send(500) >= 0);
  });

  it('[RING-38] [shm-transport 18] meets scribbles with REGION_CORRUPT or data in range, and always ends', () => {
    const scribble = fc.tuple(
      fc.oneof(
        fc.constantFrom(TAIL_WORD, RESERVED_WORD, SEGMENTS_WORD, SEGMENTS_WORD + 3),
        fc.nat(CAPACITY / 4 - 1).map((word) => BROADCAST_DATA_WORD + word),
        fc.nat(80).map((word) => BROADCAST_DATA_WORD + (word >> 2) * 12 + (word & 3)),
      ),
      fc.oneof(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.integer({ min: -16, max: 512 }).map((n) => n * 16),
        fc.integer({ min: -4, max: 300 }),
      ),
      fc.nat(30),
    );
    let refused = 0;
    let handed = 0;
    fc.assert(
      fc.property(
        fc.constantFrom('wait', 'drop', 'disconnect'),
        fc.constantFrom(0, -4096, 2 ** 31 - 4096),
        fc.array(scribble, { maxLength: 30 }),
        (policy, start, scribbles) => {
          const { writer, join, words } = open(policy as BroadcastPolicy, start);
          const { reader, words: cursorWords } = join();
          const body = new Uint8Array(32);
          for (const [word, value, records] of scribbles) {
            for (let i = 0; i < records; i++) writer.offer(body);
            words[word] = value;
            if (records === 7) cursorWords[CURSOR_POSITION_WORD] = value;
            try {
              let count = 0;
              reader.poll((bytes, offset, length) => {
                handed++;
                assert.ok(++count <= CAPACITY / 16 && offset >= 16 && offset + length <= bytes.length);
              });
              reader.park();
            } catch (error) {
              if (!TendonError.is(error, 'REGION_CORRUPT')) throw error;
              refused++;
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(refused > 500 && handed > 500, `${refused} refused, ${handed} handed over`);
  });

  it('agrees with an array under random work, whatever the policy', () => {
    const step = fc.tuple(
      fc.constantFrom('send', 'send', 'send', 'poll', 'join', 'leave', 'cork', 'uncork'),
      fc.nat(900),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('wait', 'drop', 'disconnect'),
        fc.constantFrom(0, -4096, 2 ** 31 - 4096),
        fc.array(step, { minLength: 1, maxLength: 150 }),
        (policy, start, steps) => {
          const { writer, join, send, evicted } = open(policy as BroadcastPolicy, start, 2 ** 32 - 20);
          const readers = [{ ...join(), next: 0, lost: 0 }];
          let sent = 0;
          const check = (r: (typeof readers)[number], numbers: number[]) => {
            for (const number of numbers) {
              if (policy === 'drop') r.lost += number - r.next;
              else assert.equal(number, r.next);
              r.next = number + 1;
            }
            assert.equal(r.reader.lostRecords, r.lost);
          };
          for (const [action, n] of steps) {
            const r = readers[n % Math.max(1, readers.length)];
            if (action === 'send') {
              if (send(n) >= 0) sent++;
              else assert.equal(policy, 'wait');
            } else if (action === 'poll' && r) check(r, take(r.reader, 1 + (n % 20)));
            else if (action === 'join' && readers.length < 4)
              readers.push({ ...join(), next: sent, lost: 0 });
            else if (action === 'leave' && r) {
              writer.removeReader(r.cursor);
              readers.splice(readers.indexOf(r), 1);
            } else if (action === 'cork' || action === 'uncork') writer[action]();
          }
          writer.uncork();
          for (const r of readers) {
            for (let i = 0; i < 40; i++) check(r, take(r.reader));
            if (!evicted.some(([cursor]) => cursor === r.cursor)) assert.equal(r.next, sent);
          }
          if (policy !== 'disconnect') assert.equal(evicted.length, 0);
        },
      ),
      { numRuns: 500 },
    );
  });
});
