import { TendonError } from '../../core/index.ts';
import type { Broadcast, BroadcastOptions, Peer } from '../contract.ts';
import { ListenerBase } from '../listener-base.ts';
import type { ResolvedListenOptions } from '../options.ts';
import { type PendingWelcome, welcome } from './handshake.ts';
import type { LifeLine } from './life-line.ts';
import { type Door, nativeAvailable, openDoor } from './rendezvous.ts';
import { openRuntimeDirectory, socketPath } from './runtime-directory.ts';
import { ShmBroadcast } from './shm-broadcast.ts';
import { ShmConnection } from './shm-connection.ts';

export interface ShmListenerParts {
  readonly endpoint: string;
  readonly name: string;
  readonly ringBytes: number;
  readonly authorize: ((peer: Peer) => boolean) | undefined;
}

/** Accepts channels at `shm:NAME`. */
export class ShmListener extends ListenerBase {
  readonly endpoint: string;
  readonly #options: ResolvedListenOptions;
  readonly #ringBytes: number;
  readonly #authorize: ((peer: Peer) => boolean) | undefined;
  /** handshakes under way, the oldest first */
  readonly #pending = new Map<LifeLine, PendingWelcome>();
  #door: Door | undefined = undefined;
  #nextBroadcast = 1;

  private constructor(parts: ShmListenerParts, options: ResolvedListenOptions) {
    super(options.backlog);
    this.endpoint = parts.endpoint;
    this.#ringBytes = parts.ringBytes;
    this.#authorize = parts.authorize;
    this.#options = options;
  }

  static async open(parts: ShmListenerParts, options: ResolvedListenOptions): Promise<ShmListener> {
    const directory = openRuntimeDirectory(options.context.runtimeDirectory);
    const path = socketPath(directory, parts.name);
    const listener = new ShmListener(parts, options);
    listener.#door = await openDoor(directory, path, parts.endpoint, options.backlog, {
      onLifeLine: (line) => listener.#greet(line),
      onError: (error) => listener.refused(error),
    });
    return listener;
  }

  /** One ring for all subscribers that have memory. @throws TendonError RESOURCE_EXHAUSTED */
  override broadcast(options: BroadcastOptions = {}): Broadcast {
    return nativeAvailable() ? ShmBroadcast.open(this.#nextBroadcast++, options) : super.broadcast(options);
  }

  ref(): void {
    this.#door?.ref();
  }

  unref(): void {
    this.#door?.unref();
  }

  protected async stop(): Promise<void> {
    await this.#door?.close();
    const { endpoint } = this;
    const closes = new TendonError('CONNECTION_CLOSED', `${endpoint}: the listener closes`, { endpoint });
    for (const pending of this.#pending.values()) pending.refuse(closes);
    this.#pending.clear();
  }

  #greet(life: LifeLine): void {
    this.#makeRoom();
    const { context, handshakeTimeoutMs } = this.#options;
    const { endpoint } = this;
    const timer = context.clock.setTimer(() => {
      const text = `${endpoint}: no complete handshake within ${handshakeTimeoutMs} ms`;
      pending.refuse(new TendonError('CONNECT_TIMEOUT', text, { endpoint, timeoutMs: handshakeTimeoutMs }));
    }, handshakeTimeoutMs);
    const policy = {
      endpoint,
      native: nativeAvailable(),
      ringBytes: this.#ringBytes,
      authorized: (line: LifeLine) => this.#authorized(line.peer),
      options: this.#options,
    };
    let over = false;
    const pending = welcome(life, policy, (result) => {
      over = true;
      timer.cancel();
      this.#pending.delete(life);
      if (result instanceof ShmConnection) this.deliver(result);
      else this.refused(result as TendonError);
    });
    if (!over) this.#pending.set(life, pending);
  }

  /** Half-open connections must not keep others out: the one that has taken longest goes first. */
  #makeRoom(): void {
    const { maxHandshakes } = this.#options;
    if (this.#pending.size < maxHandshakes) return;
    const text = `${this.endpoint}: more than ${maxHandshakes} handshakes are under way`;
    for (const pending of this.#pending.values()) {
      pending.refuse(new TendonError('QUEUE_FULL', text, { queue: 'handshakes', limit: maxHandshakes }));
      return;
    }
  }

  /** Default: the same user. Where Node owns the socket nobody vouches, and the 0700 directory has to do. */
  #authorized(peer: Peer | undefined): boolean {
    if (peer === undefined) return true;
    return this.#authorize === undefined ? peer.uid === process.getuid?.() : this.#authorize(peer);
  }
}
