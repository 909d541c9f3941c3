import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TendonError } from '../core/index.ts';
import type { BufferLoan, BufferPool } from './buffer-pool.ts';
import { HeapPool } from './heap-pool.ts';
import { threadLiveness } from './owner.ts';
import { RegionPool } from './region-pool.ts';

const code = (expected: string) => (error: unknown) => TendonError.is(error) && error.code === expected;
const classes = [
  { blockBytes: 1024, blocks: 2 },
  { blockBytes: 64, blocks: 5 },
  { blockBytes: 256, blocks: 3 },
];
const regionWords = () => new Int32Array(new SharedArrayBuffer(RegionPool.bytesNeeded({ classes }) + 64));
const makers: Record<string, () => BufferPool> = {
  HeapPool: () => new HeapPool({ classes }),
  RegionPool: () => RegionPool.create(regionWords(), 16, { classes }, threadLiveness(1)),
};

for (const [name, make] of Object.entries(makers)) {
  describe(name, () => {
    it('never lends a byte twice, lends while it can, and counts right, whatever is done to it', () => {
      const step = fc.oneof(
        fc.record({ bytes: fc.integer({ min: 0, max: 1024 }) }),
        fc.record({ release: fc.nat(9) }),
      );
      fc.assert(
        fc.property(fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }), (steps) => {
          const pool = make();
          const lent = new Map<BufferLoan, number>();
          let stamp = 0;
          for (const each of steps) {
            if ('bytes' in each) {
              const loan = pool.tryAcquire(each.bytes);
              const fits = classes.filter(({ blockBytes }) => blockBytes >= each.bytes);
              const room = fits.some(({ blockBytes, blocks }) => {
                return [...lent.keys()].filter((l) => l.blockBytes === blockBytes).length < blocks;
              });
              assert.equal(loan !== undefined, room);
              if (loan === undefined) continue;
              assert.equal(loan.bytes.length, each.bytes);
              stamp = (stamp + 1) & 0xff;
              loan.bytes.fill(stamp);
              lent.set(loan, stamp);
            } else {
              const loan = [...lent.keys()][each.release];
              if (loan === undefined) continue;
              lent.delete(loan);
              loan.release();
              assert.throws(() => loan.release(), code('STATE_INVALID'));
            }
            for (const [loan, mark] of lent) assert.ok(loan.bytes.every((byte) => byte === mark));
          }
          const inUse = pool.stats().classes.reduce((sum, each) => sum + each.inUse, 0);
          assert.equal(inUse, lent.size);
        }),
      );
    });

    it('takes the smallest class that fits and has one left, then the next, then none', () => {
      const pool = make();
      const loans = Array.from({ length: 5 + 3 + 2 }, () => pool.acquire(10));
      assert.deepEqual(
        loans.map((loan) => loan.blockBytes),
        [64, 64, 64, 64, 64, 256, 256, 256, 1024, 1024],
      );
      assert.equal(pool.tryAcquire(0), undefined);
      assert.throws(() => pool.acquire(0), code('RESOURCE_EXHAUSTED'));
      assert.throws(() => pool.acquire(1025), code('FRAME_TOO_LARGE'));
      const [smallest] = pool.stats().classes;
      assert.deepEqual(smallest, {
        blockBytes: 64,
        blocks: 5,
        inUse: 5,
        highWater: 5,
        acquired: 5,
        released: 0,
        missed: 7,
      });
    });

    it('gives a buffer back at the end of its block, once', () => {
      const pool = make();
      let outside: BufferLoan;
      {
        using loan = pool.acquire(64);
        outside = loan;
      }
      assert.equal(outside.isReleased, true);
      assert.throws(() => outside.release(), code('STATE_INVALID'));
      {
        using loan = pool.acquire(64);
        loan.release();
      }
      assert.equal(pool.stats().classes[0]?.inUse, 0);
    });
  });
}

describe('RegionPool, shared', () => {
  it('lends to all who attach without lending a block twice, and takes back what the dead had', () => {
    const dead = new Set<number>();
    const party = (id: number) => threadLiveness(id, (thread) => !dead.has(thread));
    const words = regionWords();
    const one = RegionPool.create(words, 16, { classes }, party(1));
    const two = RegionPool.attach(words, 16, party(2));
    const offsets = new Set<number>();
    for (let n = 0; n < 5; n++) offsets.add((n % 2 === 0 ? one : two).acquire(64).byteOffset);
    assert.equal(offsets.size, 5);
    for (const offset of offsets) assert.equal(offset % 64, 0);
    assert.equal(two.lent, 5);
    assert.equal(two.reclaim(), 0);
    dead.add(1);
    assert.equal(two.reclaim(), 3);
    assert.equal(one.lent, 2);
  });

  it('refuses to release what was taken back as if its owner were dead', () => {
    const words = regionWords();
    const one = RegionPool.create(words, 16, { classes }, threadLiveness(1));
    const loan = one.acquire(1);
    RegionPool.attach(
      words,
      16,
      threadLiveness(2, () => false),
    ).reclaim();
    assert.throws(() => loan.release(), code('LOCK_NOT_OWNED'));
  });

  it('refuses a header that cannot be', () => {
    const broken = (word: number, value: number) => {
      const words = regionWords();
      RegionPool.create(words, 0, { classes }, threadLiveness(1));
      words[word] = value;
      return RegionPool.attach(words, 0, threadLiveness(2));
    };
    assert.equal(broken(3, 1).maxBytes, 1024);
    assert.throws(() => broken(0, 1), code('REGION_CORRUPT'));
    assert.throws(() => broken(1, 2), code('VERSION_UNSUPPORTED'));
    for (const count of [0, -1, 4, 25, 0x7fffffff])
      assert.throws(() => broken(2, count), code('REGION_CORRUPT'));
    for (const size of [0, -1, 32, 65, 256, 2 ** 31])
      assert.throws(() => broken(4, size), code('REGION_CORRUPT'));
    for (const blocks of [0, -1, 2 ** 20, 2 ** 20 + 1]) {
      assert.throws(() => broken(5, blocks), code('REGION_CORRUPT'));
    }
  });

  it('refuses classes that make no sense', () => {
    const refused = [
      [],
      [{ blockBytes: 65, blocks: 1 }],
      [{ blockBytes: 64, blocks: 0 }],
      [
        { blockBytes: 64, blocks: 1 },
        { blockBytes: 64, blocks: 2 },
      ],
    ];
    for (const each of refused) {
      assert.throws(() => new HeapPool({ classes: each }), code('OPTION_INVALID'));
      assert.throws(() => RegionPool.bytesNeeded({ classes: each }), code('OPTION_INVALID'));
    }
  });
});
