import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DurationRecorder, median, percentile, spread } from './statistics.ts';

describe('statistics of the benchmark', () => {
  it('takes the middle value as the median, whatever the order', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([10, 9, 100, 1]), 9.5);
    assert.equal(median([7]), 7);
    assert.ok(Number.isNaN(median([])));
  });

  it('leaves the values that it is given in their order', () => {
    const values = [3, 1, 2];
    median(values);
    assert.deepEqual(values, [3, 1, 2]);
  });

  it('gives median, least and greatest as the spread', () => {
    assert.deepEqual(spread([4, 2, 8]), { median: 4, min: 2, max: 8 });
  });

  it('gives percentiles by nearest rank: always a value that was seen', () => {
    const sorted = Float64Array.from({ length: 1000 }, (_, i) => i + 1);
    assert.equal(percentile(sorted, 0.5), 500);
    assert.equal(percentile(sorted, 0.99), 990);
    assert.equal(percentile(sorted, 0.999), 999);
    assert.equal(percentile(sorted, 1), 1000);
    assert.equal(
      percentile(sorted.subarray(0, 100), 0.07),
      7,
      '0.07 * 100 is a little more than 7 in binary',
    );
    assert.equal(percentile(Float64Array.of(5), 0.001), 5);
    assert.ok(Number.isNaN(percentile(new Float64Array(0), 0.5)));
  });

  it('keeps what it records, sorted on request', () => {
    const recorder = new DurationRecorder(8);
    for (const duration of [3, 1, 2]) recorder.record(duration);
    assert.equal(recorder.count, 3);
    assert.deepEqual([...recorder.sorted()], [1, 2, 3]);
  });

  it('thins a full recording evenly instead of forgetting its end', () => {
    const recorder = new DurationRecorder(64);
    for (let i = 0; i < 10_000; i += 1) recorder.record(i);
    const kept = recorder.sorted();
    assert.ok(kept.length >= 32 && kept.length <= 64, `kept ${kept.length}`);
    const steps = new Set(Array.from(kept.subarray(1), (value, i) => value - kept[i]!));
    assert.deepEqual([...steps], [256], 'every 256th value is kept');
    assert.ok(kept.at(-1)! > 10_000 - 2 * 256);
  });
});
