import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../core/index.ts';
import { crc32, crc32ByTable, loadFastCrc32c } from './checksum.ts';

describe('crc32', () => {
  it('has the check values of CRC-32/ISO-HDLC, with zlib and without', () => {
    for (const checksum of [crc32, crc32ByTable]) {
      const of = (text: string) => checksum(Buffer.from(text), 0, text.length);
      assert.equal(of('123456789'), 0xcbf43926);
      assert.equal(of('abc'), 0x352441c2);
      assert.equal(of(''), 0);
    }
  });

  it('agrees with its fallback over any stretch, whole or in pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(80), (bytes, cut) => {
        const start = Math.min(cut, bytes.length);
        const rest = bytes.length - start;
        const expected = crc32ByTable(bytes, 0, bytes.length);
        assert.equal(crc32(bytes, 0, bytes.length), expected);
        assert.equal(crc32(bytes, start, rest, crc32(bytes, 0, start)), expected);
      }),
    );
  });
});

describe('loadFastCrc32c', () => {
  it('agrees with the one in TypeScript on both sides of its border, whole or in pieces', async () => {
    for (const nativeFromBytes of [0, 16, 512]) {
      const fast = await loadFastCrc32c({ nativeFromBytes });
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(600), (bytes, cut) => {
          const start = Math.min(cut, bytes.length);
          const rest = bytes.length - start;
          const expected = crc32c(bytes, 0, bytes.length);
          assert.equal(fast(bytes, 0, bytes.length), expected);
          assert.equal(fast(bytes, start, rest, fast(bytes, 0, start)), expected);
        }),
      );
    }
  });

  it('refuses an option that it does not have', async () => {
    await assert.rejects(loadFastCrc32c({ fromBytes: 1 } as object), /no option "fromBytes"/);
  });
});
