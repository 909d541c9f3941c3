import assert from 'node:assert/strict';
import { BACK_PRESSURED, Closer, Context, type ErrorCode, TendonError } from '../../core/index.ts';
import type {
  Capabilities,
  Connection,
  ConnectOptions,
  Listener,
  ListenOptions,
  Transport,
} from '../../transport/index.ts';
import { assertNumbered, numberedFrame } from '../frames.ts';
import { turns, until, within } from '../wait.ts';

/** What `transportContract` must know of a transport. */
export interface TransportUnderTest {
  readonly transport: Transport;
  /** An endpoint to listen on that nobody uses; called once for each test. */
  readonly freshEndpoint: () => string;
  /** An endpoint of the right form that nobody listens on. Default: a fresh one. */
  readonly nobodysEndpoint?: () => string;
  /** what every connection must say of itself */
  readonly capabilities: Capabilities;
  /** what `stats.active` says */
  readonly active: string;
  /** Makes the context of an end, where the transport wants one of a certain kind. */
  readonly makeContext?: () => Context;
  /** both ends must be given the same context */
  readonly sharedContext?: boolean;
  /** options that the transport adds, for each `listen` and `connect` */
  readonly listenOptions?: ListenOptions;
  readonly connectOptions?: ConnectOptions;
  /** Something that takes connections there and never answers, where the transport can be left hanging so. */
  readonly silentListener?: () => Promise<{ readonly endpoint: string; close(): Promise<void> }>;
  /** whether `Listener.broadcast` writes each frame once */
  readonly broadcastWritesOnce?: boolean;
  /** the most that may be taken of a peer that does not read, in bytes; 16 MiB */
  readonly maxBufferedBytes?: number;
}

export interface PairOptions {
  readonly listen?: ListenOptions;
  readonly connect?: ConnectOptions;
}

/** A listener, a client, and what the listener accepted for it. */
export interface Pair extends AsyncDisposable {
  readonly listener: Listener;
  readonly client: Connection;
  readonly server: Connection;
}

/** Opens what the tests need of one transport. */
export class Fixture {
  readonly subject: TransportUnderTest;

  constructor(subject: TransportUnderTest) {
    this.subject = subject;
  }

  get maxBufferedBytes(): number {
    return this.subject.maxBufferedBytes ?? 16 * 1024 * 1024;
  }

  /** Contexts for the two ends: one for both where the transport wants that. */
  contexts(): { readonly server: Context; readonly client: Context } {
    const make = this.subject.makeContext ?? (() => new Context());
    const server = make();
    return { server, client: this.subject.sharedContext === true ? server : make() };
  }

  listen(endpoint: string, options: ListenOptions): Promise<Listener> {
    const { transport, listenOptions } = this.subject;
    return within(transport.listen(endpoint, { ...listenOptions, ...options }), `listening on ${endpoint}`);
  }

  connect(endpoint: string, options: ConnectOptions): Promise<Connection> {
    const { transport, connectOptions } = this.subject;
    return within(
      transport.connect(endpoint, { ...connectOptions, ...options }),
      `connecting to ${endpoint}`,
    );
  }

  async pair(options: PairOptions = {}): Promise<Pair> {
    const closer = new Closer();
    const contexts = this.contexts();
    try {
      const listener = await this.listen(this.subject.freshEndpoint(), {
        context: contexts.server,
        ...options.listen,
      });
      closer.use(listener);
      const accepting = within(listener.accept(), `${listener.endpoint} accepts`);
      const client = await this.connect(listener.endpoint, { context: contexts.client, ...options.connect });
      closer.defer(() => client.destroy());
      const server = await accepting;
      closer.defer(() => server.destroy());
      return { listener, client, server, [Symbol.asyncDispose]: () => closer.close() };
    } catch (error) {
      await closer.close();
      throw error;
    }
  }
}

/** Offers until it is taken, letting the event loop turn in between. */
export async function offerAll(connection: Connection, bytes: Uint8Array): Promise<void> {
  for (let spins = 0; ; spins++) {
    const taken = connection.offer(bytes);
    if (taken >= 0) return;
    assert.equal(taken, BACK_PRESSURED, `offer answered ${taken} on an open connection`);
    assert.ok(spins < 1_000_000, 'offer was answered with BACK_PRESSURED for a million turns');
    await turns(1);
  }
}

/** Offers numbered frames from `first` until BACK_PRESSURED. @returns how many were taken */
export async function fill(
  connection: Connection,
  length: number,
  limitBytes: number,
  first = 0,
): Promise<number> {
  let count = 0;
  for (let refusals = 0; refusals < 20; ) {
    if (connection.offer(numberedFrame(first + count, length)) === BACK_PRESSURED) {
      // What the other side's kernel and ours can still take, they take in a few turns.
      refusals++;
      await turns(1);
      continue;
    }
    count++;
    assert.ok(
      count * length <= limitBytes,
      `${count * length} bytes were taken for a peer that does not read`,
    );
    if (count % 16 === 0) await turns(1);
  }
  return count;
}

/** Counts and checks numbered frames as they come. */
export class Collector {
  readonly #connection: Connection;
  readonly lengths: number[] = [];
  #failure: unknown;

  /** @param first number of the first frame */
  constructor(connection: Connection, first = 0) {
    this.#connection = connection;
    connection.consume((bytes, offset, length) => {
      try {
        assertNumbered(bytes, offset, length, first + this.lengths.length);
      } catch (error) {
        this.#failure ??= error;
      }
      this.lengths.push(length);
    });
  }

  get count(): number {
    return this.lengths.length;
  }

  /** Waits for `count` frames; fails when one was wrong. */
  async wait(count: number): Promise<void> {
    await until(
      () => this.count >= count || this.#failure !== undefined,
      () => `${count} frames at ${this.#connection.endpoint} (${this.#connection.state}), ${this.count} came`,
    );
    if (this.#failure !== undefined) throw this.#failure;
    assert.equal(this.count, count, 'more frames came than were sent');
  }
}

/** Polls until `count` frames have come. @returns copies of them */
export async function pollFrames(connection: Connection, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  await until(
    () => {
      connection.poll((bytes, offset, length) =>
        frames.push(new Uint8Array(bytes.subarray(offset, offset + length))),
      );
      return frames.length >= count;
    },
    () => `${count} frames to poll, ${frames.length} came`,
  );
  assert.equal(frames.length, count, 'more frames came than were sent');
  return frames;
}

/** Waits until the connection is closed. @returns its reason */
export async function closed(connection: Connection): Promise<TendonError | undefined> {
  await until(
    () => connection.state === 'closed',
    () => `${connection.endpoint} to be closed (it is ${connection.state})`,
  );
  return connection.closeReason;
}

/** Waits until the connection takes no more. */
export async function ended(connection: Connection): Promise<void> {
  await until(
    () => connection.state === 'closed' || connection.state === 'draining',
    () => `${connection.endpoint} to learn that the other side is gone (it is ${connection.state})`,
  );
}

/** Fails unless `promise` rejects with one of `codes`. */
export async function rejects(
  promise: Promise<unknown>,
  codes: ErrorCode | readonly ErrorCode[],
  what: string,
): Promise<TendonError> {
  const allowed = typeof codes === 'string' ? [codes] : codes;
  try {
    await within(promise, what);
  } catch (error) {
    assert.ok(TendonError.is(error), `${what} must fail with a TendonError, failed with ${String(error)}`);
    assert.ok(
      allowed.includes(error.code),
      `${what} must fail with ${allowed.join(' or ')}, failed with ${error.code}: ${error.message}`,
    );
    return error;
  }
  return assert.fail(`${what} must fail with ${allowed.join(' or ')}, and did not fail`);
}

/** Fails unless `action` throws `code`. */
export function throws(action: () => unknown, code: ErrorCode): void {
  assert.throws(action, (error) => {
    assert.ok(TendonError.is(error, code), `expected ${code}, got ${String(error)}`);
    return true;
  });
}
