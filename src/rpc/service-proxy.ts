import type { TendonError } from '../core/index.ts';
import type { Connection } from '../transport/index.ts';
import { type CallCallback, nothing } from './call.ts';
import { CallEngine } from './call-engine.ts';
import {
  type CallOptions,
  type OneWayOptions,
  type ProxyOptions,
  type ProxyStats,
  resolveProxyOptions,
} from './proxy-options.ts';
import { resolveMethods } from './resolved-method.ts';
import type { AnsweringMethods, MethodTable, RequestOf, ResponseOf, Service } from './service.ts';

type Args<Request, Options> = undefined extends Request
  ? [request?: Request, options?: Options]
  : [request: Request, options?: Options];

/**
 * The client of a service over one connection.
 *
 * Calls may be made at any time and in any number; answers come in the server's order. At most once: a call is sent
 * once, and when its connection ends nobody knows whether it was served (CONNECTION_LOST).
 */
export class ServiceProxy<Methods extends MethodTable> implements AsyncDisposable {
  readonly service: Service<Methods>;
  readonly connection: Connection;
  readonly #engine: CallEngine;
  #closing: Promise<void> | undefined = undefined;

  // The executor of every promise: it leaves both functions here, so that no call makes a closure.
  #resolve: (value: unknown) => void = nothing;
  #reject: (error: TendonError) => void = nothing;
  readonly #executor = (resolve: (value: unknown) => void, reject: (error: TendonError) => void): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };

  private constructor(service: Service<Methods>, connection: Connection, engine: CallEngine) {
    this.service = service;
    this.connection = connection;
    this.#engine = engine;
  }

  /**
   * A proxy for `service` over `connection`, which is the proxy's from now on: it closes with it.
   *
   * @param connection open, its receiving side unused; or a function that opens one
   * @throws TendonError OPTION_INVALID; STATE_INVALID when somebody receives from the connection already;
   *   DEPENDENCY_MISSING when a codec's package is not installed; whatever opening the connection throws
   */
  static async connect<Methods extends MethodTable>(
    service: Service<Methods>,
    connection: Connection | (() => Promise<Connection>),
    options: ProxyOptions = {},
  ): Promise<ServiceProxy<Methods>> {
    const resolved = resolveProxyOptions(options);
    const methods = await resolveMethods(service);
    if (typeof connection !== 'function') {
      const engine = new CallEngine(service.name, connection, methods, resolved);
      engine.start();
      return new ServiceProxy(service, connection, engine);
    }
    const opened = await connection();
    try {
      return await ServiceProxy.connect(service, opened, options);
    } catch (error) {
      opened.destroy(); // nobody else knows it
      throw error;
    }
  }

  /**
   * Calls a method and waits for its answer.
   *
   * The request must not change before the call has left, which is at once unless it waits for its turn.
   *
   * @throws TendonError (the promise rejects) DEADLINE_EXCEEDED; ABORTED; CONNECTION_LOST; CONNECTION_CLOSED after
   *   `close`; QUEUE_FULL; ENCODE_FAILED; FRAME_TOO_LARGE; DECODE_FAILED or VALIDATION_FAILED for the response; and what
   *   the server answers: OVERLOADED, DRAINING, METHOD_NOT_FOUND, VALIDATION_FAILED, HANDLER_FAILED, REMOTE with the
   *   handler's own code, or the TendonError that the handler threw
   */
  call<Name extends AnsweringMethods<Methods>>(
    name: Name,
    ...args: Args<RequestOf<Methods[Name]>, CallOptions>
  ): Promise<ResponseOf<Methods[Name]>>;
  call(name: string, request?: unknown, options?: CallOptions): Promise<unknown> {
    const promise = new Promise<unknown>(this.#executor);
    this.#engine.begin(name, request, options, this.#resolve, this.#reject, undefined);
    return promise;
  }

  /**
   * Calls a method and tells `callback` the outcome, exactly once, never before `callAsync` returns.
   *
   * For who makes calls by the hundred thousand: no promise is made. What the callback throws surfaces as an uncaught
   * exception.
   */
  callAsync<Name extends AnsweringMethods<Methods>>(
    name: Name,
    request: RequestOf<Methods[Name]>,
    callback: CallCallback<ResponseOf<Methods[Name]>>,
    options?: CallOptions,
  ): void {
    // What the proxy answers is of the method's type as far as the contract and its validator say.
    this.#engine.begin(name, request, options, nothing, nothing, callback as CallCallback<unknown>);
  }

  /**
   * Calls a method that is not answered, or whose answer nobody wants. Whether it was served is never known.
   *
   * @returns settles when the request is handed to the connection
   * @throws TendonError (the promise rejects) as `Connection.send`; ENCODE_FAILED
   */
  callOneWay<Name extends keyof Methods & string>(
    name: Name,
    ...args: Args<RequestOf<Methods[Name]>, OneWayOptions>
  ): Promise<void>;
  callOneWay(name: string, request?: unknown, options?: OneWayOptions): Promise<void> {
    return this.#engine.oneWay(name, request, options);
  }

  get stats(): ProxyStats {
    return this.#engine.stats;
  }

  /** Counts from zero again; `activeCalls` stays. */
  resetStats(): void {
    this.#engine.resetStats();
  }

  /** Rejects what is unanswered with CONNECTION_CLOSED, then closes the connection. */
  close(): Promise<void> {
    this.#closing ??= this.#engine.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
