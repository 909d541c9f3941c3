import { EventEmitter } from 'node:events';
import {
  type ClockTimer,
  Context,
  durationOption,
  integerOption,
  type Logger,
  refuseUnknownOptions,
  TendonError,
} from '../core/index.ts';
import type { Connection, Listener } from '../transport/index.ts';
import { resolveMethods } from './resolved-method.ts';
import type { CallContext } from './server-call.ts';
import type { MethodTable, RequestOf, ResponseOf, Service } from './service.ts';
import type { AnyHandler, ServedMethod, StubCore } from './stub-core.ts';
import { StubSession } from './stub-session.ts';

/** Serves one method: returns the response or a promise of it, or throws. */
export type Handler<Request, Response> = (
  request: Request,
  call: CallContext,
) => Response | PromiseLike<Response>;

/** A handler for every method of a service; a class with methods of these names will do. */
export type Handlers<Methods extends MethodTable> = {
  readonly [Name in keyof Methods]: Handler<RequestOf<Methods[Name]>, ResponseOf<Methods[Name]>>;
};

export interface StubOptions {
  /** where clients come from; the stub closes it when it stops */
  readonly listener?: Listener;
  /** a single client, instead of a listener; the stub closes it when it stops */
  readonly connection?: Connection;
  /** clock, deadlines and log; a new one when absent. Give the listener's. */
  readonly context?: Context;
  /** handlers under way at once, over all clients, cancelled ones that go on included; further requests are refused with OVERLOADED; 100 */
  readonly maxConcurrentRequests?: number;
  /** the longest a handler may take, in ms, or Infinity; a caller's own deadline counts where it is shorter; 30 000 */
  readonly requestTimeoutMs?: number;
  /** how long `stop` waits for handlers, in ms; 5000 */
  readonly shutdownTimeoutMs?: number;
}

export const STUB_DEFAULTS = {
  maxConcurrentRequests: 100,
  requestTimeoutMs: 30_000,
  shutdownTimeoutMs: 5_000,
} as const;

/** Counts since `serve` or `resetStats`. */
export interface StubStats {
  readonly totalRequests: number;
  /** answered with a response, and one-way requests that were served */
  readonly successfulResponses: number;
  /** answered with an error after they were accepted: unknown method, failed handler, time-out */
  readonly errorResponses: number;
  /** refused before a handler ran: overloaded, draining, not valid */
  readonly rejectedRequests: number;
  /** handlers that took longer than they may; part of `errorResponses` unless one way */
  readonly timeoutRequests: number;
  /** given up by their callers while the handler ran */
  readonly cancelledRequests: number;
  /** clients that were cut off: they broke the protocol, or did not read their answers */
  readonly droppedConnections: number;
  /** mean time from the arrival of a request to its answer; handlers that answer at once are sampled, one in 16 */
  readonly avgProcessingTimeUs: number;
  /** handlers under way; `resetStats` leaves it */
  readonly activeHandlers: number;
  readonly connections: number;
  /** envelope and payload */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

export interface StubEvents {
  /** a handler threw, or its response could not be encoded; the caller was told */
  handlerFailed: [error: unknown, method: string];
  /** a client was cut off; the others are served on */
  dropped: [reason: TendonError];
}

export interface StopReport {
  /** every handler finished within `shutdownTimeoutMs` */
  readonly finished: boolean;
  /** handlers that had not, their callers waiting or not; they were told to stop */
  readonly abandoned: number;
}

/**
 * The server of a service: answers the requests of every client of a listener, or of one connection.
 *
 * A handler that returns a value is answered within the same turn, without a promise. What a handler throws crosses:
 * a TendonError (see also `serviceError`) with its code and details, anything else as HANDLER_FAILED with its message.
 */
export class ServiceStub<Methods extends MethodTable> implements AsyncDisposable {
  readonly service: Service<Methods>;
  /** For people and dashboards. Requests never travel here. */
  readonly events: EventEmitter<StubEvents> = new EventEmitter();
  readonly #core: StubCore;
  readonly #context: Context;
  readonly #logger: Logger;
  readonly #shutdownTimeoutMs: number;
  readonly #listener: Listener | undefined;
  readonly #sessions = new Set<StubSession>();
  readonly #accepting = new AbortController();
  #acceptLoop: Promise<void> = Promise.resolve();
  #stopped: Promise<StopReport> | undefined = undefined;

  private constructor(
    service: Service<Methods>,
    methods: ReadonlyMap<number, ServedMethod>,
    context: Context,
    options: StubOptions,
  ) {
    const timeoutMs = options.requestTimeoutMs ?? STUB_DEFAULTS.requestTimeoutMs;
    const shutdownMs = options.shutdownTimeoutMs ?? STUB_DEFAULTS.shutdownTimeoutMs;
    this.service = service;
    this.#context = context;
    this.#logger = context.logger;
    this.#listener = options.listener;
    this.#shutdownTimeoutMs = durationOption('shutdownTimeoutMs', shutdownMs);
    this.#core = {
      service: service.name,
      clock: context.clock,
      deadlines: context.deadlines,
      methods,
      maxConcurrentRequests: integerOption(
        'maxConcurrentRequests',
        options.maxConcurrentRequests ?? STUB_DEFAULTS.maxConcurrentRequests,
        1,
        0x7fff_ffff,
      ),
      requestTimeoutMs: durationOption('requestTimeoutMs', timeoutMs, 1, true),
      counts: {
        requests: 0,
        successful: 0,
        errors: 0,
        rejected: 0,
        timeouts: 0,
        cancelled: 0,
        dropped: 0,
        bytesReceived: 0,
        bytesSent: 0,
        timed: 0,
        timedMs: 0,
      },
      draining: false,
      active: 0,
      idle: undefined,
      handlerFailed: (error, method) => this.events.emit('handlerFailed', error, method),
      dropped: (_session, reason) => {
        this.#logger.warn({ service: service.name, err: reason }, 'client dropped');
        this.events.emit('dropped', reason);
      },
      closed: (session) => {
        this.#core.counts.bytesSent += session.bytesSent;
        this.#sessions.delete(session);
      },
    };
  }

  /**
   * Starts to serve.
   *
   * @param handlers one for each method, called with `this` being `handlers`
   * @throws TendonError OPTION_INVALID, also for a missing handler; STATE_INVALID when somebody receives from the
   *   connection already; DEPENDENCY_MISSING when a codec's package is not installed
   */
  static async serve<Methods extends MethodTable>(
    service: Service<Methods>,
    handlers: Handlers<Methods>,
    options: StubOptions,
  ): Promise<ServiceStub<Methods>> {
    refuseUnknownOptions('ServiceStub', options, [
      'listener',
      'connection',
      'context',
      'maxConcurrentRequests',
      'requestTimeoutMs',
      'shutdownTimeoutMs',
    ]);
    const { listener, connection } = options;
    if ((listener === undefined) === (connection === undefined)) {
      throw new TendonError('OPTION_INVALID', 'ServiceStub takes either a listener or a connection', {
        option: 'listener',
        value: listener,
      });
    }
    const methods = new Map<number, ServedMethod>();
    for (const resolved of await resolveMethods(service)) {
      const handler = (handlers as Readonly<Record<string, unknown>>)[resolved.name];
      if (typeof handler !== 'function') {
        throw new TendonError('OPTION_INVALID', `handlers must have a function "${resolved.name}"`, {
          option: 'handlers',
          value: handler,
        });
      }
      methods.set(resolved.id | 0, { resolved, handler: handler.bind(handlers) as AnyHandler }); // a function, checked above
    }
    const stub = new ServiceStub(service, methods, options.context ?? new Context(), options);
    if (connection !== undefined) stub.#attach(connection);
    if (listener !== undefined) stub.#acceptLoop = stub.#accept(listener);
    return stub;
  }

  get stats(): StubStats {
    const { counts, active } = this.#core;
    let { bytesSent } = counts;
    for (const session of this.#sessions) bytesSent += session.bytesSent;
    return {
      totalRequests: counts.requests,
      successfulResponses: counts.successful,
      errorResponses: counts.errors,
      rejectedRequests: counts.rejected,
      timeoutRequests: counts.timeouts,
      cancelledRequests: counts.cancelled,
      droppedConnections: counts.dropped,
      avgProcessingTimeUs: counts.timed === 0 ? 0 : (counts.timedMs / counts.timed) * 1_000,
      activeHandlers: active,
      connections: this.#sessions.size,
      bytesReceived: counts.bytesReceived,
      bytesSent,
    };
  }

  /** Counts from zero again; `activeHandlers` and `connections` stay. */
  resetStats(): void {
    const { counts } = this.#core;
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] = 0; // its own keys
    for (const session of this.#sessions) counts.bytesSent -= session.bytesSent;
  }

  /** True until `stop`. */
  get running(): boolean {
    return this.#stopped === undefined;
  }

  /**
   * Takes no new clients, answers new requests with DRAINING, waits up to `shutdownTimeoutMs` for the handlers under
   * way, then closes the connections and the listener. What has not finished by then is aborted and never answered.
   *
   * Every call returns the first call's promise.
   */
  stop(): Promise<StopReport> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #attach(connection: Connection): void {
    const session = new StubSession(connection, this.#core);
    this.#sessions.add(session);
    session.start();
  }

  async #accept(listener: Listener): Promise<void> {
    const { signal } = this.#accepting;
    while (!signal.aborted) {
      let connection: Connection;
      try {
        connection = await listener.accept({ signal });
      } catch (error) {
        if (!signal.aborted)
          this.#logger.warn({ service: this.service.name, err: error }, 'stopped accepting');
        return;
      }
      try {
        this.#attach(connection);
      } catch (error) {
        this.#logger.warn({ service: this.service.name, err: error }, 'client refused');
        connection.destroy();
      }
    }
  }

  async #stop(): Promise<StopReport> {
    const core = this.#core;
    core.draining = true;
    this.#accepting.abort();
    await this.#acceptLoop;
    const listenerClosed = this.#listener?.close();
    await this.#drained();
    const abandoned = core.active; // also those whose callers had given up before
    const reason = new TendonError('DRAINING', `the service ${core.service} has stopped`, {});
    for (const session of this.#sessions) session.abandonAll(reason);
    await Promise.all([...this.#sessions].map(({ connection }) => connection.close()));
    await listenerClosed;
    return { finished: abandoned === 0, abandoned };
  }

  /** Resolves when no handler is under way, or when the time for that is over. */
  #drained(): Promise<void> {
    const core = this.#core;
    if (core.active === 0 || this.#shutdownTimeoutMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: ClockTimer | undefined;
      const done = (): void => {
        timer?.cancel();
        core.idle = undefined;
        resolve();
      };
      core.idle = done;
      timer = this.#context.clock.setTimer(done, this.#shutdownTimeoutMs, true);
    });
  }
}
