import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { methodIdOf } from '../envelope/index.ts';
import { defineService, type Handlers, method, type ServiceProxy, serviceError } from './index.ts';

const invalid = (option: string, pattern: RegExp) => (error: unknown) =>
  TendonError.is(error, 'OPTION_INVALID') && error.details.option === option && pattern.test(error.message);

describe('defineService', () => {
  it('numbers each method by the names of service and method, whatever their order', () => {
    const one = defineService('store', {
      methods: { get: method<string, string>(), put: method<string, void>() },
    });
    const other = defineService('store', {
      methods: { put: method<string, void>(), get: method<string, string>() },
    });
    assert.deepEqual({ ...one.methodIds }, { get: methodIdOf('store/get'), put: methodIdOf('store/put') });
    assert.deepEqual({ ...one.methodIds }, { ...other.methodIds });
  });

  it('refuses two methods whose numbers are equal', () => {
    // Found by trying: their CRC-32C is the same behind "twins/".
    const methods = { vpbgmlsta: method<void, void>(), idynbssyc: method<void, void>() };
    assert.equal(methodIdOf('twins/vpbgmlsta'), methodIdOf('twins/idynbssyc'));
    assert.throws(() => defineService('twins', { methods }), invalid('methods', /same number .* rename one/));
  });

  it('refuses bad names, no methods, unknown options and unknown codecs', () => {
    const methods = { ok: method<void, void>() };
    assert.throws(() => defineService('a/b', { methods }), invalid('name of a service', /must match/));
    assert.throws(
      () => defineService('a', { methods: { 'b c': methods.ok } }),
      invalid('name of a method of a', /must match/),
    );
    assert.throws(() => defineService('a', { methods: {} }), invalid('methods', /no methods/));
    assert.throws(
      () => defineService('a', { methods, more: 1 } as never),
      invalid('more', /no option "more"/),
    );
    assert.throws(() => method({ codec: 'xml' as never }), invalid('codec', /one of json/));
    assert.throws(() => method({ deadlineMs: 0 }), invalid('deadlineMs', /of at least 1/));
  });

  it('gives an error of the application a code that is not ours', () => {
    const error = serviceError('NO_FUNDS', 'no money', { details: { missing: 3 }, retryable: true });
    assert.equal(error.details.remoteCode, 'NO_FUNDS');
    assert.equal(error.retryable, true);
    assert.throws(() => serviceError('OVERLOADED', 'x'), invalid('code', /not be Tendon's own/));
    assert.throws(() => serviceError('no funds', 'x'), invalid('code', /must match/));
  });
});

const typed = defineService('typed', {
  methods: {
    add: method<{ a: number; b: number }, number>(),
    status: method<void, string>(),
    note: method<string>({ oneWay: true }),
  },
});

/** Never run: the compiler is the test. */
export async function typesOfAProxy(proxy: ServiceProxy<typeof typed.methods>): Promise<void> {
  const sum: number = await proxy.call('add', { a: 1, b: 2 });
  const status: string = await proxy.call('status');
  await proxy.call('add', { a: 1, b: sum }, { deadlineMs: status.length });
  await proxy.callOneWay('note', 'text');
  await proxy.callOneWay('status');
  proxy.callAsync('add', { a: 1, b: 2 }, (_error, response: number | undefined) => response);
  // @ts-expect-error the request is of another type
  await proxy.call('add', { a: '1', b: 2 });
  // @ts-expect-error a field is missing
  await proxy.call('add', { a: 1 });
  // @ts-expect-error the request is missing
  await proxy.call('add');
  // @ts-expect-error there is no such method
  await proxy.call('subtract', { a: 1, b: 2 });
  // @ts-expect-error a one-way method has no answer
  await proxy.call('note', 'text');
  // @ts-expect-error the response is of another type
  const text: string = await proxy.call('add', { a: 1, b: 2 });
  // @ts-expect-error unknown option
  await proxy.call('status', undefined, { timeout: text });
}

/** Never run: the compiler is the test. */
export const typesOfHandlers: readonly Handlers<typeof typed.methods>[] = [
  { add: ({ a, b }) => a + b, status: async () => 'fine', note: () => {} },
  // @ts-expect-error a handler is missing
  { add: ({ a, b }) => a + b, status: () => 'fine' },
  // @ts-expect-error a response is of another type
  { add: ({ a, b }) => `${a}${b}`, status: () => 'fine', note: () => {} },
  // @ts-expect-error a request is of another type
  { add: (request: string) => request.length, status: () => 'fine', note: () => {} },
];
