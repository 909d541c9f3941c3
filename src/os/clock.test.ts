import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { readClockInto, readEpochInto } from './index.ts';

describe('clocks', () => {
  it('agree with the clocks of Node', () => {
    const float = new Float64Array(3);
    const whole = new BigInt64Array(3);
    const before = process.hrtime.bigint();
    readClockInto(whole, 1);
    readClockInto(float, 2);
    const after = process.hrtime.bigint();
    assert.ok(before <= whole[1]! && whole[1]! <= after);
    assert.ok(Number(before) <= float[2]! && float[2]! <= Number(after));
    assert.deepEqual([float[0], float[1], whole[0], whole[2]], [0, 0, 0n, 0n]);

    const dayBefore = Date.now();
    readEpochInto(whole, 0);
    readEpochInto(float, 0);
    const dayAfter = Date.now();
    assert.ok(dayBefore <= Number(whole[0]! / 1_000_000n) && Number(whole[0]! / 1_000_000n) <= dayAfter);
    assert.ok(dayBefore - 1 <= float[0]! / 1e6 && float[0]! / 1e6 <= dayAfter + 1);
  });

  it('refuse a place outside the array, and arrays of another type', () => {
    const refused = (error: unknown) => TendonError.is(error, 'OPTION_INVALID');
    for (const index of [-1, 2, 2 ** 40])
      assert.throws(() => readClockInto(new Float64Array(2), index), refused);
    assert.throws(() => readClockInto(new Float64Array(0), 0), refused);
    assert.throws(() => readEpochInto(new Int32Array(4) as never, 0), refused);
    assert.throws(() => readEpochInto(undefined as never, 0), refused);
  });
});
