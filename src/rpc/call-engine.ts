// Over 400 lines because a call's way, from `begin` through `#attempt` to `#settle`, is read as one.
import { abortedError, type Context, TendonError, type TimerWheel } from '../core/index.ts';
import { EnvelopeReader, Kind, NO_DEADLINE } from '../envelope/index.ts';
import type { Connection, FrameHandler } from '../transport/index.ts';
import { Call, type CallCallback, nothing, WaitingCalls } from './call.ts';
import { fromMessageError } from './call-error.ts';
import { closedError, FrameSender, lostError } from './frame-sender.ts';
import { PendingCalls } from './pending-calls.ts';
import type { CallOptions, OneWayOptions, ProxyOptions, ProxyStats } from './proxy-options.ts';
import { decodeValue, type ResolvedMethod, refusal } from './resolved-method.ts';
import { SignalWatches } from './signal-watches.ts';

/** The untyped half of a proxy: every call from its beginning to its one outcome. */
export class CallEngine {
  readonly #service: string;
  readonly #connection: Connection;
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

  readonly #signals = new SignalWatches((call, signal) => {
    this.#giveUp(call, abortedError(signal, `the call of ${this.#service}.${call.method?.name}`));
  });
  readonly #endBatch = (): void => {
    this.#batchMs = -1;
  };

  constructor(
    service: string,
    connection: Connection,
    methods: readonly ResolvedMethod[],
    options: Required<ProxyOptions>,
  ) {
    this.#service = service;
    this.#connection = connection;
    this.#methods = new Map(methods.map((method) => [method.name, method]));
    this.#context = options.context;
    this.#deadlines = options.context.deadlines;
    this.#deadlineMs = options.deadlineMs;
    this.#maxInFlight = options.maxInFlight;
    this.#sender = new FrameSender(connection);
    const maxWaiting = options.whenFull === 'wait' ? options.maxWaiting : 0;
    this.#calls = new PendingCalls(options.maxInFlight + maxWaiting, () => new Call(this.#onExpired));
  }

  /** As `ServiceProxy.callOneWay`. */
  oneWay(name: string, request: unknown, options: OneWayOptions | undefined): Promise<void> {
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

  /** As `ServiceProxy.close`. */
  async close(): Promise<void> {
    this.#closedHere = true;
    this.#ended ??= closedByUs(this.#connection);
    this.#failAll(this.#ended);
    await this.#connection.close();
  }

  // --- one call --------------------------------------------------------------------------------------------

  /** Every call, whatever its face, starts here; it ends in `#settle`. */
  begin(
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
      if (typeof deadlineMs !== 'number' || !(deadlineMs > 0)) {
        this.#failLater(call, invalidDeadline(deadlineMs));
        return;
      }
      this.#deadlines.schedule(call, call.startedMs + deadlineMs);
    }
    if (signal !== undefined) {
      call.signal = signal;
      this.#signals.add(call, signal);
    }
    if (this.#sent < this.#maxInFlight && this.#waiting.first === undefined) this.#attempt(call, deadlineMs);
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
      // What encodes the request is the program's own code: it may have closed or aborted in the middle.
      if (this.#calls.find(callId) === call) this.#failLater(call, this.#sendFailure(error));
      return;
    }
    queued?.catch((error: unknown) => {
      const waiting = this.#calls.find(callId);
      if (waiting !== undefined) this.#fail(waiting, this.#sendFailure(error));
    });
  }

  /** A connection that its peer closed is lost to a caller; only `close` here makes it closed. */
  #sendFailure(error: unknown): TendonError {
    if (TendonError.is(error, 'CONNECTION_CLOSED') && !this.#closedHere) return lostError(this.#connection);
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
    if (call.signal !== undefined) this.#signals.remove(call, call.signal);
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

  readonly #onExpired = (call: Call): void => {
    const { timeoutMs } = call;
    const message = `${this.#service}.${call.method?.name} did not answer within ${timeoutMs} ms`;
    this.#timeouts++;
    this.#giveUp(call, new TendonError('DEADLINE_EXCEEDED', message, { timeoutMs }));
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

  /** Takes over the receiving side. @throws TendonError CONNECTION_CLOSED or LOST; STATE_INVALID */
  start(): void {
    const connection = this.#connection;
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
    if (error.category === 'stub') {
      if (error.code === 'DEADLINE_EXCEEDED') this.#timeouts++;
      if (error.code === 'METHOD_NOT_FOUND') {
        // The stub knows the number only.
        const service = this.#service;
        const message = `the server of ${service} has no method "${method.name}"; its contract is another`;
        return new TendonError('METHOD_NOT_FOUND', message, { service, method: method.name });
      }
    }
    return fromMessageError(error);
  }

  /** The peer does not speak our protocol: the connection is of no use any more. */
  #violated(cause: Error): void {
    const connection = this.#connection;
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
    this.#failAll(this.#ended);
    connection.destroy(error);
  }

  #end(): void {
    this.#ended ??= this.#closedHere ? closedByUs(this.#connection) : lostError(this.#connection);
    this.#failAll(this.#ended);
  }

  #failAll(reason: TendonError): void {
    for (const call of this.#calls.all()) if (call.callId !== 0) this.#fail(call, reason);
  }

  // --- words -----------------------------------------------------------------------------------------------

  #nameOf(method: ResolvedMethod): string {
    return `${this.#service}.${method.name}`;
  }

  #unknownMethod(name: string): TendonError {
    const service = this.#service;
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

const HANDED_OVER: Promise<void> = Promise.resolve();
const MAX_REMAINING_MS = 0xffff_ffff;

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
