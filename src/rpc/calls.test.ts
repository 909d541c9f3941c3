import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Codec } from '../codec/index.ts';
import { Context, Poller, TendonError } from '../core/index.ts';
import { decodeMessage, Kind } from '../envelope/index.ts';
import {
  type CallContext,
  defineService,
  type Handlers,
  method,
  type ProxyOptions,
  ServiceProxy,
  ServiceStub,
  type StubOptions,
  serviceError,
} from './index.ts';
import { HandClock, type Loopback, type LoopbackOptions, loopback } from './loopback.test.kit.ts';

const service = defineService('tests', {
  methods: {
    echo: method<unknown, unknown>(),
    bytes: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
    array: method<Float64Array, Float64Array>({ codec: 'binary' }),
    packed: method<unknown, unknown>({ codec: 'msgpack' }),
    hang: method<string, string>(),
    quick: method<string, string>({ deadlineMs: 50 }),
    fail: method<string, never>(),
    even: method<number, number>({
      validateRequest: (value) => typeof value === 'number' && value % 2 === 0,
      validateResponse: (value) => {
        if (value === 4) throw new Error('four is not allowed');
      },
    }),
    note: method<string>({ oneWay: true }),
  },
});
type Methods = typeof service.methods;

interface Hung {
  readonly request: string;
  readonly call: CallContext;
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

class Fixture implements AsyncDisposable {
  readonly clock = new HandClock();
  readonly context = new Context({ clock: this.clock, poller: new Poller({ spinMs: 0, clock: this.clock }) });
  readonly clientEnd: Loopback;
  readonly serverEnd: Loopback;
  readonly hung: Hung[] = [];
  readonly notes: string[] = [];
  readonly failures: string[] = [];
  handlersRun = 0;
  proxy!: ServiceProxy<Methods>;
  stub!: ServiceStub<Methods>;

  constructor(options: LoopbackOptions) {
    [this.clientEnd, this.serverEnd] = loopback({ context: this.context, ...options });
  }

  static async open(
    options: {
      readonly proxy?: ProxyOptions;
      readonly stub?: StubOptions;
      readonly loopback?: LoopbackOptions;
      readonly handlers?: Partial<Handlers<Methods>>;
    } = {},
  ): Promise<Fixture> {
    const fixture = new Fixture(options.loopback ?? {});
    const { context, clientEnd, serverEnd } = fixture;
    const hang = (request: string, call: CallContext): Promise<string> =>
      new Promise((resolve, reject) => fixture.hung.push({ request, call, resolve, reject }));
    const handlers: Handlers<Methods> = {
      echo: (value) => value,
      bytes: (value) => value,
      array: (value) => value,
      packed: (value) => value,
      hang,
      quick: hang,
      fail: (what) => {
        throw new Error(what);
      },
      even: (value) => {
        fixture.handlersRun++;
        return value;
      },
      note: (text) => void fixture.notes.push(text),
      ...options.handlers,
    };
    fixture.stub = await ServiceStub.serve(service, handlers, {
      connection: serverEnd,
      context,
      ...options.stub,
    });
    fixture.stub.events.on('handlerFailed', (error, name) => fixture.failures.push(`${name}: ${error}`));
    fixture.proxy = await ServiceProxy.connect(service, clientEnd, { context, ...options.proxy });
    return fixture;
  }

  /** Lets frames cross and promises settle. */
  async settle(): Promise<void> {
    for (let round = 0; round < 8; round++) await turn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { reject } of this.hung) reject(new Error('the test is over'));
    await this.settle();
    await this.proxy.close();
    const stopped = this.stub.stop();
    await this.settle();
    this.clock.advance(60_000);
    await stopped;
  }
}

const code = (expected: string, pattern = /./) => {
  return (error: unknown): true => {
    assert.ok(TendonError.is(error), String(error));
    assert.equal(error.code, expected, error.message);
    assert.match(error.message, pattern);
    return true;
  };
};

describe('a call', () => {
  it('[rpc-framework 89] is answered with what the handler returns, an empty value included', async () => {
    await using fixture = await Fixture.open();
    const { proxy } = fixture;
    for (const value of [{ a: [1, null, 'ü'] }, '', 0, null, undefined, 'x'.repeat(40_000)]) {
      assert.deepEqual(await proxy.call('echo', value), value);
    }
    assert.deepEqual(await proxy.call('bytes', new Uint8Array(0)), new Uint8Array(0));
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index * 7);
    for (const length of [1, 31, 32, 33, 64, 16_000, 70_000]) {
      assert.deepEqual(await proxy.call('bytes', bytes.subarray(0, length)), bytes.slice(0, length));
    }
    assert.deepEqual(await proxy.call('array', Float64Array.of(1.5, -0)), Float64Array.of(1.5, -0));
    assert.deepEqual(await proxy.call('packed', { n: 2n ** 40n, at: [1, 'x'] }), {
      n: 2n ** 40n,
      at: [1, 'x'],
    });
  });

  it('[rpc-framework 114] speaks the codec of its method, one of the application too, which may call in the middle', async () => {
    const inner: Promise<unknown>[] = [];
    const shout: Codec<string> = {
      id: 40,
      name: 'shout',
      encode: (value) => Buffer.from(value.toUpperCase()),
      encodeInto(value, target, offset) {
        const half = value.length >> 1;
        Buffer.from(value.slice(0, half).toUpperCase()).copy(target, offset);
        if (value === 'outer') inner.push(proxy.call('shout', 'inner within'));
        Buffer.from(value.slice(half).toUpperCase()).copy(target, offset + half);
        return value.length;
      },
      decode: (bytes, offset, length) => Buffer.from(bytes.slice(offset, offset + length)).toString(),
    };
    const contract = defineService('shouting', {
      methods: { shout: method<string, string>({ codec: shout as Codec }) },
    });
    const context = new Context();
    const [clientEnd, serverEnd] = loopback({ context });
    await using _stub = await ServiceStub.serve(
      contract,
      { shout: (heard) => `${heard}!` },
      { context, connection: serverEnd },
    );
    await using proxy = await ServiceProxy.connect(contract, clientEnd, { context });
    assert.equal(await proxy.call('shout', 'outer'), 'OUTER!');
    assert.equal(await inner[0], 'INNER WITHIN!');
  });

  it('owns what it is given: requests and responses outlive the frames they came in', async () => {
    const kept: Uint8Array[] = [];
    await using fixture = await Fixture.open({
      handlers: {
        bytes: async (value) => {
          kept.push(value);
          await turn();
          return value;
        },
      },
    });
    const answer = await fixture.proxy.call('bytes', Uint8Array.of(1, 2, 3));
    await fixture.settle(); // the test connection wipes every frame after its handler
    assert.deepEqual(kept[0], Uint8Array.of(1, 2, 3));
    assert.deepEqual(answer, Uint8Array.of(1, 2, 3));
  });

  it('costs an envelope of 16 bytes', async () => {
    await using fixture = await Fixture.open();
    fixture.clientEnd.recording = true;
    fixture.serverEnd.recording = true;
    await fixture.proxy.call('bytes', new Uint8Array(10));
    assert.deepEqual(
      [fixture.clientEnd.sentFrames[0]!.length, fixture.serverEnd.sentFrames[0]!.length],
      [26, 26],
    );
  });

  it('[rpc-framework 93] completes out of order, a thousand in flight on one connection', async () => {
    await using fixture = await Fixture.open({ stub: { maxConcurrentRequests: 1_000 } });
    const calls = Array.from({ length: 1_000 }, (_, index) => fixture.proxy.call('hang', `${index}`));
    await fixture.settle();
    assert.equal(fixture.hung.length, 1_000);
    for (const { request, resolve } of [...fixture.hung].reverse()) resolve(`answer ${request}`);
    assert.deepEqual(
      await Promise.all(calls),
      calls.map((_, index) => `answer ${index}`),
    );
  });

  it('[rpc-framework 92] answers ten thousand calls exactly, 64 in flight, handlers of both kinds mixed', async () => {
    let turns = 0;
    await using fixture = await Fixture.open({
      handlers: { echo: (value) => (turns++ % 3 === 0 ? turn(value) : value) },
    });
    const { proxy } = fixture;
    let next = 0;
    let answered = 0;
    const worker = async (): Promise<void> => {
      for (let mine = next++; mine < 10_000; mine = next++) {
        assert.deepEqual(await proxy.call('echo', { mine }), { mine });
        answered++;
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    assert.equal(answered, 10_000);
    const { totalCalls, successfulCalls, failedCalls, lateResponses, activeCalls } = proxy.stats;
    assert.deepEqual(
      { totalCalls, successfulCalls, failedCalls, lateResponses, activeCalls },
      { totalCalls: 10_000, successfulCalls: 10_000, failedCalls: 0, lateResponses: 0, activeCalls: 0 },
    );
    const { totalRequests, successfulResponses, activeHandlers } = fixture.stub.stats;
    assert.deepEqual([totalRequests, successfulResponses, activeHandlers], [10_000, 10_000, 0]);
  });

  it('leaves together with others: the answers to one batch of requests cross in one go', async () => {
    await using fixture = await Fixture.open();
    await Promise.all(Array.from({ length: 50 }, (_, index) => fixture.proxy.call('echo', index)));
    assert.equal(fixture.serverEnd.flushes, 1);
  });

  it('keeps its order and its bytes when the connection presses back in the middle', async () => {
    const order: number[] = [];
    await using fixture = await Fixture.open({
      loopback: { capacity: 3 },
      handlers: {
        echo: (value) => {
          order.push(value as number);
          return value;
        },
      },
    });
    const calls = Array.from({ length: 200 }, (_, index) => fixture.proxy.call('echo', index));
    assert.deepEqual(
      await Promise.all(calls),
      calls.map((_, index) => index),
    );
    assert.deepEqual(
      order,
      calls.map((_, index) => index),
    );
    assert.ok(fixture.clientEnd.stats.backPressured > 0);
  });

  it('carries metadata to the handler', async () => {
    let seen: unknown;
    await using fixture = await Fixture.open({
      handlers: {
        echo: (value, call) => {
          seen = [call.metadata, call.method, call.oneWay, call.peer?.pid];
          return value;
        },
      },
    });
    await fixture.proxy.call('echo', 'x', {
      metadata: [
        ['tenant', 'blue'],
        ['key', Uint8Array.of(7)],
      ],
    });
    assert.deepEqual(seen, [
      [
        ['tenant', 'blue'],
        ['key', Uint8Array.of(7)],
      ],
      'echo',
      false,
      process.pid,
    ]);
    await fixture.proxy.call('echo', 'x');
    assert.deepEqual((seen as unknown[])[0], []);
  });

  it('may be made by a toJSON in the middle of another', async () => {
    await using fixture = await Fixture.open();
    const inner: Promise<unknown>[] = [];
    const request = {
      toJSON() {
        inner.push(fixture.proxy.call('echo', 'inner'));
        return 'outer';
      },
    };
    assert.equal(await fixture.proxy.call('echo', request), 'outer');
    assert.equal(await inner[0], 'inner');
  });
});

describe('code of the program that runs within a call', () => {
  it('may close the proxy while its request is encoded', async () => {
    await using fixture = await Fixture.open();
    const { proxy } = fixture;
    const request = {
      toJSON() {
        void proxy.close();
        return 'x';
      },
    };
    await assert.rejects(proxy.call('echo', request), code('CONNECTION_CLOSED'));
    await assert.rejects(proxy.call('echo', 1), code('CONNECTION_CLOSED'));
    assert.equal(proxy.stats.activeCalls, 0);
    assert.equal(proxy.stats.failedCalls, 2);
  });

  it('may answer with something that only looks like a promise', async () => {
    const odd: Readonly<Record<string, unknown>> = {
      getter: Object.defineProperty({}, 'then', {
        get() {
          throw new Error('no then for you');
        },
      }),
      throws: {
        // biome-ignore lint/suspicious/noThenProperty: the point of the test
        then() {
          throw new Error('then failed');
        },
      },
      twice: {
        // biome-ignore lint/suspicious/noThenProperty: the point of the test
        then(resolve: (value: string) => void) {
          resolve('first');
          resolve('second');
        },
      },
    };
    await using fixture = await Fixture.open({ handlers: { echo: (which) => odd[which as string] } });
    const { proxy, stub } = fixture;
    await assert.rejects(proxy.call('echo', 'getter'), code('HANDLER_FAILED', /no then for you/));
    await assert.rejects(proxy.call('echo', 'throws'), code('HANDLER_FAILED', /then failed/));
    assert.equal(await proxy.call('echo', 'twice'), 'first');
    assert.equal(stub.stats.activeHandlers, 0);
    assert.equal(proxy.stats.lateResponses, 0);
  });
});

describe('callAsync', () => {
  it('[rpc-framework 91] returns at once and tells the callback exactly one outcome', async () => {
    await using fixture = await Fixture.open();
    const { proxy } = fixture;
    const told: unknown[] = [];
    const note = (error: TendonError | undefined, value: unknown) => told.push([error?.code, value]);
    proxy.callAsync('echo', 5, note);
    proxy.callAsync('fail', 'no', note as never);
    proxy.callAsync('nothing' as never, 1, note);
    proxy.callAsync('echo', 1n, note);
    assert.deepEqual(told, [], 'nobody is told before callAsync returns');
    await fixture.settle();
    assert.deepEqual(told, [
      ['METHOD_NOT_FOUND', undefined],
      ['ENCODE_FAILED', undefined],
      [undefined, 5],
      ['HANDLER_FAILED', undefined],
    ]);
    assert.equal(proxy.stats.activeCalls, 0);
  });
});

describe('callOneWay', () => {
  it('[rpc-framework 94] is served and puts no answer on the wire', async () => {
    await using fixture = await Fixture.open();
    fixture.serverEnd.recording = true;
    await fixture.proxy.callOneWay('note', 'a');
    await fixture.proxy.callOneWay('echo', 'b');
    await fixture.proxy.callOneWay('fail', 'c');
    await fixture.settle();
    assert.deepEqual(fixture.notes, ['a']);
    assert.equal(fixture.serverEnd.sentFrames.length, 0);
    assert.deepEqual(fixture.failures, ['fail: Error: c']);
    const { totalCalls, oneWayCalls, successfulCalls, activeCalls } = fixture.proxy.stats;
    assert.deepEqual([totalCalls, oneWayCalls, successfulCalls, activeCalls], [3, 3, 3, 0]);
  });

  it('is the only way to a one-way method, here and on the server', async () => {
    await using fixture = await Fixture.open();
    await assert.rejects(
      fixture.proxy.call('note' as never, 'x' as never),
      code('STATE_INVALID', /callOneWay/),
    );
    const answering = defineService('tests', { methods: { note: method<string, string>() } });
    await using other = await Fixture.open();
    const [clientEnd, serverEnd] = loopback({ context: other.context });
    await using stub = await ServiceStub.serve(
      defineService('tests', { methods: { note: method<string>({ oneWay: true }) } }),
      { note: () => {} },
      { connection: serverEnd, context: other.context },
    );
    await using proxy = await ServiceProxy.connect(answering, clientEnd, { context: other.context });
    await assert.rejects(proxy.call('note', 'x'), code('VALIDATION_FAILED', /one way/));
    assert.equal(stub.stats.rejectedRequests, 1);
  });

  it('waits for room, and fails when too many wait', async () => {
    await using fixture = await Fixture.open({ loopback: { capacity: 2, maxQueuedSends: 3 } });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) => fixture.proxy.callOneWay('note', `${index}`)),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    );
    code('QUEUE_FULL')((outcomes[5] as PromiseRejectedResult).reason);
    await fixture.settle();
    assert.deepEqual(fixture.notes, ['0', '1', '2', '3', '4']);
  });
});

describe('a deadline', () => {
  it('[rpc-framework 95] ends the call with DEADLINE_EXCEEDED and reaches the handler as an abort', async () => {
    await using fixture = await Fixture.open({ stub: { requestTimeoutMs: 200 } });
    const { proxy, clock, hung, stub } = fixture;
    const call = proxy.call('hang', 'x', { deadlineMs: 100 });
    await fixture.settle();
    const { signal, remainingMs } = hung[0]!.call;
    assert.equal(remainingMs, 100, 'the server counts on what the caller has left');
    clock.advance(60);
    assert.equal(hung[0]!.call.remainingMs, 40);
    clock.advance(39);
    assert.equal(signal.aborted, false);
    clock.advance(2);
    await assert.rejects(call, code('DEADLINE_EXCEEDED', /tests\.hang did not answer within 100 ms/));
    await fixture.settle();
    assert.ok(signal.aborted);
    const { failedCalls, timeoutCalls, activeCalls } = proxy.stats;
    assert.deepEqual([failedCalls, timeoutCalls, activeCalls], [1, 1, 0]);
    assert.equal(stub.stats.activeHandlers, 1, 'it still runs');
    hung[0]!.resolve('too late');
    await fixture.settle();
    assert.equal(stub.stats.activeHandlers, 0, 'the slot is free');
  });

  it('[rpc-framework 108] [rpc-framework 87] is enforced by the server too, for the stub and without the proxy', async () => {
    await using fixture = await Fixture.open({ stub: { requestTimeoutMs: 200 } });
    const { proxy, clock, hung, stub } = fixture;
    const call = proxy.call('hang', 'x', { deadlineMs: Infinity });
    await fixture.settle();
    assert.equal(hung[0]!.call.remainingMs, 200);
    const rejected = assert.rejects(call, code('DEADLINE_EXCEEDED', /tests\.hang took longer than 200 ms/));
    clock.advance(201);
    await rejected;
    assert.ok(TendonError.is(hung[0]!.call.signal.reason, 'DEADLINE_EXCEEDED'));
    assert.deepEqual(
      [stub.stats.timeoutRequests, stub.stats.errorResponses, stub.stats.activeHandlers],
      [1, 1, 1],
    );
    assert.equal(proxy.stats.timeoutCalls, 1);
    hung[0]!.resolve('too late');
    await fixture.settle();
    assert.equal(stub.stats.activeHandlers, 0);
    assert.equal(proxy.stats.lateResponses, 0, 'a timed-out handler is not answered twice');
  });

  it('is the method’s own, else the proxy’s, else 5000 ms', async () => {
    await using fixture = await Fixture.open();
    const { proxy, hung } = fixture;
    const quick = proxy.call('quick', 'x');
    const slow = proxy.call('hang', 'x');
    await fixture.settle();
    assert.deepEqual(
      hung.map(({ call }) => call.remainingMs),
      [50, 5_000],
    );
    for (const { resolve } of hung) resolve('ok');
    await Promise.all([quick, slow]);
    await assert.rejects(proxy.call('echo', 1, { deadlineMs: -1 }), code('OPTION_INVALID', /got -1/));
    await assert.rejects(
      proxy.call('echo', 1, { deadlineMs: Number.NaN }),
      code('OPTION_INVALID', /got NaN/),
    );
    await assert.rejects(
      proxy.call('echo', 1, { deadlineMs: '50' as never }),
      code('OPTION_INVALID', /got 50/),
    );
  });

  it('[rpc-framework 96] drops and counts an answer that comes later', async () => {
    await using fixture = await Fixture.open({ loopback: { capacity: 1 } });
    const { proxy, clock, serverEnd } = fixture;
    serverEnd.recording = true;
    const call = proxy.call('echo', 'x', { deadlineMs: 10 }); // the frame is on its way, the server has not run
    const rejected = assert.rejects(call, code('DEADLINE_EXCEEDED'));
    clock.advance(11);
    await rejected;
    await fixture.settle();
    assert.equal(serverEnd.sentFrames.length, 1);
    assert.equal(proxy.stats.lateResponses, 1);
  });

  it('is not told to the server in advance of time that was spent waiting for a turn', async () => {
    await using fixture = await Fixture.open({ proxy: { maxInFlight: 1 } });
    const { proxy, clock, hung } = fixture;
    const first = proxy.call('hang', 'first');
    const second = proxy.call('hang', 'second', { deadlineMs: 1_000 });
    const third = proxy.call('hang', 'third', { deadlineMs: 300 });
    const rejected = assert.rejects(third, code('DEADLINE_EXCEEDED'));
    await fixture.settle();
    clock.advance(400);
    await rejected;
    hung[0]!.resolve('done');
    await first;
    await fixture.settle();
    assert.deepEqual(
      hung.map(({ request, call }) => [request, Math.round(call.remainingMs)]),
      [
        ['first', 4_600],
        ['second', 600],
      ],
    );
    hung[1]!.resolve('done');
    await second;
  });
});

describe('an AbortSignal', () => {
  it('gives a call up here and on the server, with its reason as cause', async () => {
    await using fixture = await Fixture.open();
    const { proxy, hung, stub } = fixture;
    const controller = new AbortController();
    const call = proxy.call('hang', 'x', { signal: controller.signal });
    await fixture.settle();
    const { signal } = hung[0]!.call;
    const reason = new Error('the user left');
    const rejected = assert.rejects(call, (error: TendonError) => {
      code('ABORTED')(error);
      assert.equal(error.cause, reason);
      return true;
    });
    controller.abort(reason);
    await rejected;
    await fixture.settle();
    assert.ok(TendonError.is(signal.reason, 'CANCELLED'));
    assert.deepEqual([stub.stats.cancelledRequests, stub.stats.activeHandlers], [1, 1]);
    hung[0]!.resolve('nobody listens');
    await fixture.settle();
    assert.equal(stub.stats.activeHandlers, 0);
    assert.equal(proxy.stats.lateResponses, 0);
  });

  it('that is aborted already sends nothing', async () => {
    await using fixture = await Fixture.open();
    await assert.rejects(fixture.proxy.call('echo', 1, { signal: AbortSignal.abort() }), code('ABORTED'));
    assert.equal(fixture.clientEnd.stats.framesSent, 0);
  });

  it('takes a call out of the line that waits for its turn, without a word to the server', async () => {
    await using fixture = await Fixture.open({ proxy: { maxInFlight: 1 } });
    const { proxy, hung } = fixture;
    const controller = new AbortController();
    const calls = [
      proxy.call('hang', 'a'),
      proxy.call('hang', 'b', { signal: controller.signal }),
      proxy.call('hang', 'c'),
    ];
    const rejected = assert.rejects(calls[1]!, code('ABORTED'));
    controller.abort();
    await rejected;
    await fixture.settle();
    hung[0]!.resolve('a');
    await fixture.settle();
    hung[1]!.resolve('c');
    assert.deepEqual(await Promise.all([calls[0], calls[2]]), ['a', 'c']);
    assert.equal(fixture.stub.stats.totalRequests, 2);
  });

  it('is shared by any number of calls, with one listener', async () => {
    await using fixture = await Fixture.open();
    const controller = new AbortController();
    const { signal } = controller;
    let added = 0;
    const add = signal.addEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      added++;
      add(...args);
    };
    const calls = Array.from({ length: 50 }, (_, index) =>
      fixture.proxy.call('hang', `${index}`, { signal }),
    );
    const settled = Promise.allSettled(calls);
    await fixture.settle();
    fixture.hung[7]!.resolve('in time');
    await calls[7];
    controller.abort();
    const outcomes = await settled;
    assert.equal(added, 1);
    assert.deepEqual(
      outcomes.map(({ status }) => status === 'fulfilled'),
      outcomes.map((_, index) => index === 7),
    );
    await fixture.settle();
    assert.equal(fixture.stub.stats.cancelledRequests, 49);
  });

  it('is left without listeners by calls that are over', async () => {
    await using fixture = await Fixture.open();
    const { signal } = new AbortController();
    const removed: string[] = [];
    const remove = signal.removeEventListener.bind(signal);
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      removed.push(args[0]);
      remove(...args);
    };
    await fixture.proxy.call('echo', 1, { signal });
    assert.deepEqual(removed, ['abort']);
  });

  it('is made on the server only when a handler asks, also after the fact', async () => {
    await using fixture = await Fixture.open();
    const { proxy, hung } = fixture;
    const controller = new AbortController();
    const call = proxy.call('hang', 'x', { signal: controller.signal });
    await fixture.settle();
    const rejected = assert.rejects(call, code('ABORTED'));
    controller.abort();
    await rejected;
    await fixture.settle();
    assert.ok(hung[0]!.call.signal.aborted);
    assert.ok(TendonError.is(hung[0]!.call.signal.reason, 'CANCELLED'));
  });
});

describe('an error', () => {
  it('[rpc-framework 90] crosses as HANDLER_FAILED with the text of what the handler threw', async () => {
    await using fixture = await Fixture.open({
      handlers: { hang: async () => Promise.reject(new Error('later')) },
    });
    const { proxy } = fixture;
    await assert.rejects(proxy.call('fail', 'boom'), (error: TendonError) => {
      code('HANDLER_FAILED', /tests\.fail failed: boom/)(error);
      assert.deepEqual(error.details, { method: 'fail' });
      assert.equal(error.retryable, false);
      return true;
    });
    await assert.rejects(proxy.call('hang', 'x'), code('HANDLER_FAILED', /later/));
    assert.deepEqual(fixture.failures, ['fail: Error: boom', 'hang: Error: later']);
    assert.equal(fixture.stub.stats.errorResponses, 2);
  });

  it('[rpc-framework 109] reaches the stub’s own listener with the name of the method', async () => {
    await using fixture = await Fixture.open();
    const cause = new Error('original');
    const heard: unknown[] = [];
    fixture.stub.events.on('handlerFailed', (error, name) => heard.push(error, name));
    fixture.stub.events.on('handlerFailed', () => {});
    await assert.rejects(fixture.proxy.call('fail', 'x'), code('HANDLER_FAILED'));
    assert.equal((heard[0] as Error).message, 'x');
    assert.equal(heard[1], 'fail');
    assert.ok(cause instanceof Error);
  });

  it('of the application keeps its code, message, details and retryability', async () => {
    await using fixture = await Fixture.open({
      handlers: {
        fail: () => {
          throw serviceError('NO_FUNDS', 'no money', { details: { missing: 12 }, retryable: true });
        },
      },
    });
    await assert.rejects(fixture.proxy.call('fail', 'x'), (error: TendonError<'REMOTE'>) => {
      code('REMOTE', /^no money$/)(error);
      assert.deepEqual(error.details, {
        remoteCode: 'NO_FUNDS',
        remoteDetails: { missing: 12 },
        remoteRetryable: true,
      });
      assert.equal(error.retryable, true);
      return true;
    });
  });

  it('of ours that a handler threw keeps its code and details', async () => {
    await using fixture = await Fixture.open({
      handlers: {
        fail: () => {
          throw new TendonError('RESOURCE_EXHAUSTED', 'no slots', { resource: 'slots' });
        },
      },
    });
    await assert.rejects(fixture.proxy.call('fail', 'x'), (error: TendonError) => {
      code('RESOURCE_EXHAUSTED', /^no slots$/)(error);
      assert.deepEqual(error.details, { resource: 'slots' });
      assert.equal(error.retryable, true);
      return true;
    });
  });

  it('crosses whatever it is made of: half characters, cycles, no error at all', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const thrown = [
      serviceError('ODD', 'half \ud800 of a pair', { details: cycle }),
      serviceError('BIG', 'x'.repeat(100_000), { details: 'y'.repeat(100_000) }),
      'just text',
      undefined,
      Object.assign(new TendonError('REMOTE', 'by hand', { remoteCode: 3 } as never)),
    ];
    await using fixture = await Fixture.open({
      handlers: {
        fail: (index) => {
          throw thrown[Number(index)];
        },
      },
    });
    const { proxy } = fixture;
    const seen: unknown[] = [];
    for (let index = 0; index < thrown.length; index++) {
      const error: TendonError = await proxy.call('fail', `${index}`).then(
        () => assert.fail(),
        (reason) => reason,
      );
      const remote = TendonError.is(error, 'REMOTE') ? error.details.remoteCode : undefined;
      seen.push([error.code, remote, error.message.slice(0, 40)]);
    }
    assert.deepEqual(seen, [
      ['REMOTE', 'ODD', 'half \ufffd of a pair'],
      ['REMOTE', 'BIG', 'x'.repeat(40)],
      ['HANDLER_FAILED', undefined, 'tests.fail failed: just text'],
      ['HANDLER_FAILED', undefined, 'tests.fail failed: undefined'],
      ['REMOTE', 'REMOTE', 'by hand'],
    ]);
  });

  it('says METHOD_NOT_FOUND for a name that the contract, or the server, does not have', async () => {
    await using fixture = await Fixture.open();
    await assert.rejects(
      fixture.proxy.call('missing' as never, 1 as never),
      code('METHOD_NOT_FOUND', /no method "missing"; it has echo, bytes/),
    );
    const newer = defineService('tests', { methods: { added: method<void, void>() } });
    const [clientEnd, serverEnd] = loopback({ context: fixture.context });
    await using _stub = await ServiceStub.serve(
      defineService('tests', { methods: { old: method<void, void>() } }),
      { old: () => {} },
      { connection: serverEnd, context: fixture.context },
    );
    await using proxy = await ServiceProxy.connect(newer, clientEnd, { context: fixture.context });
    await assert.rejects(
      proxy.call('added'),
      code('METHOD_NOT_FOUND', /the server of tests has no method "added"/),
    );
  });

  it('[rpc-framework 105] says VALIDATION_FAILED for what a validator refuses, before the handler runs', async () => {
    await using fixture = await Fixture.open();
    await assert.rejects(fixture.proxy.call('even', 3), code('VALIDATION_FAILED', /request of tests\.even/));
    assert.equal(fixture.handlersRun, 0);
    assert.equal(await fixture.proxy.call('even', 2), 2);
    await assert.rejects(
      fixture.proxy.call('even', 4),
      code('VALIDATION_FAILED', /response of tests\.even is not valid: four is not allowed/),
    );
    const { rejectedRequests, errorResponses } = fixture.stub.stats;
    assert.deepEqual([rejectedRequests, errorResponses], [1, 0]);
  });

  it('stays with the call whose request, or response, has no bytes or too many', async () => {
    await using fixture = await Fixture.open({
      loopback: { maxFrameBytes: 1_000 },
      handlers: {
        hang: async () => 'x'.repeat(2_000),
        quick: async () => 1n as never,
        bytes: (value) => (value.length === 1 ? new Uint8Array(2_000) : value),
      },
    });
    const { proxy } = fixture;
    await assert.rejects(proxy.call('echo', 1n), code('ENCODE_FAILED'));
    await assert.rejects(proxy.call('bytes', 'text' as never), code('ENCODE_FAILED'));
    await assert.rejects(proxy.call('echo', 'x'.repeat(1_000)), code('FRAME_TOO_LARGE', /maxFrameBytes/));
    await assert.rejects(proxy.call('bytes', new Uint8Array(985)), code('FRAME_TOO_LARGE'));
    await assert.rejects(proxy.call('hang', 'x'), code('FRAME_TOO_LARGE'));
    await assert.rejects(proxy.call('bytes', new Uint8Array(1)), code('FRAME_TOO_LARGE'));
    await assert.rejects(proxy.call('quick', 'x'), code('ENCODE_FAILED'));
    assert.equal(await proxy.call('echo', 'fine'), 'fine');
    assert.deepEqual(await proxy.call('bytes', new Uint8Array(984)), new Uint8Array(984));
    await assert.rejects(
      proxy.call('fail', 'x'.repeat(900)),
      code('HANDLER_FAILED', /^tests\.fail failed: x+$/),
    );
    assert.equal(proxy.stats.activeCalls, 0);
  });

  it('of a codec that both sides do not share is DECODE_FAILED for that call only', async () => {
    await using fixture = await Fixture.open();
    const [clientEnd, serverEnd] = loopback({ context: fixture.context });
    const theirs = defineService('tests', {
      methods: { echo: method<unknown, unknown>({ codec: 'msgpack' }) },
    });
    await using stub = await ServiceStub.serve(
      theirs,
      { echo: (value) => value },
      { connection: serverEnd, context: fixture.context },
    );
    await using proxy = await ServiceProxy.connect(service, clientEnd, { context: fixture.context });
    await assert.rejects(proxy.call('echo', 1), code('DECODE_FAILED', /codec msgpack \(4\).* codec 2/));
    assert.equal(stub.stats.rejectedRequests, 1);
  });
});

describe('a full house', () => {
  it('is not got round by callers that give up: their handlers count until they have finished', async () => {
    await using fixture = await Fixture.open({ stub: { maxConcurrentRequests: 3 } });
    const { proxy, hung, clock, stub } = fixture;
    const controller = new AbortController();
    const outcomes = Promise.allSettled([
      proxy.call('hang', 'a', { signal: controller.signal }),
      proxy.call('hang', 'b', { deadlineMs: 10 }),
      proxy.callOneWay('hang', 'c'),
    ]);
    await fixture.settle();
    controller.abort();
    clock.advance(11);
    await outcomes;
    await fixture.settle();
    await assert.rejects(proxy.call('hang', 'd'), code('OVERLOADED'));
    assert.equal(hung.length, 3);
    hung[0]!.resolve('a');
    await fixture.settle();
    assert.equal(stub.stats.activeHandlers, 2);
    const next = proxy.call('hang', 'e');
    await fixture.settle();
    for (const { resolve, request } of hung) resolve(request);
    assert.equal(await next, 'e');
    assert.equal(stub.stats.activeHandlers, 0);
  });

  it('[rpc-framework 107] [rpc-framework 110] is refused with OVERLOADED exactly beyond maxConcurrentRequests, and counts as rejected only', async () => {
    await using fixture = await Fixture.open({ stub: { maxConcurrentRequests: 3 } });
    const { proxy, hung, stub } = fixture;
    const calls = ['a', 'b', 'c'].map((name) => proxy.call('hang', name));
    const fourth = proxy.call('hang', 'd');
    await assert.rejects(fourth, (error: TendonError) => {
      code('OVERLOADED')(error);
      assert.deepEqual(error.details, { limit: 3 });
      assert.equal(error.retryable, true);
      return true;
    });
    assert.equal(hung.length, 3);
    hung[1]!.resolve('b');
    await calls[1];
    const fifth = proxy.call('hang', 'e');
    await fixture.settle();
    assert.equal(hung.length, 4);
    for (const { resolve, request } of hung) resolve(request);
    assert.deepEqual(await Promise.all([calls[0], calls[2], fifth]), ['a', 'c', 'e']);
    const { rejectedRequests, errorResponses } = stub.stats;
    assert.deepEqual([rejectedRequests, errorResponses], [1, 0]);
  });

  it('makes a proxy wait for its turn, in order, and then refuse with QUEUE_FULL', async () => {
    await using fixture = await Fixture.open({ proxy: { maxInFlight: 2, maxWaiting: 2 } });
    const { proxy, hung } = fixture;
    const calls = ['a', 'b', 'c', 'd'].map((name) => proxy.call('hang', name));
    await assert.rejects(proxy.call('hang', 'e'), code('QUEUE_FULL', /4 calls/));
    for (let index = 0; index < 4; index++) {
      await fixture.settle();
      assert.equal(hung.length, Math.min(index + 2, 4), 'two at a time');
      hung[index]!.resolve(hung[index]!.request);
    }
    assert.deepEqual(await Promise.all(calls), ['a', 'b', 'c', 'd']);
  });

  it('makes a proxy refuse at once when it is told to', async () => {
    await using fixture = await Fixture.open({ proxy: { maxInFlight: 1, whenFull: 'refuse' } });
    const first = fixture.proxy.call('hang', 'a');
    await assert.rejects(fixture.proxy.call('hang', 'b'), code('QUEUE_FULL'));
    await fixture.settle();
    fixture.hung[0]!.resolve('a');
    assert.equal(await first, 'a');
  });

  it('goes on with the next in line when one that waited cannot be sent', async () => {
    await using fixture = await Fixture.open({ proxy: { maxInFlight: 1, maxWaiting: 20_000 } });
    const { proxy, hung } = fixture;
    const first = proxy.call('hang', 'a');
    const bad = Array.from({ length: 15_000 }, () =>
      assert.rejects(proxy.call('echo', 1n), code('ENCODE_FAILED')),
    );
    const last = proxy.call('echo', 'last');
    await fixture.settle();
    hung[0]!.resolve('a');
    await Promise.all([first, ...bad]);
    assert.equal(await last, 'last');
  });

  it('bounds what a proxy holds when its server stops reading', async () => {
    await using fixture = await Fixture.open({
      loopback: { capacity: 4, maxQueuedSends: 8 },
      proxy: { maxInFlight: 6, maxWaiting: 4 },
    });
    const { proxy, clientEnd } = fixture;
    const outcomes = Array.from({ length: 30 }, (_, index) => proxy.call('echo', index));
    const settled = Promise.allSettled(outcomes); // the server has not had its turn yet
    assert.equal(proxy.stats.activeCalls, 10);
    assert.equal(clientEnd.stats.framesSent, 4);
    const codes = (await settled).map((outcome) =>
      outcome.status === 'fulfilled' ? 'answered' : (outcome.reason as TendonError).code,
    );
    assert.deepEqual(codes, [...Array(10).fill('answered'), ...Array(20).fill('QUEUE_FULL')]);
  });
});

describe('the end of a connection', () => {
  it('[rpc-framework 97] rejects every pending call with CONNECTION_LOST at once, those that wait for their turn too', async () => {
    await using fixture = await Fixture.open({ proxy: { maxInFlight: 5 } });
    const { proxy, clientEnd } = fixture;
    const calls = Array.from({ length: 9 }, (_, index) => proxy.call('hang', `${index}`));
    const settled = Promise.allSettled(calls);
    await fixture.settle();
    clientEnd.lose();
    assert.equal(proxy.stats.activeCalls, 0);
    for (const outcome of await settled) code('CONNECTION_LOST')((outcome as PromiseRejectedResult).reason);
    await assert.rejects(proxy.call('echo', 1), code('CONNECTION_LOST'));
    await assert.rejects(proxy.callOneWay('note', 'x'), code('CONNECTION_LOST'));
    assert.equal(proxy.stats.failedCalls, 11);
  });

  it('delivers the answers that had come before it', async () => {
    await using fixture = await Fixture.open();
    const { proxy, clientEnd, serverEnd } = fixture;
    const answered = proxy.call('echo', 'made it');
    const lost = assert.rejects(proxy.call('hang', 'x'), code('CONNECTION_LOST'));
    while (serverEnd.stats.framesSent === 0) await turn();
    clientEnd.lose();
    assert.equal(await answered, 'made it');
    await lost;
  });

  it('in good order is CONNECTION_LOST for calls that were not answered', async () => {
    await using fixture = await Fixture.open();
    const call = fixture.proxy.call('hang', 'x');
    await fixture.settle();
    const rejected = assert.rejects(call, code('CONNECTION_LOST'));
    await fixture.serverEnd.close();
    await rejected;
    await assert.rejects(fixture.proxy.call('echo', 1), code('CONNECTION_LOST'));
  });

  it('by close() here is CONNECTION_CLOSED', async () => {
    await using fixture = await Fixture.open();
    const { proxy } = fixture;
    const rejected = assert.rejects(proxy.call('hang', 'x'), code('CONNECTION_CLOSED'));
    await fixture.settle();
    await Promise.all([proxy.close(), proxy.close()]);
    await rejected;
    await assert.rejects(proxy.call('echo', 1), code('CONNECTION_CLOSED'));
  });

  it('aborts the handlers of that client', async () => {
    await using fixture = await Fixture.open();
    const { proxy, hung, serverEnd, stub } = fixture;
    const call = proxy.call('hang', 'x');
    const rejected = assert.rejects(call, code('CONNECTION_LOST'));
    await proxy.callOneWay('hang', 'y');
    await fixture.settle();
    const { signal } = hung[0]!.call;
    serverEnd.lose();
    assert.ok(TendonError.is(signal.reason, 'CONNECTION_LOST'));
    assert.deepEqual([stub.stats.activeHandlers, stub.stats.connections], [2, 0]);
    for (const { resolve } of hung) resolve('nobody listens');
    await fixture.settle();
    assert.equal(stub.stats.activeHandlers, 0);
    await rejected;
  });
});

describe('statistics', () => {
  it('[rpc-framework 103] grow with calls and start again, but for active calls', async () => {
    await using fixture = await Fixture.open();
    const { proxy, stub, clock, hung } = fixture;
    await proxy.call('echo', 1);
    await assert.rejects(proxy.call('fail', 'x'));
    const open = proxy.call('hang', 'x');
    const slow = proxy.call('hang', 'y');
    await fixture.settle();
    clock.advance(30);
    hung[1]!.resolve('y');
    await slow;
    const stats = proxy.stats;
    assert.deepEqual(
      [
        stats.totalCalls,
        stats.successfulCalls,
        stats.failedCalls,
        stats.activeCalls,
        stats.avgResponseTimeUs,
      ],
      [4, 2, 1, 1, 10_000],
    );
    const served = stub.stats;
    assert.deepEqual(
      [served.totalRequests, served.successfulResponses, served.errorResponses, served.activeHandlers],
      [4, 2, 1, 1],
    );
    assert.ok(served.avgProcessingTimeUs > 0);
    assert.equal(served.bytesReceived, fixture.clientEnd.stats.bytesSent || served.bytesReceived);
    proxy.resetStats();
    stub.resetStats();
    assert.deepEqual([proxy.stats.totalCalls, proxy.stats.activeCalls], [0, 1]);
    assert.deepEqual([stub.stats.totalRequests, stub.stats.activeHandlers, stub.stats.bytesSent], [0, 1, 0]);
    hung[0]!.resolve('x');
    await open;
  });

  it('say what crossed, in bytes', async () => {
    await using fixture = await Fixture.open();
    fixture.clientEnd.recording = true;
    fixture.serverEnd.recording = true;
    await fixture.proxy.call('echo', 'abc');
    await fixture.proxy.call('bytes', new Uint8Array(90_000));
    const bytes = (frames: readonly Uint8Array[]) => frames.reduce((sum, { length }) => sum + length, 0);
    assert.equal(fixture.stub.stats.bytesReceived, bytes(fixture.clientEnd.sentFrames));
    assert.equal(fixture.stub.stats.bytesSent, bytes(fixture.serverEnd.sentFrames));
    assert.equal(decodeMessage(fixture.clientEnd.sentFrames[0]!).kind, Kind.REQUEST);
  });
});
