import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Context, TendonError } from '../core/index.ts';
import { encodeMessage, Flag, Kind, type MessageInit } from '../envelope/index.ts';
import { defineService, method, ServiceProxy } from './index.ts';
import { loopback } from './loopback.test.kit.ts';

const service = defineService('svc', { methods: { echo: method<unknown, unknown>() } });

const is =
  (expected: string, pattern = /./) =>
  (error: unknown) =>
    TendonError.is(error) && error.code === expected && pattern.test(error.message);

async function open() {
  const context = new Context();
  const [clientEnd, serverEnd] = loopback({ context });
  const proxy = await ServiceProxy.connect(service, clientEnd, { context });
  const answer = async (message: MessageInit): Promise<void> => serverEnd.send(encodeMessage(message));
  return { proxy, clientEnd, serverEnd, answer };
}

const json = (value: unknown) => ({ codec: 2, payload: Buffer.from(JSON.stringify(value)) });

describe('ServiceProxy', () => {
  it('opens its connection itself when it is given the way', async () => {
    const context = new Context();
    const [clientEnd] = loopback({ context });
    await using proxy = await ServiceProxy.connect(service, async () => clientEnd, { context });
    assert.equal(proxy.connection, clientEnd);
    const failure = new Error('nobody there');
    await assert.rejects(
      ServiceProxy.connect(service, () => Promise.reject(failure)),
      failure,
    );
  });

  it('refuses a connection that is closed, or received from by somebody else', async () => {
    const [closed] = loopback();
    closed.destroy();
    await assert.rejects(ServiceProxy.connect(service, closed), is('CONNECTION_CLOSED'));
    const [taken] = loopback();
    taken.consume(() => {});
    await assert.rejects(ServiceProxy.connect(service, taken), is('STATE_INVALID'));
    taken.destroy();
  });

  it('ignores and counts answers to call ids that it never gave', async () => {
    const { proxy, answer } = await open();
    for (const callId of [0, 2, 65, 0xffff_ffff]) await answer({ kind: Kind.RESPONSE, callId, ...json(1) });
    const call = proxy.call('echo', 1);
    await answer({ kind: Kind.RESPONSE, callId: 1, ...json('mine') });
    await answer({ kind: Kind.RESPONSE, callId: 1, ...json('again') });
    assert.equal(await call, 'mine');
    while (proxy.stats.lateResponses < 5) await turn();
    assert.equal(proxy.connection.state, 'open');
    await proxy.close();
  });

  it('does not take an answer to a call that it has not sent yet', async () => {
    const context = new Context();
    const [clientEnd, serverEnd] = loopback({ context });
    const proxy = await ServiceProxy.connect(service, clientEnd, { context, maxInFlight: 1 });
    const calls = [proxy.call('echo', 'first'), proxy.call('echo', 'waits')];
    for (const [text, callId] of Object.entries({ forged: 2, first: 1, second: 2 })) {
      await serverEnd.send(encodeMessage({ kind: Kind.RESPONSE, callId, ...json(text) }));
      await turn();
      await turn();
    }
    assert.deepEqual(await Promise.all(calls), ['first', 'second']);
    assert.equal(proxy.stats.lateResponses, 1);
    await proxy.close();
  });

  it('rejects the call whose answer cannot be read, and goes on', async () => {
    const { proxy, answer, serverEnd } = await open();
    const calls = ['a', 'b', 'c', 'd'].map((value) => proxy.call('echo', value));
    await answer({ kind: Kind.RESPONSE, callId: 1, codec: 2, payload: Buffer.from('{') });
    await answer({ kind: Kind.RESPONSE, callId: 2, codec: 5, payload: Buffer.from('1') });
    await answer({ kind: Kind.ERROR, callId: 3 });
    const broken = encodeMessage({
      kind: Kind.ERROR,
      callId: 4,
      error: { code: 'OVERLOADED', message: 'full' },
    });
    broken[16 + 4 + 5] = 0xff; // its code is longer than its block
    await serverEnd.send(broken);
    assert.ok(broken[2]! & Flag.ERROR);
    for (const call of calls) await assert.rejects(call, is('DECODE_FAILED'));
    const fine = proxy.call('echo', 1);
    await answer({ kind: Kind.RESPONSE, callId: 5, ...json('fine') });
    assert.equal(await fine, 'fine');
    await proxy.close();
  });

  it('makes an error REMOTE whose details do not fit its code', async () => {
    const { proxy, answer } = await open();
    const details = (value: unknown) => ({ details: Buffer.from(JSON.stringify(value)) });
    const errors = [
      { code: 'OVERLOADED', message: 'm', ...details({ limit: 'many' }) },
      { code: 'OVERLOADED', message: 'm', ...details([1]) },
      { code: 'OVERLOADED', message: 'm' },
      { code: '__proto__', message: 'm', details: Buffer.from('not json') },
      { code: 'OVERLOADED', message: 'm', ...details({ limit: 3 }) },
      { code: 'DRAINING', message: 'm' },
    ];
    const calls = errors.map(() => proxy.call('echo', 1));
    for (const [index, error] of errors.entries())
      await answer({ kind: Kind.ERROR, callId: index + 1, error });
    const codes = await Promise.all(calls.map((call) => call.catch((error: TendonError) => error.code)));
    assert.deepEqual(codes, ['REMOTE', 'REMOTE', 'REMOTE', 'REMOTE', 'OVERLOADED', 'DRAINING']);
    await proxy.close();
  });

  for (const [name, frame] of Object.entries({
    'bytes that are no envelope': Uint8Array.from({ length: 30 }, () => 0xff),
    'a request': encodeMessage({ kind: Kind.REQUEST, callId: 1, methodId: 1 }),
    'a cancellation': encodeMessage({ kind: Kind.CANCEL, callId: 1 }),
  })) {
    it(`drops a server that sends ${name}: every call is lost, and says why`, async () => {
      const { proxy, serverEnd } = await open();
      const calls = [proxy.call('echo', 1), proxy.call('echo', 2)];
      await serverEnd.send(frame);
      for (const call of calls) {
        await assert.rejects(call, (error: TendonError) => {
          assert.ok(is('CONNECTION_LOST', /was dropped: the server .* no answer/)(error));
          assert.ok(TendonError.is(error.cause, 'PROTOCOL_ERROR'));
          return true;
        });
      }
      assert.equal(proxy.connection.state, 'closed');
      await assert.rejects(proxy.call('echo', 1), is('CONNECTION_LOST'));
      await proxy.close();
    });
  }

  it('surfaces what a callback throws and tells the others all the same', async () => {
    const { proxy, clientEnd } = await open();
    const told: unknown[] = [];
    proxy.callAsync('echo', 1, () => {
      throw new Error('from a callback');
    });
    proxy.callAsync('echo', 2, (error) => told.push(error?.code));
    const surfaced = new Promise((resolve) => {
      const before = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of before) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    clientEnd.lose();
    assert.match(String(await surfaced), /from a callback/);
    assert.deepEqual(told, ['CONNECTION_LOST']);
  });
});
