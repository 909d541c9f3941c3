import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context } from '../core/index.ts';
import { defineService, method, ServiceProxy, ServiceStub } from './index.ts';
import { loopback } from './loopback.test.kit.ts';

const calculator = defineService('calculator', {
  methods: {
    add: method<{ a: number; b: number }, number>(),
    later: method<number, number>(),
    raw: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
  },
});

describe('a call', () => {
  it('is answered', async () => {
    const context = new Context();
    const [clientEnd, serverEnd] = loopback({ context });
    await using stub = await ServiceStub.serve(
      calculator,
      {
        add: ({ a, b }) => a + b,
        later: async (value) => value + 1,
        raw: (bytes) => bytes,
      },
      { connection: serverEnd, context },
    );
    await using proxy = await ServiceProxy.connect(calculator, clientEnd, { context });
    assert.equal(await proxy.call('add', { a: 2, b: 3 }), 5);
    assert.equal(await proxy.call('later', 41), 42);
    assert.deepEqual(await proxy.call('raw', Uint8Array.of(1, 2, 3)), Uint8Array.of(1, 2, 3));
    assert.equal(stub.stats.totalRequests, 3);
    const t0 = performance.now();
    for (let i = 0; i < 100000; i++) await proxy.call('raw', Uint8Array.of(1, 2, 3));
    console.log('1 in flight', Math.round(1e5 / (performance.now() - t0)), 'k/s');
    const t1 = performance.now();
    let left = 300000;
    const worker = async () => {
      while (left-- > 0) await proxy.call('raw', Uint8Array.of(1, 2, 3));
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    console.log('64 in flight', Math.round(3e5 / (performance.now() - t1)), 'k/s', proxy.stats, stub.stats);
  });
});
