import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Closer } from './closer.ts';

describe('Closer', () => {
  it('lets go in reverse order, once, whatever fails', async () => {
    const order: string[] = [];
    const closer = new Closer();
    closer.defer(() => void order.push('first'));
    closer.defer(async () => {
      order.push('second');
      throw new Error('second failed');
    });
    closer.defer(() => void order.push('third'));
    await assert.rejects(closer.close(), /second failed/);
    await assert.rejects(closer.close(), /second failed/);
    assert.deepEqual(order, ['third', 'second', 'first']);
  });

  it('collects several failures, the first as cause', async () => {
    const closer = new Closer();
    const failures = [new Error('a'), new Error('b')];
    for (const failure of failures) closer.defer(() => Promise.reject(failure));
    await assert.rejects(closer.close(), (error: AggregateError) => {
      assert.deepEqual(error.errors, [failures[1], failures[0]]);
      assert.equal(error.cause, failures[1]);
      return true;
    });
  });

  it('does nothing after release', async () => {
    const closer = new Closer();
    closer.defer(() => assert.fail('released'));
    closer.release();
    await closer.close();
  });
});
