import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Histogram } from './histogram.ts';

describe('Histogram', () => {
  it('gives percentiles that are at most a thirty-second above the exact ones, and never above the maximum', () => {
    const values = fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (samples, fraction) => {
        const histogram = new Histogram();
        for (const sample of samples) histogram.record(sample);
        const sorted = [...samples].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(fraction * sorted.length)) - 1]!;
        const given = histogram.percentile(fraction);
        assert.ok(given >= exact, `${given} is below ${exact}`);
        assert.ok(given <= exact + exact / 32, `${given} is far above ${exact}`);
        assert.ok(given <= histogram.max);
        assert.equal(histogram.max, sorted.at(-1));
        assert.equal(histogram.count, samples.length);
      }),
    );
  });

  it('adds up: two halves are as good as the whole', () => {
    const [whole, odd, even] = [new Histogram(), new Histogram(), new Histogram()];
    for (let value = 1; value < 1e9; value = Math.ceil(value * 1.1)) {
      whole.record(value);
      (value % 2 === 0 ? even : odd).record(value);
    }
    odd.add(even);
    for (const fraction of [0, 0.5, 0.99, 1])
      assert.equal(odd.percentile(fraction), whole.percentile(fraction));
  });

  it('has no percentile without a value, and keeps what is out of range at the ends', () => {
    const histogram = new Histogram();
    assert.ok(Number.isNaN(histogram.percentile(0.5)));
    histogram.record(-5);
    assert.equal(histogram.percentile(1), 0);
    histogram.record(1e12);
    assert.equal(histogram.percentile(1), 0xffff_ffff);
    histogram.clear();
    assert.ok(Number.isNaN(histogram.percentile(0.5)));
  });
});
