import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';

/** The definition, a bit at a time. */
function byBits(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

describe('crc32c', () => {
  it('has the check value and those of RFC 3720', () => {
    const of = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length);
    assert.equal(of(Buffer.from('123456789')), 0xe3069283);
    assert.equal(of(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(of(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(of(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e);
    assert.equal(of(new Uint8Array(0)), 0);
  });

  it('agrees with the definition at every offset and length, whole or in pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(100), (bytes, a, b) => {
        const start = Math.min(a, bytes.length);
        const length = Math.min(b, bytes.length - start);
        const half = length >>> 1;
        const expected = byBits(bytes.subarray(start, start + length));
        assert.equal(crc32c(bytes, start, length), expected);
        assert.equal(crc32c(bytes, start + half, length - half, crc32c(bytes, start, half)), expected);
      }),
    );
  });
});
