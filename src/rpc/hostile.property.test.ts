import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Context, Poller, TendonError } from '../core/index.ts';
import { encodeMessage, Kind, methodIdOf } from '../envelope/index.ts';
import { defineService, method, ServiceProxy, ServiceStub } from './index.ts';
import { HandClock, LoopbackListener, loopback } from './loopback.test.kit.ts';

const RUNS = process.env['TENDON_TORTURE'] ? 20_000 : 300;

const service = defineService('fuzz', {
  methods: {
    echo: method<unknown, unknown>(),
    bytes: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
    later: method<unknown, unknown>({ codec: 'msgpack' }),
    note: method<unknown>({ oneWay: true }),
  },
});

const u32 = fc.oneof(fc.nat(4), fc.integer({ min: 0, max: 0xffff_ffff }));
const methodId = fc.oneof(
  fc.constantFrom(...Object.keys(service.methods).map((name) => methodIdOf(`fuzz/${name}`))),
  u32,
);
const payload = fc.oneof(
  fc.constantFrom(
    ...['1', '{"a":[1,2]}', '"x"', '{', '', '\u0000'].map((text) => new Uint8Array(Buffer.from(text))),
  ),
  fc.uint8Array({ maxLength: 60 }),
);
/** Frames that a peer might send: whole ones of every kind, the same with some bytes changed or cut, and noise. */
const wellFormed = fc
  .record({
    kind: fc.constantFrom(...Object.values(Kind)),
    codec: fc.oneof(fc.nat(6), fc.nat(63)),
    callId: u32,
    remainingMs: u32,
    methodId,
    payload,
    error: fc.option(
      fc.record({
        code: fc.oneof(
          fc.constantFrom('REMOTE', 'OVERLOADED', 'DEADLINE_EXCEEDED', 'toString'),
          fc.string({ maxLength: 20 }),
        ),
        message: fc.string({ maxLength: 20 }),
        category: fc.constantFrom('stub', 'application', ''),
        details: payload,
      }),
      { nil: undefined },
    ),
    metadata: fc.option(fc.array(fc.tuple(fc.string({ maxLength: 5 }), payload), { maxLength: 3 }), {
      nil: undefined,
    }),
  })
  .map(({ error, metadata, ...base }) =>
    encodeMessage({ ...base, ...(error && { error }), ...(metadata && { metadata }) }),
  );
const damaged = fc
  .record({
    frame: wellFormed,
    length: fc.nat(200),
    changes: fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 4 }),
  })
  .map(({ frame, length, changes }) => {
    const copy = frame.slice(0, length);
    for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
    return copy;
  });
const frames = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: wellFormed },
    { weight: 4, arbitrary: damaged },
    fc.uint8Array({ maxLength: 80 }),
  ),
  { maxLength: 12 },
);

const settle = async (): Promise<void> => {
  for (let round = 0; round < 6; round++) await turn();
};

function newContext(): Context {
  const clock = new HandClock();
  return new Context({ clock, poller: new Poller({ spinMs: 0, clock }) });
}

describe('whatever a peer sends', () => {
  it('a stub goes on serving its other clients, and holds nothing for the one that sent it', async () => {
    const context = newContext();
    const listener = new LoopbackListener(context);
    const stub = await ServiceStub.serve(
      service,
      { echo: (value) => value, bytes: (value) => value, later: async (value) => value, note: () => {} },
      { context, listener },
    );
    const good = await ServiceProxy.connect(service, listener.connect(), { context });
    await fc.assert(
      fc.asyncProperty(frames, async (sent) => {
        const bad = listener.connect();
        await settle();
        for (const frame of sent) bad.offer(frame);
        await settle();
        assert.equal(await good.call('echo', 'still here'), 'still here');
        bad.destroy();
        await settle();
        assert.deepEqual([stub.stats.connections, stub.stats.activeHandlers], [1, 0]);
      }),
      { numRuns: RUNS },
    );
    await stub.stop();
  });

  it('a proxy settles every call, with a response or a TendonError, and keeps no record', async () => {
    await fc.assert(
      fc.asyncProperty(frames, async (sent) => {
        const context = newContext();
        const [clientEnd, serverEnd] = loopback({ context });
        const proxy = await ServiceProxy.connect(service, clientEnd, { context });
        const calls = Promise.allSettled([
          proxy.call('echo', 1),
          proxy.call('bytes', Uint8Array.of(1)),
          proxy.call('later', 3),
        ]);
        for (const frame of sent) serverEnd.offer(frame);
        await settle();
        (context.clock as HandClock).advance(5_001);
        for (const outcome of await calls) {
          if (outcome.status === 'rejected')
            assert.ok(TendonError.is(outcome.reason), String(outcome.reason));
        }
        assert.equal(proxy.stats.activeCalls, 0);
        await proxy.close();
      }),
      { numRuns: RUNS },
    );
  });
});
