import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BACK_PRESSURED, CLOSED, TendonError } from '../core/index.ts';
import { MPSC_DATA_WORD, SLOT_INTENT_BYTES, SLOT_INTENT_POSITION, slotWord, TAIL_WORD } from './layout.ts';
import type { MpscProducer } from './mpsc-producer.ts';
import { MpscRing } from './mpsc-ring.ts';

const CAPACITY = 4096;
const DEAD = 99;
const isAlive = (ownerId: number) => ownerId !== DEAD;

function open(initialPosition = 0) {
  const memory = new ArrayBuffer(MpscRing.bytesNeeded(CAPACITY));
  MpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition });
  const ring = MpscRing.attach({ memory, capacityBytes: CAPACITY });
  const rung = { consumer: 0, producer: 0 };
  const producer = (ownerId = 1) =>
    ring.producer({ ownerId, waiter: { notify: () => void rung.consumer++ } });
  const consumer = ring.consumer({ notify: () => void rung.producer++ });
  const take = () => {
    const taken: string[] = [];
    consumer.poll((bytes, offset, length) => {
      taken.push(new TextDecoder().decode(bytes.slice(offset, offset + length)));
    });
    return taken;
  };
  return { ring, producer, consumer, take, rung, words: new Int32Array(memory) };
}
const put = (producer: MpscProducer, text: string) => producer.offer(new TextEncoder().encode(text));

describe('MpscRing', () => {
  it('[RING-21] hands over records in the order of their claims, and waits for one that is not committed', () => {
    const { producer, consumer, take } = open();
    const [a, b] = [producer(1), producer(2)];
    put(a, 'one');
    const at = b.tryClaim(3);
    put(a, 'three');
    assert.deepEqual(take(), ['one']);
    assert.equal(consumer.blocked, true);
    b.bytes.set(new TextEncoder().encode('two'), at);
    b.commit();
    assert.equal(consumer.blocked, false);
    assert.deepEqual(take(), ['two', 'three']);
  });

  it('[RING-22] skips what was aborted and what was claimed in excess', () => {
    const { producer, take } = open();
    const a = producer();
    a.tryClaim(100);
    a.abort();
    const at = a.tryClaim(300);
    a.bytes.set(new TextEncoder().encode('short'), at);
    assert.throws(() => a.commit(301), { code: 'OPTION_INVALID' });
    a.commit(5);
    put(a, 'next');
    assert.deepEqual(take(), ['short', 'next']);
    assert.throws(() => a.commit(), { code: 'STATE_INVALID' });
  });

  it('[RING-23] answers BACK_PRESSURED when full, goes on when positions wrap, and leaves its data zero', () => {
    for (const start of [0, -4096, 2 ** 31 - 4096]) {
      const { producer, consumer, take, words } = open(start);
      const a = producer();
      for (let lap = 0; lap < 40; lap++) {
        let sent = 0;
        while (put(a, `record ${lap} ${'x'.repeat(lap * 20)}`) >= 0) sent++;
        assert.ok(sent > 3);
        assert.equal(put(a, 'x'.repeat(1000)), BACK_PRESSURED);
        assert.equal(take().length, sent);
      }
      assert.equal(consumer.claimedBytes, 0);
      assert.ok(words.subarray(MPSC_DATA_WORD).every((word) => word === 0));
    }
  });

  it('[RING-24] takes back a claim whose producer died before it committed, and its slot', () => {
    const { producer, consumer, take } = open();
    const [a, b] = [producer(1), producer(DEAD)];
    put(b, 'committed by the dead');
    b.tryClaim(40);
    put(a, 'behind');
    assert.deepEqual(take(), ['committed by the dead']);
    assert.equal(
      consumer.unblock(() => true),
      0,
    );
    assert.deepEqual(take(), []);
    assert.equal(consumer.unblock(isAlive), 1);
    assert.deepEqual(take(), ['behind']);
    assert.throws(() => b.commit(), { code: 'STATE_INVALID' });
    assert.equal(consumer.unblock(isAlive), 0);
  });

  it('[RING-24] takes back a dead claim behind a living one, also when its slot has a new owner', () => {
    const { producer, consumer, take } = open();
    const [a, b] = [producer(1), producer(DEAD)];
    a.tryClaim(2);
    b.tryClaim(40);
    assert.equal(consumer.unblock(isAlive), 1);
    const c = producer(3);
    put(c, 'last');
    assert.deepEqual(take(), []);
    a.commit(0);
    assert.deepEqual(take(), ['', 'last']);
    const d = producer(DEAD);
    d.tryClaim(8);
    assert.equal(
      consumer.unblock(() => true),
      0,
    );
    assert.equal(consumer.unblock(isAlive), 1);
  });

  it('[RING-24] knows a dead claim by its generation when somebody else has the slot', () => {
    const { producer, consumer, take, words } = open();
    const [a, b] = [producer(1), producer(DEAD)];
    const header = MPSC_DATA_WORD + (a.tryClaim(8) - 8) / 4;
    const state = words[header]!;
    words[header] = 0; // the living one has not written its header yet: what lies behind cannot be looked at
    b.tryClaim(40);
    assert.equal(consumer.unblock(isAlive), 0);
    const heir = producer(3);
    put(heir, 'heir');
    words[header] = state;
    a.commit(0);
    assert.deepEqual(take(), ['']);
    assert.equal(
      consumer.unblock(() => true),
      1,
    );
    assert.deepEqual(take(), ['heir']);
  });

  for (const around of [false, true]) {
    it(`[RING-25] takes back a claim that never got its header${around ? ', around the end' : ''}`, () => {
      const { producer, consumer, take, words } = open(around ? CAPACITY - 16 : 0);
      const [a, b] = [producer(1), producer(DEAD)];
      const position = words[TAIL_WORD]!;
      const at = b.tryClaim(40);
      const header = MPSC_DATA_WORD + (at - 8) / 4;
      // The crash: the tail has moved and nothing was written since the intent.
      words[header] = 0;
      words[header + 1] = 0;
      if (around) words[MPSC_DATA_WORD + (CAPACITY - 16) / 4] = 0;
      words[slotWord(1) + SLOT_INTENT_POSITION] = position;
      words[slotWord(1) + SLOT_INTENT_BYTES] = (words[TAIL_WORD]! - position) | 0;
      put(a, 'behind');
      assert.deepEqual(take(), []);
      // A living producer that announced the same place may have won it: nothing is taken from it.
      words[slotWord(0) + SLOT_INTENT_POSITION] = position;
      words[slotWord(0) + SLOT_INTENT_BYTES] = 16;
      assert.equal(consumer.unblock(isAlive), 0);
      assert.deepEqual(take(), []);
      words[slotWord(0) + SLOT_INTENT_BYTES] = 0;
      assert.equal(consumer.unblock(isAlive), 1);
      assert.deepEqual(take(), ['behind']);
    });
  }

  it('[RING-25] finds out which of two dead producers had won', () => {
    for (const loser of [16, 24, 96, 200]) {
      const { producer, consumer, take, words } = open();
      const [a, b, c] = [producer(1), producer(DEAD), producer(DEAD)];
      const at = c.tryClaim(40);
      words[MPSC_DATA_WORD + (at - 8) / 4] = 0;
      for (const [slot, bytes] of [
        [1, loser],
        [2, 48],
      ] as const) {
        words[slotWord(slot) + SLOT_INTENT_POSITION] = 0;
        words[slotWord(slot) + SLOT_INTENT_BYTES] = bytes;
      }
      put(a, 'a record behind');
      put(a, 'and one more, that is long enough to hide the end of the longest claim: '.padEnd(200, '.'));
      assert.equal(consumer.unblock(isAlive), 1);
      assert.equal(take()[0], 'a record behind');
      b.close();
    }
  });

  it('[RING-20] has 64 slots, gives them back on close, and wants to know who takes one', () => {
    const { producer } = open();
    const all = Array.from({ length: 64 }, (_, i) => producer(i + 1));
    assert.throws(() => producer(65), { code: 'RESOURCE_EXHAUSTED' });
    all[7]!.close();
    all[7]!.close();
    assert.equal(all[7]!.tryClaim(8), CLOSED);
    producer(65);
    for (const ownerId of [0, 1.5, 2 ** 31])
      assert.throws(() => producer(ownerId), { code: 'OPTION_INVALID' });
  });

  it('[RING-26] rings whoever parked, once', () => {
    const { producer, consumer, take, rung } = open();
    const a = producer();
    assert.equal(consumer.park(), true);
    a.tryClaim(8);
    assert.equal(rung.consumer, 0);
    a.commit();
    put(a, 'two');
    assert.equal(rung.consumer, 1);
    assert.equal(consumer.park(), false);
    assert.equal(a.park(8), false);
    while (put(a, 'x'.repeat(500)) >= 0);
    take();
    while (put(a, 'x'.repeat(500)) >= 0);
    const before = rung.producer; // a park that answered false may ring once for nothing: the flag belongs to all
    assert.equal(a.park(500), true);
    take();
    take();
    assert.equal(rung.producer, before + 1);
  });

  it('[shm-transport 18] meets scribbles with REGION_CORRUPT or data in range, and always ends', () => {
    const scribble = fc.tuple(
      fc.oneof(
        fc.constantFrom(32, 64, 96, 128),
        fc.nat(40).map((word) => slotWord(word >> 2) + (word & 3)),
        fc.nat(CAPACITY / 4 - 1).map((word) => MPSC_DATA_WORD + word),
        fc.nat(20).map((record) => MPSC_DATA_WORD + record * 10),
      ),
      fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -64, max: 4200 })),
      fc.nat(30),
    );
    let refused = 0;
    let handed = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(0, -4096, 2 ** 31 - 4096),
        fc.array(scribble, { maxLength: 30 }),
        (start, scribbles) => {
          const { producer, consumer, words } = open(start);
          const a = producer(1);
          const body = new Uint8Array(32);
          const survive = (work: () => void) => {
            try {
              work();
            } catch (error) {
              if (!TendonError.is(error, 'REGION_CORRUPT') && !TendonError.is(error, 'STATE_INVALID'))
                throw error;
              refused++;
            }
          };
          for (const [word, value, records] of scribbles) {
            for (let i = 0; i < records; i++) survive(() => void a.offer(body));
            words[word] = value;
            survive(() => {
              let count = 0;
              consumer.poll((bytes, offset, length) => {
                handed++;
                assert.ok(++count <= CAPACITY / 8 && offset >= 8 && offset + length <= bytes.length);
              });
            });
            survive(() => void consumer.unblock(isAlive));
            survive(() => void consumer.park());
            survive(() => void a.park(8));
          }
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(refused > 500 && handed > 500, `${refused} refused, ${handed} handed over`);
  });

  it('keeps the order of every producer under random claims, commits, aborts and deaths', () => {
    const step = fc.tuple(
      fc.constantFrom('offer', 'claim', 'commit', 'abort', 'die', 'poll'),
      fc.nat(3),
      fc.nat(400),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(0, -4096, 2 ** 31 - 4096),
        fc.array(step, { minLength: 1, maxLength: 150 }),
        (start, steps) => {
          const { producer, consumer } = open(start);
          interface Claim {
            state: 'open' | 'committed' | 'gone';
            readonly id: number;
            length: number;
          }
          const model: Claim[] = [];
          const owners = [1, 2, 3, 4];
          const producers = owners.map((id) => producer(id));
          const claims: (Claim | undefined)[] = [undefined, undefined, undefined, undefined];
          const ats = [0, 0, 0, 0];
          const dead = new Set<number>();
          let ids = 0;
          let owner = 5;
          const poll = () => {
            consumer.poll((bytes, offset, length) => {
              while (model[0]?.state === 'gone') model.shift();
              const expected = model.shift();
              assert.equal(expected?.state, 'committed');
              assert.equal(length, expected.length);
              for (let i = 0; i < length; i++) assert.equal(bytes[offset + i], (expected.id + i) & 255);
            });
            while (model[0]?.state === 'gone') model.shift();
            assert.notEqual(model[0]?.state, 'committed', 'a committed record was left behind');
          };
          for (const [action, who, length] of steps) {
            const p = producers[who]!;
            if (action === 'poll') poll();
            else if (action === 'die') {
              dead.add(owners[who]!);
              const claim = claims[who];
              if (claim) claim.state = 'gone';
              assert.equal(
                consumer.unblock((id) => !dead.has(id)),
                claim ? 1 : 0,
              );
              claims[who] = undefined;
              owners[who] = owner;
              producers[who] = producer(owner++);
            } else if (claims[who]) {
              const claim = claims[who];
              if (action === 'abort') {
                p.abort();
                claim.state = 'gone';
              } else if (action === 'commit' || action === 'offer') {
                claim.length = Math.min(claim.length, length);
                for (let i = 0; i < claim.length; i++) p.bytes[ats[who]! + i] = claim.id + i;
                p.commit(claim.length);
                claim.state = 'committed';
              } else continue;
              claims[who] = undefined;
            } else if (action === 'claim' || action === 'offer') {
              const at = p.tryClaim(length);
              if (at < 0) continue;
              const claim: Claim = { state: 'open', id: ids++, length };
              model.push(claim);
              if (action === 'claim') {
                claims[who] = claim;
                ats[who] = at;
                continue;
              }
              for (let i = 0; i < length; i++) p.bytes[at + i] = claim.id + i;
              p.commit();
              claim.state = 'committed';
            }
          }
          for (const p of producers) p.close();
          for (const claim of claims) if (claim) claim.state = 'gone';
          poll();
          assert.equal(model.length, 0);
          assert.equal(consumer.claimedBytes, 0);
        },
      ),
      { numRuns: 400 },
    );
  });
});
