import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CounterTable } from './counter-table.ts';
import { threadLiveness } from './owner.ts';
import { nativeWord64Access, Words64 } from './word64.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Heap bytes that `count` operations leave before the next collection. */
function growth(operation: (count: number) => void, count: number): number {
  gc();
  const before = process.memoryUsage().heapUsed;
  operation(count);
  return process.memoryUsage().heapUsed - before;
}
function assertNoGarbage(operation: (count: number) => void): void {
  for (let warm = 0; warm < 20; warm++) operation(20_000);
  // few enough that nothing is collected meanwhile, the least of several rounds: the rest is noise
  const rounds = [1, 2, 3, 4, 5].map(() => growth(operation, 16_000) - growth(operation, 1000));
  const perOperation = Math.min(...rounds) / 15_000;
  assert.ok(perOperation < 1, `${perOperation} bytes an operation`);
}

describe('garbage', { skip: nativeWord64Access() === 'move' ? false : 'BigInt64 atomics allocate' }, () => {
  it('is not made by counters, also beyond 32 bits', () => {
    const words = new Int32Array(CounterTable.wordsNeeded({ capacity: 2 }));
    const table = CounterTable.create(words, 0, { capacity: 2 }, threadLiveness(1));
    const [small, large] = [table.allocate({ label: 'small' }), table.allocate({ label: 'large' })];
    large.set(2 ** 40);
    assertNoGarbage((count) => {
      for (let n = 0; n < count; n++) {
        small.increment();
        large.add(3);
      }
    });
    assert.equal(large.counted, table.value(large.id));
  });

  it('is not made by 64-bit loads and stores', () => {
    const words = new Words64(new ArrayBuffer(64), 0, 8);
    assertNoGarbage((count) => {
      for (let n = 0; n < count; n++) words.store(1, words.loadAcquire(0) + n * 2 ** 20);
    });
  });
});
