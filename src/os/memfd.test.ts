import assert from 'node:assert/strict';
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import {
  addSeals,
  checkSealedMemfd,
  closeFd,
  createMemfd,
  describeFd,
  getSeals,
  Mapping,
  SEAL_FUTURE_WRITE,
  SEAL_GROW,
  SEAL_SEAL,
  SEAL_SHRINK,
  SEAL_WRITE,
} from './index.ts';

const BYTES = 65_536;
const SIZE_SEALS = SEAL_SHRINK | SEAL_GROW | SEAL_SEAL;

function withMemfd(seal: 'none' | 'size' | 'size+future-write', body: (fd: number) => void): void {
  const fd = createMemfd('tendon-test', BYTES, { seal });
  try {
    body(fd);
  } finally {
    closeFd(fd);
  }
}

const code = (expected: string) => (error: unknown) => {
  assert.ok(TendonError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

describe('createMemfd', () => {
  it('makes memory of the size asked for, with its pages committed', () => {
    withMemfd('size', (fd) => {
      assert.equal(describeFd(fd).bytes, BYTES);
      assert.equal(describeFd(fd).fileSystem, 'tmpfs');
      assert.equal(fstatSync(fd).blocks * 512, BYTES);
      assert.equal(getSeals(fd) & SIZE_SEALS, SIZE_SEALS);
    });
  });

  it('[shm-transport 17] refuses to be resized or sealed further once its size is sealed', () => {
    withMemfd('size', (fd) => {
      assert.throws(() => ftruncateSync(fd, BYTES / 2), { code: 'EPERM' });
      assert.throws(() => ftruncateSync(fd, BYTES * 2), { code: 'EPERM' });
      assert.throws(() => addSeals(fd, SEAL_WRITE), code('PERMISSION_DENIED'));
      writeSync(fd, Buffer.from('still writable'), 0, 14, 0);
    });
  });

  it('keeps others from writing when future writing is sealed, while an earlier mapping writes on', () => {
    withMemfd('none', (fd) => {
      using writer = Mapping.map(fd, { bytes: BYTES, writable: true });
      addSeals(fd, SIZE_SEALS | SEAL_FUTURE_WRITE);
      assert.throws(() => writeSync(fd, Buffer.from('x'), 0, 1, 0), { code: 'EPERM' });
      assert.throws(() => Mapping.map(fd, { bytes: BYTES, writable: true }), code('PERMISSION_DENIED'));
      using reader = Mapping.map(fd, { bytes: BYTES, writable: false });
      new Uint8Array(writer.buffer)[9] = 77;
      assert.equal(new Uint8Array(reader.buffer)[9], 77);
      checkSealedMemfd(fd, BYTES, { futureWrite: true });
    });
  });

  it('refuses unknown options, sizes that are none, and names too long', () => {
    assert.throws(() => createMemfd('x', 0), code('OPTION_INVALID'));
    assert.throws(() => createMemfd('x', Number.NaN), code('OPTION_INVALID'));
    assert.throws(() => createMemfd('x', 1.5), code('OPTION_INVALID'));
    assert.throws(() => createMemfd('x'.repeat(250), 1), code('OPTION_INVALID'));
    assert.throws(() => createMemfd('a\0b', 1), code('OPTION_INVALID'));
    assert.throws(() => createMemfd('x', 1, { seals: 'size' } as never), code('OPTION_INVALID'));
    closeFd(createMemfd('x'.repeat(249), 1));
  });
});

describe('checkSealedMemfd', () => {
  it('accepts sealed memory of the expected size', () => {
    withMemfd('size', (fd) => checkSealedMemfd(fd, BYTES));
  });

  it('refuses memory of another size', () => {
    withMemfd('size', (fd) => {
      assert.throws(() => checkSealedMemfd(fd, BYTES * 2), code('REGION_UNSAFE'));
      assert.throws(() => checkSealedMemfd(fd, BYTES - 1), code('REGION_UNSAFE'));
    });
  });

  it('refuses memory that lacks any of the seals', () => {
    withMemfd('none', (fd) => {
      for (const seal of [0, SEAL_SHRINK, SEAL_GROW]) {
        addSeals(fd, seal);
        assert.throws(() => checkSealedMemfd(fd, BYTES), code('REGION_UNSAFE'));
      }
      addSeals(fd, SEAL_SEAL);
      checkSealedMemfd(fd, BYTES);
      assert.throws(() => checkSealedMemfd(fd, BYTES, { futureWrite: true }), code('REGION_UNSAFE'));
    });
  });

  it('refuses files that cannot be sealed: on tmpfs, on disk, and devices', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tendon-memfd-'));
    try {
      for (const path of [join(directory, 'file'), '/dev/null']) {
        const fd = openSync(path, 'w+');
        assert.throws(() => checkSealedMemfd(fd, 0), code('REGION_UNSAFE'));
        closeSync(fd);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuses huge pages, which can fail after they are sealed', (t) => {
    let fd: number;
    try {
      fd = createMemfd('huge', 2 * 1024 * 1024, { hugePages: true });
    } catch (error) {
      // Without reserved huge pages the memory itself is refused, and that is the whole case.
      assert.ok(code('RESOURCE_EXHAUSTED')(error));
      t.diagnostic('no huge pages are reserved here');
      return;
    }
    assert.throws(() => checkSealedMemfd(fd, 2 * 1024 * 1024), code('REGION_UNSAFE'));
    closeFd(fd);
  });
});

describe('closeFd and describeFd', () => {
  it('report a descriptor that is not open', () => {
    const fd = createMemfd('gone', 1);
    closeFd(fd);
    for (const call of [closeFd, describeFd, getSeals]) {
      assert.throws(
        () => call(fd),
        (error: unknown) => {
          assert.ok(TendonError.is(error, 'SYSTEM_ERROR'));
          assert.equal(error.details.errnoCode, 'EBADF');
          assert.equal(error.details.errno, 9);
          assert.ok(error.cause instanceof Error);
          return true;
        },
      );
    }
  });

  it('refuse what is no descriptor before any system call', () => {
    for (const fd of [-1, 1.5, Number.NaN, 2 ** 31, '3' as never, undefined as never]) {
      assert.throws(() => closeFd(fd), code('OPTION_INVALID'));
    }
  });
});
