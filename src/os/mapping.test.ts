import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TendonError } from '../core/index.ts';
import { closeFd, createMemfd, Mapping, pageSize } from './index.ts';

const BYTES = 16 * 4096;
const FILES = /memfd:tendon-map-test/g;
const mappings = () => readFileSync('/proc/self/maps', 'latin1').match(FILES)?.length ?? 0;

const code = (expected: string) => (error: unknown) => {
  assert.ok(TendonError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

describe('Mapping', () => {
  it('shares bytes between mappings of one file, and outlives its descriptor', () => {
    const fd = createMemfd('tendon-map-test', BYTES);
    using first = Mapping.map(fd, { bytes: BYTES, writable: true });
    using second = Mapping.map(fd, { bytes: BYTES, writable: false, prefault: true });
    closeFd(fd);
    assert.equal(first.bytes, BYTES);
    assert.equal(first.buffer.byteLength, BYTES);
    new Int32Array(first.buffer)[100] = 0x1234_5678;
    assert.equal(Atomics.load(new Int32Array(second.buffer), 100), 0x1234_5678);
  });

  it('maps from an offset, which must be a multiple of the page size', () => {
    const fd = createMemfd('tendon-map-test', BYTES);
    using whole = Mapping.map(fd, { bytes: BYTES, writable: true });
    using second = Mapping.map(fd, { offset: pageSize(), bytes: pageSize(), writable: false });
    new Uint8Array(whole.buffer)[pageSize() + 3] = 9;
    assert.equal(new Uint8Array(second.buffer)[3], 9);
    assert.throws(() => Mapping.map(fd, { offset: 1, bytes: 4096, writable: true }), code('SYSTEM_ERROR'));
    closeFd(fd);
  });

  it('detaches its buffer when it closes: late accesses see nothing, atomics throw', () => {
    const fd = createMemfd('tendon-map-test', BYTES);
    const mapping = Mapping.map(fd, { bytes: BYTES, writable: true });
    closeFd(fd);
    const { buffer } = mapping;
    const words = new Int32Array(buffer, 64, 16);
    words[0] = 5;
    mapping.close();
    assert.equal(mapping.closed, true);
    assert.equal(buffer.byteLength, 0);
    assert.equal(words.length, 0);
    assert.equal(words[0], undefined);
    assert.throws(() => Atomics.load(words, 0), TypeError);
    assert.equal(mappings(), 0);
    mapping.close();
    assert.throws(() => mapping.prefault(), code('STATE_INVALID'));
    assert.throws(() => mapping.advise('normal'), code('STATE_INVALID'));
  });

  it('prefaults without changing a byte, and takes advice', () => {
    const fd = createMemfd('tendon-map-test', BYTES);
    using writer = Mapping.map(fd, { bytes: BYTES, writable: true });
    using reader = Mapping.map(fd, { bytes: BYTES, writable: false });
    closeFd(fd);
    const bytes = new Uint8Array(writer.buffer).fill(0xa5);
    writer.prefault();
    reader.prefault(4096, 8192);
    writer.prefault(1, 5000); // not on a page: the pages are touched one by one
    reader.prefault(1, 5000);
    writer.advise('will-need');
    writer.advise('dont-fork', 4096, 4096);
    assert.ok(bytes.every((byte) => byte === 0xa5));
    assert.throws(() => writer.prefault(0, BYTES + 1), code('OPTION_INVALID'));
    assert.throws(() => writer.advise('sometimes' as never), code('OPTION_INVALID'));
  });

  it('reports what cannot be mapped', () => {
    const fd = createMemfd('tendon-map-test', BYTES);
    assert.throws(() => Mapping.map(fd, { bytes: 2 ** 50, writable: true }), code('RESOURCE_EXHAUSTED'));
    assert.throws(() => Mapping.map(fd, { bytes: 0, writable: true }), code('OPTION_INVALID'));
    assert.throws(() => Mapping.map(fd, { bytes: 1, writable: 1 as never }), code('OPTION_INVALID'));
    closeFd(fd);
    assert.throws(() => Mapping.map(fd, { bytes: 4096, writable: true }), code('SYSTEM_ERROR'));
    assert.equal(mappings(), 0);
  });

  it('is unmapped by the garbage collector when it was forgotten', async () => {
    assert.ok(global.gc, 'run with --expose-gc');
    const fd = createMemfd('tendon-map-test', BYTES);
    const forget = (): void => {
      for (let i = 0; i < 50; i++) Mapping.map(fd, { bytes: BYTES, writable: true });
    };
    forget();
    assert.equal(mappings(), 50);
    for (let i = 0; i < 20 && mappings() > 0; i++) {
      global.gc();
      await turn();
    }
    closeFd(fd);
    assert.equal(mappings(), 0);
  });
});
