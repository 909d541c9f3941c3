import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Context, Poller, TendonError } from '../core/index.ts';
import { encodeMessage, Kind, methodIdOf } from '../envelope/index.ts';
import { defineService, method, ServiceProxy, ServiceStub, type StubOptions } from './index.ts';
import { HandClock, LoopbackListener, loopback } from './loopback.test.kit.ts';

const service = defineService('svc', {
  methods: { echo: method<number, number>(), hang: method<number, number>() },
});

const is = (expected: string) => (error: unknown) => TendonError.is(error) && error.code === expected;
const settle = async (): Promise<void> => {
  for (let round = 0; round < 8; round++) await turn();
};

async function serve(options: StubOptions = {}) {
  const clock = new HandClock();
  const context = new Context({ clock, poller: new Poller({ spinMs: 0, clock }) });
  const listener = new LoopbackListener(context);
  const open: { resolve: (value: number) => void; signal: () => AbortSignal }[] = [];
  const stub = await ServiceStub.serve(
    service,
    {
      echo: (value) => value,
      hang: (_value, call) => new Promise((resolve) => open.push({ resolve, signal: () => call.signal })),
    },
    { context, listener, ...options },
  );
  const connect = () => ServiceProxy.connect(service, listener.connect(), { context });
  return { clock, context, listener, stub, open, connect };
}

describe('ServiceStub', () => {
  it('serves every client of a listener, each with its own answers', async () => {
    const { stub, connect } = await serve();
    const proxies = await Promise.all(Array.from({ length: 10 }, connect));
    const answers = await Promise.all(proxies.map((proxy, index) => proxy.call('echo', index)));
    assert.deepEqual(answers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(stub.stats.connections, 10);
    await proxies[0]!.close();
    await settle();
    assert.equal(stub.stats.connections, 9);
    assert.deepEqual(await stub.stop(), { finished: true, abandoned: 0 });
    assert.equal(stub.stats.connections, 0);
    await assert.rejects(proxies[1]!.call('echo', 1), is('CONNECTION_LOST'));
  });

  it('[rpc-framework 111] stops gracefully: refuses new work with DRAINING, waits for what runs, says that all finished', async () => {
    const { stub, open, connect, listener, clock } = await serve();
    const proxy = await connect();
    const running = [proxy.call('hang', 1), proxy.call('hang', 2)];
    await settle();
    const stopped = stub.stop();
    assert.equal(stub.running, false);
    await assert.rejects(proxy.call('echo', 1), is('DRAINING'));
    await settle();
    assert.ok(listener.closed, 'no new clients');
    assert.equal(stub.stats.activeHandlers, 2);
    clock.advance(1_000);
    assert.equal(open[0]!.signal().aborted, false);
    open[0]!.resolve(10);
    assert.equal(await running[0], 10);
    open[1]!.resolve(20);
    assert.equal(await running[1], 20);
    assert.deepEqual(await stopped, { finished: true, abandoned: 0 });
    assert.equal(await stub.stop(), await stopped, 'every call returns the first one’s promise');
    assert.equal(stub.stats.rejectedRequests, 1);
  });

  it('[rpc-framework 111] stops waiting after shutdownTimeoutMs, aborts the rest and says how many', async () => {
    const { stub, open, connect, clock } = await serve({ shutdownTimeoutMs: 300 });
    const proxy = await connect();
    const running = [1, 2, 3].map((value) => proxy.call('hang', value));
    const settled = Promise.allSettled(running);
    await settle();
    const stopped = stub.stop();
    await settle();
    open[0]!.resolve(1);
    await settle();
    clock.advance(301);
    assert.deepEqual(await stopped, { finished: false, abandoned: 2 });
    assert.ok(TendonError.is(open[1]!.signal().reason, 'DRAINING'));
    const outcomes = await settled;
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.code)),
      [1, 'CONNECTION_LOST', 'CONNECTION_LOST'],
    );
  });

  it('[rpc-framework 111] waits for handlers whose callers have given up, and counts those that go on', async () => {
    for (const finishes of [true, false]) {
      const { stub, open, connect, clock } = await serve({ shutdownTimeoutMs: 300 });
      const proxy = await connect();
      const controller = new AbortController();
      const running = [1, 2].map((value) => proxy.call('hang', value, { signal: controller.signal }));
      const settled = Promise.allSettled(running);
      await settle();
      controller.abort();
      await settled;
      await settle();
      let over = false;
      const stopped = stub.stop().finally(() => {
        over = true;
      });
      await settle();
      assert.equal(over, false, 'two handlers still run');
      open[0]!.resolve(1);
      if (finishes) open[1]!.resolve(2);
      await settle();
      clock.advance(301);
      assert.deepEqual(await stopped, { finished: finishes, abandoned: finishes ? 0 : 1 });
    }
  });

  it('[rpc-framework 112] serves again after a stop, as a new stub', async () => {
    for (let round = 0; round < 3; round++) {
      const { stub, connect } = await serve();
      const proxy = await connect();
      assert.equal(await proxy.call('echo', round), round);
      await stub.stop();
    }
  });

  it('can be stopped by one of its own handlers', async () => {
    const context = new Context();
    const [clientEnd, serverEnd] = loopback({ context });
    let stopped: Promise<unknown> | undefined;
    const stub: ServiceStub<typeof service.methods> = await ServiceStub.serve(
      service,
      {
        echo: (value) => {
          stopped = stub.stop();
          return value;
        },
        hang: (value) => value,
      },
      { context, connection: serverEnd },
    );
    const proxy = await ServiceProxy.connect(service, clientEnd, { context });
    assert.equal(await proxy.call('echo', 4), 4);
    assert.deepEqual(await stopped, { finished: true, abandoned: 0 });
  });

  it('calls handlers with their object as this, methods of a class too', async () => {
    class Counter {
      total = 5;
      echo(value: number): number {
        this.total += value;
        return this.total;
      }
      async hang(value: number): Promise<number> {
        return this.echo(value);
      }
    }
    const context = new Context();
    const [clientEnd, serverEnd] = loopback({ context });
    await using _stub = await ServiceStub.serve(service, new Counter(), { context, connection: serverEnd });
    await using proxy = await ServiceProxy.connect(service, clientEnd, { context });
    assert.equal(await proxy.call('echo', 1), 6);
    assert.equal(await proxy.call('hang', 1), 7);
  });

  it('refuses options and handlers that are not there', async () => {
    const [connection] = loopback();
    const handlers = { echo: (value: number) => value, hang: (value: number) => value };
    const refused = async (what: unknown, options: unknown, pattern: RegExp) =>
      assert.rejects(ServiceStub.serve(service, what as never, options as never), (error) => {
        assert.match(String(error), pattern);
        return is('OPTION_INVALID')(error);
      });
    await refused(handlers, {}, /either a listener or a connection/);
    await refused(handlers, { connection, listener: {} }, /either a listener or a connection/);
    await refused({ echo: handlers.echo }, { connection }, /a function "hang"/);
    await refused(handlers, { connection, maxConcurrentRequests: 0 }, /maxConcurrentRequests must be/);
    await refused(handlers, { connection, timeout: 3 }, /no option "timeout"/);
    await assert.rejects(
      ServiceProxy.connect(service, connection, { maxInFlight: 0 }),
      /maxInFlight must be an integer/,
    );
    await assert.rejects(
      ServiceProxy.connect(service, connection, { retries: 3 } as never),
      /no option "retries"/,
    );
  });
});

describe('a stub with a hostile client', () => {
  const method = methodIdOf('svc/echo');
  const hang = methodIdOf('svc/hang');
  const json = { codec: 2, payload: Buffer.from('1') };
  const request = { kind: Kind.REQUEST, callId: 1, methodId: hang, ...json };
  const cases: Readonly<Record<string, readonly Uint8Array[]>> = {
    'bytes that are no envelope': [Uint8Array.from({ length: 40 }, () => 0xff)],
    'a frame shorter than an envelope': [new Uint8Array(15)],
    'a frame of nothing': [new Uint8Array(0)],
    'blocks beyond the end of the frame': [
      Uint8Array.of(0x21, 0x02, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 3),
    ],
    'an answer': [encodeMessage({ kind: Kind.RESPONSE, callId: 1 })],
    'an error': [encodeMessage({ kind: Kind.ERROR, callId: 1, error: { code: 'X', message: '' } })],
    'call id 0 in a request': [encodeMessage({ ...request, callId: 0 })],
    'a call id in a one-way request': [encodeMessage({ ...request, kind: Kind.ONE_WAY })],
    'a call id twice': [encodeMessage(request), encodeMessage(request)],
  };
  for (const [name, frames] of Object.entries(cases)) {
    it(`cuts it off for ${name}, with a clear error, and serves the others`, async () => {
      const { stub, connect, listener, open } = await serve();
      const good = await connect();
      const pending = good.call('hang', 1);
      await settle();
      const bad = listener.connect();
      const dropped = once(stub.events, 'dropped');
      for (const frame of frames) await bad.send(frame);
      const [reason] = (await dropped) as [TendonError];
      assert.equal(reason.code, 'PROTOCOL_ERROR');
      assert.match(reason.message, /sent something that is no request: ./);
      await settle();
      assert.notEqual(bad.state, 'open');
      assert.deepEqual(
        [stub.stats.droppedConnections, stub.stats.connections, stub.stats.activeHandlers],
        [1, 1, open.length], // a handler of its that runs keeps its place
      );
      open[0]!.resolve(5);
      assert.equal(await pending, 5);
      assert.equal(await good.call('echo', 6), 6);
      for (const { resolve } of open) resolve(0);
      await stub.stop();
    });
  }

  it('answers a request it cannot read with an error and goes on', async () => {
    const { stub, listener } = await serve();
    const bad = listener.connect();
    const answers: Uint8Array[] = [];
    bad.consume((bytes, offset, length) => answers.push(bytes.slice(offset, offset + length)));
    await bad.send(encodeMessage({ ...request, payload: Buffer.from('{') }));
    await bad.send(encodeMessage({ ...request, callId: 2, methodId: 3 }));
    await bad.send(encodeMessage({ ...request, callId: 3, codec: 63 }));
    await bad.send(encodeMessage({ kind: Kind.HEARTBEAT }));
    await bad.send(encodeMessage({ kind: Kind.CANCEL, callId: 77 }));
    await bad.send(encodeMessage({ kind: Kind.REQUEST, callId: 4, methodId: method, ...json }));
    await settle();
    assert.equal(answers.length, 4);
    assert.equal(bad.state, 'open');
    const { rejectedRequests, errorResponses, successfulResponses, cancelledRequests } = stub.stats;
    assert.deepEqual(
      [rejectedRequests, errorResponses, successfulResponses, cancelledRequests],
      [2, 1, 1, 0],
    );
    await stub.stop();
  });

  it('cuts off a client that never reads its answers, when too many of them wait', async () => {
    const { stub, listener, connect } = await serve();
    const good = await connect();
    const deaf = listener.connect({ capacity: 4, maxQueuedSends: 10 });
    const dropped = once(stub.events, 'dropped');
    for (let callId = 1; callId < 200 && stub.stats.droppedConnections === 0; callId++) {
      deaf.send(encodeMessage({ kind: Kind.REQUEST, callId, methodId: method, ...json })).catch(() => {});
      await turn();
    }
    const [reason] = (await dropped) as [TendonError];
    assert.equal(reason.code, 'QUEUE_FULL');
    assert.match(reason.message, /does not read its answers/);
    assert.equal(await good.call('echo', 6), 6);
    await stub.stop();
  });
});
