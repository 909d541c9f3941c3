import {
  abortedError,
  Context,
  durationOption,
  integerOption,
  oneOfOption,
  refuseUnknownOptions,
  TendonError,
  type TimerWheel,
  WheelTimer,
} from '../core/index.ts';
import { EnvelopeReader, Kind, type MetadataEntry, NO_DEADLINE } from '../envelope/index.ts';
import type { Connection, FrameHandler } from '../transport/index.ts';
import { fromMessageError } from './call-error.ts';
import { closedError, FrameSender, lostError } from './frame-sender.ts';
import { PendingCalls, type PendingRecord } from './pending-calls.ts';
import { decodeValue, type ResolvedMethod, refusal, resolveMethods } from './resolved-method.ts';
import type { AnsweringMethods, MethodTable, RequestOf, ResponseOf, Service } from './service.ts';

/** What a call does when `maxInFlight` calls are unanswered: wait for its turn, or fail with QUEUE_FULL. */
export type FullPolicy = 'wait' | 'refuse';

export interface ProxyOptions {
  /** clock and deadlines; a new one when absent. Give the connection's. */
  readonly context?: Context;
  /** how long a call waits for its answer when neither it nor its method says so, in ms, or Infinity; 5000 */
  readonly deadlineMs?: number;
  /** calls that are sent and not answered, at most; 1024 */
  readonly maxInFlight?: number;
  /** `'wait'` */
  readonly whenFull?: FullPolicy;
  /** calls that wait for their turn, at most; further ones fail with QUEUE_FULL; 1024 */
  readonly maxWaiting?: number;
}

export const PROXY_DEFAULTS = {
  deadlineMs: 5_000,
  maxInFlight: 1_024,
  whenFull: 'wait',
  maxWaiting: 1_024,
} as const;

export interface CallOptions {
  /** gives the call up, here and on the server; it rejects with ABORTED */
  readonly signal?: AbortSignal;
  /** how long to wait for the answer, in ms, or Infinity; the method's, else the proxy's */
  readonly deadlineMs?: number;
  /** travels with the request; the handler reads it in `call.metadata` */
  readonly metadata?: readonly MetadataEntry[];
}

export interface OneWayOptions {
  /** travels with the request; the handler reads it in `call.metadata` */
  readonly metadata?: readonly MetadataEntry[];
}

/** Counts since `connect` or `resetStats`. */
export interface ProxyStats {
  /** calls made, one-way ones included */
  readonly totalCalls: number;
  readonly successfulCalls: number;
  /** all that rejected, those that timed out included */
  readonly failedCalls: number;
  readonly timeoutCalls: number;
  readonly oneWayCalls: number;
  /** mean time from call to answer, errors of the server included; 0 before the first */
  readonly avgResponseTimeUs: number;
  /** answers that nobody waited for any more, or never had */
  readonly lateResponses: number;
  /** calls without an outcome so far, waiting ones included; `resetStats` leaves it */
  readonly activeCalls: number;
}

/** `(error, response)`: exactly one of both is there, the response may be undefined. */
export type CallCallback<Response> = (error: TendonError | undefined, response: Response | undefined) => void;

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
  readonly #methods: ReadonlyMap<string, ResolvedMethod>;
  readonly #context: Context;
  readonly #deadlines: TimerWheel;
  readonly #deadlineMs: number;
  readonly #maxInFlight: number;
  readonly #sender: FrameSender;
  readonly #reader = new EnvelopeReader();
  readonly #calls: PendingCalls<Call>;
  readonly #waiting = new WaitingCalls();
  #sent = 0;
  #pumping = false;
  /** what a call that cannot be sent any more is told; undefined while the connection lives */
  #ended: TendonError | undefined = undefined;
  #closedHere = false;
  #closing: Promise<void> | undefined = undefined;
  /** the clock, read once for a batch of answers; negative when no batch is under way */
  #batchMs = -1;
  #total = 0;
  #successful = 0;
  #failed = 0;
  #timeouts = 0;
  #oneWay = 0;
  #late = 0;
  #answered = 0;
  #answeredMs = 0;

  // The executor of every promise: it leaves both functions here, so that no call makes a closure.
  #resolve: (value: unknown) => void = nothing;
  #reject: (error: TendonError) => void = nothing;
  readonly #executor = (resolve: (value: unknown) => void, reject: (error: TendonError) => void): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };
  readonly #endBatch = (): void => {
    this.#batchMs = -1;
  };

  private constructor(
    service: Service<Methods>,
    connection: Connection,
    methods: readonly ResolvedMethod[],
    options: Required<ProxyOptions>,
  ) {
    this.service = service;
    this.connection = connection;
    this.#methods = new Map(methods.map((method) => [method.name, method]));
    this.#context = options.context;
    this.#deadlines = options.context.deadlines;
    this.#deadlineMs = options.deadlineMs;
    this.#maxInFlight = options.maxInFlight;
    this.#sender = new FrameSender(connection);
    const maxWaiting = options.whenFull === 'wait' ? options.maxWaiting : 0;
    this.#calls = new PendingCalls(options.maxInFlight + maxWaiting, () => new Call(this.#settlers));
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
    refuseUnknownOptions('ServiceProxy', options, [
      'context',
      'deadlineMs',
      'maxInFlight',
      'whenFull',
      'maxWaiting',
    ]);
    const resolved: Required<ProxyOptions> = {
      context: options.context ?? new Context(),
      deadlineMs: durationOption('deadlineMs', options.deadlineMs ?? PROXY_DEFAULTS.deadlineMs, 1, true),
      maxInFlight: integerOption(
        'maxInFlight',
        options.maxInFlight ?? PROXY_DEFAULTS.maxInFlight,
        1,
        MAX_CALLS,
      ),
      whenFull: oneOfOption('whenFull', options.whenFull ?? PROXY_DEFAULTS.whenFull, ['wait', 'refuse']),
      maxWaiting: integerOption('maxWaiting', options.maxWaiting ?? PROXY_DEFAULTS.maxWaiting, 1, MAX_CALLS),
    };
    const methods = await resolveMethods(service);
    const open = typeof connection === 'function' ? await connection() : connection;
    const proxy = new ServiceProxy(service, open, methods, resolved);
    proxy.#start();
    return proxy;
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
    this.#begin(name, request, options, this.#resolve, this.#reject, undefined);
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
    this.#begin(name, request, options, nothing, nothing, callback as CallCallback<unknown>);
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
    this.#total++;
    this.#oneWay++;
    try {
      const method = this.#methods.get(name);
      if (method === undefined) throw this.#unknownMethod(name);
      if (this.#ended !== undefined) throw this.#ended;
      const { codec, id } = method;
      const sent = this.#sender.sendValue(
        Kind.ONE_WAY,
        codec,
        request,
        0,
        NO_DEADLINE,
        id,
        options?.metadata,
      );
      if (sent === undefined) {
        this.#successful++;
        return HANDED_OVER;
      }
      return sent.then(this.#oneWayLeft, this.#oneWayFailed);
    } catch (error) {
      this.#failed++;
      return Promise.reject(error);
    }
  }

  get stats(): ProxyStats {
    return {
      totalCalls: this.#total,
      successfulCalls: this.#successful,
      failedCalls: this.#failed,
      timeoutCalls: this.#timeouts,
      oneWayCalls: this.#oneWay,
      avgResponseTimeUs: this.#answered === 0 ? 0 : (this.#answeredMs / this.#answered) * 1_000,
      lateResponses: this.#late,
      activeCalls: this.#calls.size,
    };
  }

  /** Counts from zero again; `activeCalls` stays. */
  resetStats(): void {
    this.#total = 0;
    this.#successful = 0;
    this.#failed = 0;
    this.#timeouts = 0;
    this.#oneWay = 0;
    this.#late = 0;
    this.#answered = 0;
    this.#answeredMs = 0;
  }

  /** Rejects what is unanswered with CONNECTION_CLOSED, then closes the connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- one call --------------------------------------------------------------------------------------------

  /** Every call, whatever its face, starts here; it ends in `#settle`. */
  #begin(
    name: string,
    request: unknown,
    options: CallOptions | undefined,
    resolve: (value: unknown) => void,
    reject: (error: TendonError) => void,
    callback: CallCallback<unknown> | undefined,
  ): void {
    this.#total++;
    const method = this.#methods.get(name);
    const signal = options?.signal;
    const call =
      method === undefined || method.oneWay || this.#ended !== undefined || signal?.aborted
        ? undefined
        : this.#calls.take();
    if (call === undefined) {
      this.#failed++;
      const error = this.#refusal(name, method, signal);
      if (callback === undefined) reject(error);
      else queueMicrotask(() => callback(error, undefined));
      return;
    }
    call.method = method;
    call.request = request;
    call.metadata = options?.metadata;
    call.resolve = resolve;
    call.reject = reject;
    call.callback = callback;
    call.startedMs = this.#context.clock.nowMs();
    const deadlineMs = options?.deadlineMs ?? method!.deadlineMs ?? this.#deadlineMs;
    call.timeoutMs = deadlineMs;
    if (deadlineMs !== Infinity) {
      if (!(deadlineMs > 0)) {
        this.#failLater(call, invalidDeadline(deadlineMs));
        return;
      }
      this.#deadlines.schedule(call, call.startedMs + deadlineMs);
    }
    if (signal !== undefined) {
      call.signal = signal;
      signal.addEventListener('abort', call);
    }
    if (this.#sent < this.#maxInFlight) this.#attempt(call, deadlineMs);
    else this.#waiting.add(call);
  }

  /**
   * Sends a call; every attempt goes through here. A policy that tries again takes a call's next attempt to this
   * function instead of to `#settle`.
   *
   * @param remainingMs until the call's deadline, or Infinity
   */
  #attempt(call: Call, remainingMs: number): void {
    const { method, request, metadata, callId } = call;
    call.sent = true;
    call.request = undefined;
    call.metadata = undefined;
    this.#sent++;
    let queued: Promise<void> | undefined;
    try {
      queued = this.#sender.sendValue(
        Kind.REQUEST,
        method!.codec, // a call that is taken has a method
        request,
        callId,
        toWire(remainingMs),
        method!.id,
        metadata,
      );
    } catch (error) {
      this.#failLater(call, this.#sendFailure(error));
      return;
    }
    queued?.catch((error: unknown) => {
      const waiting = this.#calls.find(callId);
      if (waiting !== undefined) this.#fail(waiting, this.#sendFailure(error));
    });
  }

  /** A connection that its peer closed is lost to a caller; only `close` here makes it closed. */
  #sendFailure(error: unknown): TendonError {
    if (TendonError.is(error, 'CONNECTION_CLOSED') && !this.#closedHere) return lostError(this.connection);
    return asTendonError(error);
  }

  /** The only end of a call that was begun. */
  #settle(call: Call, error: TendonError | undefined, value: unknown): void {
    const { resolve, reject, callback } = call;
    this.#release(call);
    if (error === undefined) this.#successful++;
    else this.#failed++;
    if (callback !== undefined) tell(callback, error, value);
    else if (error === undefined) resolve(value);
    else reject(error);
  }

  #release(call: Call): void {
    this.#deadlines.cancel(call);
    call.signal?.removeEventListener('abort', call);
    if (call.sent) this.#sent--;
    else this.#waiting.remove(call);
    call.reset();
    this.#calls.release(call);
    if (this.#waiting.first !== undefined) this.#pump();
  }

  #fail(call: Call, error: TendonError): void {
    this.#settle(call, error, undefined);
  }

  /** Fails a call within `callAsync` or `call`, whose caller must be back before it is told. */
  #failLater(call: Call, error: TendonError): void {
    if (call.callback === undefined) {
      this.#fail(call, error);
      return;
    }
    const { callId } = call;
    queueMicrotask(() => {
      const waiting = this.#calls.find(callId);
      if (waiting !== undefined) this.#fail(waiting, error);
    });
  }

  /** Sends waiting calls while there is room. */
  #pump(): void {
    if (this.#ended !== undefined || this.#pumping) return;
    this.#pumping = true; // a call that fails at once frees its place and comes back here
    for (let call = this.#waiting.first; call !== undefined; call = this.#waiting.first) {
      if (this.#sent >= this.#maxInFlight) break;
      this.#waiting.remove(call);
      const remaining =
        call.timeoutMs === Infinity
          ? Infinity
          : call.startedMs + call.timeoutMs - this.#context.clock.nowMs();
      this.#attempt(call, Math.max(remaining, 1));
    }
    this.#pumping = false;
  }

  /** What a call's record reports: its deadline, and its signal. */
  readonly #settlers: CallSettlers = {
    expired: (call) => {
      this.#timeouts++;
      this.#giveUp(
        call,
        new TendonError(
          'DEADLINE_EXCEEDED',
          `${this.service.name}.${call.method?.name} did not answer within ${call.timeoutMs} ms`,
          { timeoutMs: call.timeoutMs },
        ),
      );
    },
    aborted: (call, signal) => {
      this.#giveUp(call, abortedError(signal, `the call of ${this.service.name}.${call.method?.name}`));
    },
  };

  /** Nobody wants the answer any more: the server is told, so that it can stop. */
  #giveUp(call: Call, error: TendonError): void {
    const { callId, sent } = call;
    this.#fail(call, error);
    if (!sent || this.#ended !== undefined) return;
    try {
      this.#sender.sendEmpty(Kind.CANCEL, callId)?.catch(nothing);
    } catch {
      // The connection ended: so does the call on the server.
    }
  }

  // --- answers ---------------------------------------------------------------------------------------------

  #start(): void {
    const { connection } = this;
    if (connection.state === 'closed') throw closedError(connection);
    connection.consume(this.#onFrame);
    connection.events.on('state', (state) => {
      if (state === 'closed') this.#end();
    });
  }

  readonly #onFrame: FrameHandler = (bytes, offset, length) => {
    if (this.#ended !== undefined) return;
    const reader = this.#reader;
    try {
      reader.wrap(bytes, offset, length);
    } catch (error) {
      this.#violated(asTendonError(error));
      return;
    }
    const { kind } = reader;
    if (kind !== Kind.RESPONSE && kind !== Kind.ERROR) {
      if (kind === Kind.REQUEST || kind === Kind.ONE_WAY || kind === Kind.CANCEL) {
        this.#violated(new Error(`a message of kind ${kind} came to a proxy, which takes answers only`));
      }
      return; // events, heartbeats and control messages belong to layers that come later
    }
    const call = this.#calls.find(reader.callId | 0);
    if (call === undefined || !call.sent) {
      this.#late++;
      return;
    }
    if (this.#batchMs < 0) {
      this.#batchMs = this.#context.clock.nowMs();
      queueMicrotask(this.#endBatch);
    }
    this.#answered++;
    this.#answeredMs += this.#batchMs - call.startedMs;
    const method = call.method!; // a call that was sent has a method
    let value: unknown;
    let failure: TendonError | undefined;
    try {
      if (kind === Kind.RESPONSE) {
        value = decodeValue(method, reader, bytes);
        if (method.validateResponse !== undefined) {
          failure = refusal(method.validateResponse, value, this.#nameOf(method), 'response');
        }
      } else {
        failure = this.#remoteError(method);
      }
    } catch (error) {
      failure = asTendonError(error);
    }
    this.#settle(call, failure, value);
  };

  #remoteError(method: ResolvedMethod): TendonError {
    const error = this.#reader.readError();
    if (error === undefined) {
      return new TendonError(
        'DECODE_FAILED',
        `${this.#nameOf(method)} answered an error without saying which`,
        {
          codec: 'envelope',
          position: 0,
        },
      );
    }
    if (error.code === 'DEADLINE_EXCEEDED' && error.category === 'stub') this.#timeouts++;
    return fromMessageError(error);
  }

  /** The peer does not speak our protocol: the connection is of no use any more. */
  #violated(cause: Error): void {
    const { connection } = this;
    const { endpoint } = connection;
    const error = new TendonError(
      'PROTOCOL_ERROR',
      `the server at ${endpoint} sent something that is no answer: ${cause.message}`,
      { endpoint },
      { cause },
    );
    this.#ended = new TendonError(
      'CONNECTION_LOST',
      `the connection ${endpoint} was dropped: ${error.message}`,
      { endpoint, unknownBytes: 0 },
      { cause: error },
    );
    this.#context.logger.warn({ endpoint, err: error }, 'server dropped');
    // Not within the connection's own poll, whose memory this frees.
    queueMicrotask(() => connection.destroy(error));
    this.#failAll(this.#ended);
  }

  #end(): void {
    this.#ended ??= this.#closedHere ? closedByUs(this.connection) : lostError(this.connection);
    this.#failAll(this.#ended);
  }

  #failAll(reason: TendonError): void {
    for (const call of this.#calls.all()) if (call.callId !== 0) this.#fail(call, reason);
  }

  async #close(): Promise<void> {
    this.#closedHere = true;
    this.#ended ??= closedByUs(this.connection);
    this.#failAll(this.#ended);
    await this.connection.close();
  }

  // --- words -----------------------------------------------------------------------------------------------

  #nameOf(method: ResolvedMethod): string {
    return `${this.service.name}.${method.name}`;
  }

  #unknownMethod(name: string): TendonError {
    const service = this.service.name;
    const message = `the service ${service} has no method "${name}"; it has ${[...this.#methods.keys()].join(', ')}`;
    return new TendonError('METHOD_NOT_FOUND', message, { service, method: name });
  }

  /** Why a call could not even begin. */
  #refusal(name: string, method: ResolvedMethod | undefined, signal: AbortSignal | undefined): TendonError {
    if (method === undefined) return this.#unknownMethod(name);
    if (method.oneWay) {
      return new TendonError(
        'STATE_INVALID',
        `${this.#nameOf(method)} is one way and is never answered; use callOneWay`,
        {},
      );
    }
    if (signal?.aborted) return abortedError(signal, `the call of ${this.#nameOf(method)}`);
    if (this.#ended !== undefined) return this.#ended;
    const limit = this.#calls.size;
    return new TendonError(
      'QUEUE_FULL',
      `${limit} calls are unanswered or wait already; await them, or raise maxInFlight or maxWaiting`,
      { queue: 'calls', limit },
    );
  }

  readonly #oneWayLeft = (): void => {
    this.#successful++;
  };
  readonly #oneWayFailed = (error: unknown): never => {
    this.#failed++;
    throw error;
  };
}

/** Most calls that a proxy may be told to hold: the table stays well below the ids. */
const MAX_CALLS = 1 << 20;
const HANDED_OVER: Promise<void> = Promise.resolve();
const MAX_REMAINING_MS = 0xffff_ffff;

function nothing(): void {}

/** Milliseconds that the server may count on, rounded up; 0 says that there is no deadline. */
function toWire(remainingMs: number): number {
  if (remainingMs === Infinity) return NO_DEADLINE;
  return Math.min(Math.ceil(remainingMs), MAX_REMAINING_MS);
}

function tell(callback: CallCallback<unknown>, error: TendonError | undefined, value: unknown): void {
  try {
    callback(error, value);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
  }
}

function closedByUs(connection: Connection): TendonError {
  const { endpoint } = connection;
  return new TendonError('CONNECTION_CLOSED', `the proxy of ${endpoint} is closed`, { endpoint });
}

function invalidDeadline(value: number): TendonError {
  return new TendonError('OPTION_INVALID', `deadlineMs must be a positive number of ms, got ${value}`, {
    option: 'deadlineMs',
    value,
  });
}

/** Whatever a codec threw, as one of ours. */
function asTendonError(error: unknown): TendonError {
  if (TendonError.is(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TendonError('ENCODE_FAILED', message, { codec: 'unknown' }, { cause: error });
}

interface CallSettlers {
  expired(call: Call): void;
  aborted(call: Call, signal: AbortSignal): void;
}

/** One unanswered call. Records are used again, so everything about one is put back in `reset`. */
class Call extends WheelTimer implements PendingRecord, EventListenerObject {
  readonly #settlers: CallSettlers;
  callId = 0;
  method: ResolvedMethod | undefined = undefined;
  /** kept until it is sent */
  request: unknown = undefined;
  metadata: readonly MetadataEntry[] | undefined = undefined;
  resolve: (value: unknown) => void = nothing;
  reject: (error: TendonError) => void = nothing;
  callback: CallCallback<unknown> | undefined = undefined;
  signal: AbortSignal | undefined = undefined;
  startedMs = 0.5;
  timeoutMs = 0.5;
  /** false while it waits for its turn */
  sent = false;
  nextWaiting: Call | undefined = undefined;
  previousWaiting: Call | undefined = undefined;

  constructor(settlers: CallSettlers) {
    super();
    this.#settlers = settlers;
  }

  override expired(): void {
    this.#settlers.expired(this);
  }

  /** The call is its own listener on `signal`: a function for each would be a closure for each. */
  handleEvent(): void {
    this.#settlers.aborted(this, this.signal as AbortSignal); // the signal is what called
  }

  reset(): void {
    this.method = undefined;
    this.request = undefined;
    this.metadata = undefined;
    this.resolve = nothing;
    this.reject = nothing;
    this.callback = undefined;
    this.signal = undefined;
    this.sent = false;
  }
}

interface EventListenerObject {
  handleEvent(): void;
}

/** Calls that wait for their turn, in the order they came; any can leave. */
class WaitingCalls {
  first: Call | undefined = undefined;
  #last: Call | undefined = undefined;

  add(call: Call): void {
    call.previousWaiting = this.#last;
    if (this.#last === undefined) this.first = call;
    else this.#last.nextWaiting = call;
    this.#last = call;
  }

  remove(call: Call): void {
    const { previousWaiting: previous, nextWaiting: next } = call;
    if (previous === undefined && next === undefined && this.first !== call) return;
    if (previous === undefined) this.first = next;
    else previous.nextWaiting = next;
    if (next === undefined) this.#last = previous;
    else next.previousWaiting = previous;
    call.previousWaiting = undefined;
    call.nextWaiting = undefined;
  }
}
