import { type Clock, TendonError } from '../core/index.ts';
import {
  EnvelopeReader,
  Flag,
  Kind,
  type MessageErrorInit,
  type MetadataEntry,
  NO_DEADLINE,
} from '../envelope/index.ts';
import type { Connection, FrameHandler, Peer } from '../transport/index.ts';
import { toMessageError } from './call-error.ts';
import { FrameSender, lostError } from './frame-sender.ts';
import { decodeValue, type ResolvedMethod, refusal } from './resolved-method.ts';
import { type CallOwner, ServerCall } from './server-call.ts';
import type { ServedMethod, StubCore } from './stub-core.ts';

/** Of the handlers that answer at once every so many is timed: reading the clock costs as much as a small handler. */
const TIMED_EVERY = 16;
/** An error's text where the whole of it does not fit. In UTF-16 units, ASCII or not: at most three bytes each. */
const SHORT_MESSAGE_UNITS = 64;

/** One connection of a stub: reads requests, runs handlers, writes answers. */
export class StubSession implements CallOwner {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly peer: Peer | undefined;
  readonly #stub: StubCore;
  readonly #sender: FrameSender;
  readonly #reader = new EnvelopeReader();
  /** by call id as i32: requests whose handler has not finished and whose caller still waits */
  readonly #calls = new Map<number, ServerCall>();
  readonly #oneWay = new Set<ServerCall>();
  /** true from the first frame of a batch to the end of the turn: answers leave together */
  #corked = false;
  #ended = false;
  /** the clock, read once a batch */
  #batchMs = 0;

  constructor(connection: Connection, stub: StubCore) {
    this.connection = connection;
    this.clock = stub.clock;
    this.peer = connection.peer;
    this.#stub = stub;
    this.#sender = new FrameSender(connection);
  }

  get bytesSent(): number {
    return this.#sender.bytesSent;
  }

  start(): void {
    if (this.connection.state === 'closed') {
      this.#end();
      return;
    }
    this.connection.events.on('state', (state) => {
      if (state === 'closed') this.#end();
    });
    this.connection.consume(this.#onFrame);
  }

  /** Gives up what still runs; their answers are dropped. */
  abandonAll(reason: TendonError): void {
    for (const call of [...this.#calls.values(), ...this.#oneWay]) {
      this.#leave(call);
      call.abandon(reason);
    }
  }

  readonly #onFrame: FrameHandler = (bytes, offset, length) => {
    if (this.#ended) return;
    if (!this.#corked) this.#cork();
    this.#stub.counts.bytesReceived += length;
    const reader = this.#reader;
    try {
      reader.wrap(bytes, offset, length);
    } catch (error) {
      this.#violated(error as Error);
      return;
    }
    const { kind } = reader;
    if (kind === Kind.REQUEST) this.#request(bytes, false);
    else if (kind === Kind.ONE_WAY) this.#request(bytes, true);
    else if (kind === Kind.CANCEL) this.#cancel(reader.callId | 0);
    else if (kind === Kind.RESPONSE || kind === Kind.ERROR) {
      this.#violated(new Error(`a message of kind ${kind} came to a stub, which takes requests only`));
    }
    // Events, heartbeats and control messages belong to layers that come later.
  };

  #request(bytes: Uint8Array, oneWay: boolean): void {
    const stub = this.#stub;
    const reader = this.#reader;
    const callId = reader.callId | 0;
    stub.counts.requests++;
    if (oneWay ? callId !== 0 : callId === 0 || this.#calls.has(callId)) {
      this.#violated(
        new Error(`call id ${reader.callId} is ${oneWay ? 'not 0 in a one-way call' : '0 or in use'}`),
      );
      return;
    }
    if (stub.draining) {
      this.#reject(callId, new TendonError('DRAINING', `the service ${stub.service} is stopping`, {}));
      return;
    }
    if (stub.active >= stub.maxConcurrentRequests) {
      const limit = stub.maxConcurrentRequests;
      const message = `the service ${stub.service} serves ${limit} requests already`;
      this.#reject(callId, new TendonError('OVERLOADED', message, { limit }));
      return;
    }
    const served = stub.methods.get(reader.methodId | 0);
    if (served === undefined) {
      const method = `#${reader.methodId.toString(16)}`;
      const message = `the service ${stub.service} has no method with the number ${method}`;
      stub.counts.errors++;
      this.#answerError(
        callId,
        new TendonError('METHOD_NOT_FOUND', message, { service: stub.service, method }),
        'stub',
      );
      return;
    }
    const { resolved } = served;
    let request: unknown;
    let metadata: readonly MetadataEntry[] | undefined;
    let invalid: TendonError | undefined;
    try {
      if (reader.flags & Flag.METADATA) metadata = reader.readMetadata();
      request = decodeValue(resolved, reader, bytes);
      if (resolved.oneWay && !oneWay) invalid = this.#isOneWay(resolved);
      else if (resolved.validateRequest !== undefined) {
        invalid = refusal(resolved.validateRequest, request, `${stub.service}.${resolved.name}`, 'request');
      }
    } catch (error) {
      invalid = TendonError.is(error) ? error : this.#undecodable(resolved, error);
    }
    if (invalid !== undefined) {
      this.#reject(callId, invalid);
      return;
    }
    const { remainingMs } = reader;
    const limitMs = stub.requestTimeoutMs;
    const timeoutMs = remainingMs === NO_DEADLINE || remainingMs > limitMs ? limitMs : remainingMs;
    const call = new ServerCall(this, resolved, callId, oneWay, metadata, this.#batchMs, timeoutMs);
    this.#run(served, request, call);
  }

  #run(served: ServedMethod, request: unknown, call: ServerCall): void {
    const { counts } = this.#stub;
    const timed = counts.requests % TIMED_EVERY === 1;
    const startedMs = timed ? this.clock.nowMs() : 0;
    let response: unknown;
    let later: boolean;
    this.#stub.active++;
    try {
      response = served.handler(request, call);
      later = isThenable(response);
    } catch (error) {
      this.#finished();
      this.#failed(call, error);
      return;
    }
    if (later) {
      this.#await(call, Promise.resolve(response)); // itself when it is a promise; tames what only looks like one
      return;
    }
    this.#finished();
    if (timed) {
      counts.timed += TIMED_EVERY;
      counts.timedMs += (this.clock.nowMs() - startedMs) * TIMED_EVERY;
    }
    this.#answer(call, response);
  }

  /** The handler goes on after this turn: from now on the call has a deadline and can be cancelled. */
  #await(call: ServerCall, response: Promise<unknown>): void {
    if (call.oneWay) this.#oneWay.add(call);
    else this.#calls.set(call.callId, call);
    if (call.timeoutMs !== Infinity) this.#stub.deadlines.schedule(call, call.startedMs + call.timeoutMs);
    response.then(
      (value) => this.#done(call, undefined, value),
      (error: unknown) => this.#done(call, { error }, undefined),
    );
  }

  #done(call: ServerCall, failure: { readonly error: unknown } | undefined, value: unknown): void {
    const { counts } = this.#stub;
    this.#finished();
    if (call.over) return; // timed out, cancelled or cut off: nobody waits for its answer
    this.#leave(call);
    counts.timed++;
    counts.timedMs += this.clock.nowMs() - call.startedMs;
    if (!this.#corked) this.#cork();
    if (failure !== undefined) this.#failed(call, failure.error);
    else this.#answer(call, value);
  }

  /** Nobody waits for `call` any more. Its handler keeps its place until it has finished. */
  #leave(call: ServerCall): void {
    const stub = this.#stub;
    call.over = true;
    stub.deadlines.cancel(call);
    if (call.oneWay) this.#oneWay.delete(call);
    else this.#calls.delete(call.callId);
  }

  /** A handler has: its place is free. */
  #finished(): void {
    const stub = this.#stub;
    stub.active--;
    if (stub.active === 0) stub.idle?.();
  }

  #cancel(callId: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return; // answered already, or answered at once: the two crossed
    this.#stub.counts.cancelled++;
    this.#leave(call);
    call.abandon(new TendonError('CANCELLED', `the caller of ${call.method} gave up`, {}));
  }

  timedOut(call: ServerCall): void {
    const { timeoutMs } = call;
    const stub = this.#stub;
    const message = `${stub.service}.${call.method} took longer than ${timeoutMs} ms`;
    const error = new TendonError('DEADLINE_EXCEEDED', message, { timeoutMs });
    stub.counts.timeouts++;
    this.#leave(call);
    call.abandon(error);
    if (call.oneWay) return;
    stub.counts.errors++;
    this.#answerError(call.callId, error, 'stub');
  }

  // --- answers ---------------------------------------------------------------------------------------------

  #answer(call: ServerCall, response: unknown): void {
    const { counts } = this.#stub;
    if (call.oneWay) {
      counts.successful++;
      return;
    }
    if (this.#ended) return;
    const { codec, id } = call.resolved;
    let queued: Promise<void> | undefined;
    try {
      queued = this.#sender.sendValue(
        Kind.RESPONSE,
        codec,
        response,
        call.callId,
        NO_DEADLINE,
        id,
        undefined,
      );
    } catch (error) {
      this.#unsendable(call, error);
      return;
    }
    counts.successful++;
    queued?.catch(this.#sendFailed);
  }

  /** The response has no bytes, or too many: the caller is told so instead. */
  #unsendable(call: ServerCall, error: unknown): void {
    if (TendonError.is(error, 'CONNECTION_LOST') || TendonError.is(error, 'CONNECTION_CLOSED')) return;
    const told = TendonError.is(error)
      ? error
      : new TendonError('ENCODE_FAILED', messageOf(error), { codec: call.resolved.codec.name });
    this.#stub.counts.errors++;
    this.#answerError(call.callId, told, 'serialization');
    this.#stub.handlerFailed(error, call.method);
  }

  #failed(call: ServerCall, error: unknown): void {
    const stub = this.#stub;
    const { callId, method } = call;
    stub.counts.errors++;
    if (TendonError.is(error)) this.#answerError(callId, error, 'application');
    else {
      const message = `${stub.service}.${method} failed: ${messageOf(error)}`;
      this.#answerError(callId, new TendonError('HANDLER_FAILED', message, { method }), 'stub');
    }
    stub.handlerFailed(error, method); // last: a listener that throws takes nobody's answer away
  }

  /** Refused before the handler ran. */
  #reject(callId: number, error: TendonError): void {
    this.#stub.counts.rejected++;
    this.#answerError(callId, error, 'stub');
  }

  /** @param callId 0 for a one-way call, which nobody answers */
  #answerError(callId: number, error: TendonError, category: string): void {
    if (callId === 0 || this.#ended) return;
    const whole = toMessageError(error, category);
    const { code, message, retryable = false } = whole;
    const short = { code, message: message.slice(0, SHORT_MESSAGE_UNITS), retryable, category };
    // A connection with a small maxFrameBytes may have no room for all of it: some answer is better than none.
    for (const crossing of [whole, short, { code, message: '' }] satisfies MessageErrorInit[]) {
      try {
        const init = { kind: Kind.ERROR, callId: callId >>> 0, error: crossing };
        this.#sender.sendMessage(init)?.catch(this.#sendFailed);
        return;
      } catch (failure) {
        if (!TendonError.is(failure, 'FRAME_TOO_LARGE')) return; // the connection ended, and with it whoever waited
      }
    }
  }

  /** Answers that queue up without bound belong to a client that does not read: it is cut off, the others are served. */
  readonly #sendFailed = (error: unknown): void => {
    if (!TendonError.is(error, 'QUEUE_FULL')) return; // the connection ended
    const { endpoint } = this.connection;
    const message = `a client of ${endpoint} does not read its answers: ${error.message}`;
    this.#drop(new TendonError('QUEUE_FULL', message, error.details, { cause: error }));
  };

  // --- the connection --------------------------------------------------------------------------------------

  #cork(): void {
    this.#corked = true;
    this.#batchMs = this.clock.nowMs();
    this.connection.cork();
    // Microtasks run when the poller's turn is over, so this comes after the last frame of the batch.
    queueMicrotask(this.#uncork);
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    if (!this.#ended) this.connection.uncork();
  };

  #violated(cause: Error): void {
    const { endpoint } = this.connection;
    this.#drop(
      new TendonError(
        'PROTOCOL_ERROR',
        `a client of ${endpoint} sent something that is no request: ${cause.message}`,
        { endpoint },
        { cause },
      ),
    );
  }

  #drop(reason: TendonError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stub.counts.dropped++;
    this.abandonAll(reason);
    this.connection.destroy(reason);
    this.#stub.dropped(this, reason);
  }

  #end(): void {
    this.#ended = true;
    this.abandonAll(lostError(this.connection));
    this.#stub.closed(this);
  }

  // --- words -----------------------------------------------------------------------------------------------

  #isOneWay(method: ResolvedMethod): TendonError {
    return new TendonError(
      'VALIDATION_FAILED',
      `${this.#stub.service}.${method.name} is one way and is never answered`,
      { method: method.name },
    );
  }

  #undecodable(method: ResolvedMethod, cause: unknown): TendonError {
    return new TendonError(
      'DECODE_FAILED',
      `the request of ${this.#stub.service}.${method.name} cannot be read: ${messageOf(cause)}`,
      { codec: method.codec.name, position: 0 },
      { cause },
    );
  }
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
