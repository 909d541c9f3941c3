import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PendingCalls } from './pending-calls.ts';

class Record {
  callId = 0;
}

const LIMIT = 200;

describe('PendingCalls', () => {
  it('finds what a map of ids finds, across the wrap of the ids and while it grows', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.constant({ take: true, pick: 0 }) },
      { weight: 4, arbitrary: fc.record({ take: fc.constant(false), pick: fc.nat(1_000) }) },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(1, -40, 0x7fff_fff0, -0x8000_0000, -1),
        fc.array(step, { maxLength: 500 }),
        (firstId, steps) => {
          const calls = new PendingCalls(LIMIT, () => new Record(), firstId);
          const model = new Map<number, Record>();
          const gone: number[] = [];
          for (const { take, pick } of steps) {
            if (take) {
              const record = calls.take();
              if (model.size === LIMIT) {
                assert.equal(record, undefined, 'the limit holds');
                continue;
              }
              assert.ok(record !== undefined);
              assert.notEqual(record.callId, 0);
              assert.equal(record.callId, record.callId | 0, 'ids are small integers');
              assert.ok(!model.has(record.callId), 'an id in use is not given out');
              model.set(record.callId, record);
            } else if (model.size > 0) {
              const ids = [...model.keys()];
              const id = ids[pick % ids.length]!;
              calls.release(model.get(id)!);
              calls.release(model.get(id)!);
              model.delete(id);
              gone.push(id);
            }
            assert.equal(calls.size, model.size);
          }
          for (const [id, record] of model) assert.equal(calls.find(id), record);
          for (const id of gone) assert.equal(calls.find(id), undefined, 'an old id finds nothing');
          assert.equal(calls.find(0), undefined);
          assert.deepEqual(new Set(calls.all()), new Set(model.values()));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('does not give an id out again for as long as it can, though one slot would do', () => {
    const calls = new PendingCalls(8, () => new Record());
    const ids = new Set<number>();
    for (let round = 0; round < 10_000; round++) {
      const record = calls.take()!;
      ids.add(record.callId);
      calls.release(record);
    }
    assert.equal(ids.size, 10_000);
  });
});
