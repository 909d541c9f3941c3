import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nativeWord64Access, type Word64Access, Words64 } from './word64.ts';

const accesses: readonly Word64Access[] = nativeWord64Access() === 'move' ? ['move', 'bigint'] : ['bigint'];

for (const access of accesses) {
  describe(`Words64 by ${access}`, () => {
    it('stores and loads every safe integer, as the eight bytes a C program sees', () => {
      const bytes = new DataView(new ArrayBuffer(24));
      const words = new Words64(bytes.buffer, 8, 2, access);
      const edges = [0, 1, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53 - 1)];
      fc.assert(
        fc.property(fc.oneof(fc.maxSafeInteger(), fc.constantFrom(...edges)), (value) => {
          words.store(1, value);
          assert.equal(bytes.getBigInt64(16, true), BigInt(value));
          assert.equal(words.load(1), value);
          assert.equal(words.loadAcquire(1), value);
          assert.equal(bytes.getBigInt64(8, true), 0n);
        }),
      );
    });

    it('loads whatever bits another program wrote, those of a NaN included, and keeps them', () => {
      const bytes = new DataView(new ArrayBuffer(8));
      const words = new Words64(bytes.buffer, 0, 1, access);
      const nans = [-1n, -(2n ** 50n), 0x7ff0000000000001n, 0x7ff4dead_beef0001n, 0x7fffffffffffffffn];
      const anyBits = fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.constantFrom(...nans),
      );
      fc.assert(
        fc.property(anyBits, (bits) => {
          bytes.setBigInt64(0, bits, true);
          assert.equal(words.load(0), Number(bits));
          assert.equal(words.loadBigInt(0), bits);
          words.storeBigInt(0, bits);
          assert.equal(bytes.getBigInt64(0, true), bits);
        }),
      );
    });

    it('adds and compares whole words', () => {
      const words = new Words64(new ArrayBuffer(8), 0, 1, access);
      words.store(0, 2 ** 32 - 1);
      assert.equal(words.add(0, 1n), 2n ** 32n - 1n);
      assert.equal(words.load(0), 2 ** 32);
      assert.equal(words.compareExchange(0, 1n, 5n), 2n ** 32n);
      assert.equal(words.compareExchange(0, 2n ** 32n, -5n), 2n ** 32n);
      assert.equal(words.load(0), -5);
    });

    it('refuses words that do not exist or are off alignment', () => {
      assert.throws(() => new Words64(new ArrayBuffer(16), 4, 1, access), /multiple of 8/);
      assert.throws(() => new Words64(new ArrayBuffer(16), 8, 2, access), /count/);
      assert.throws(() => new Words64(new ArrayBuffer(16), 0, 2, access).load(2));
    });
  });
}
