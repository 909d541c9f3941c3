import { EventEmitter } from 'node:events';
import { abortedError, TendonError } from '../core/index.ts';
import type { Broadcast, BroadcastOptions, Connection, Listener, ListenerEvents } from './contract.ts';
import { FanOut } from './fan-out.ts';

interface Waiter {
  readonly resolve: (connection: Connection) => void;
  readonly reject: (error: TendonError) => void;
}

/** The queue between a transport's accepting and the program's `accept()`; a transport adds `stop`, `ref` and `unref`. */
export abstract class ListenerBase implements Listener {
  abstract readonly endpoint: string;
  readonly events: EventEmitter<ListenerEvents> = new EventEmitter();
  readonly #backlog: number;
  #ready: Connection[] = [];
  readonly #waiters: Waiter[] = [];
  #closing: Promise<void> | undefined = undefined;

  protected constructor(backlog: number) {
    this.#backlog = backlog;
  }

  /** Stops accepting and frees what belongs to the listener itself. */
  protected abstract stop(): Promise<void>;
  abstract ref(): void;
  abstract unref(): void;

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether `deliver` would take a connection now: a transport that can asks before it answers the peer. */
  protected get hasRoom(): boolean {
    return !this.closed && (this.#waiters.length > 0 || this.#countReady() < this.#backlog);
  }

  /** Hands a connection that is open to the program, or refuses it when too many wait. */
  protected deliver(connection: Connection): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(connection);
      return;
    }
    if (this.closed) {
      this.#turnAway(connection, this.#closedError());
      return;
    }
    if (this.#countReady() < this.#backlog) {
      this.#ready.push(connection);
      return;
    }
    const message = `${this.endpoint} has ${this.#ready.length} connections that nobody accepted; accept them or raise backlog`;
    const reason = new TendonError('QUEUE_FULL', message, { queue: 'backlog', limit: this.#backlog });
    this.#turnAway(connection, reason);
  }

  #turnAway(connection: Connection, reason: TendonError): void {
    connection.destroy(reason);
    this.refused(reason);
  }

  /** Connections that nobody accepted yet; those that have died meanwhile do not take the others' places. */
  #countReady(): number {
    if (this.#ready.length >= this.#backlog)
      this.#ready = this.#ready.filter(({ state }) => state !== 'closed');
    return this.#ready.length;
  }

  /** Somebody was turned away; the listener goes on. */
  protected refused(reason: TendonError): void {
    this.events.emit('refused', reason);
  }

  accept(options: { readonly signal?: AbortSignal } = {}): Promise<Connection> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(abortedError(signal, 'accept'));
    for (let ready = this.#ready.shift(); ready !== undefined; ready = this.#ready.shift()) {
      if (ready.state !== 'closed') return Promise.resolve(ready);
    }
    if (this.closed) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(abortedError(signal as AbortSignal, 'accept')); // the signal is what called
      };
      const waiter: Waiter = {
        resolve: (connection) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(connection);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void, undefined> {
    while (!this.closed) {
      try {
        yield await this.accept();
      } catch (error) {
        if (TendonError.is(error, 'CONNECTION_CLOSED') && this.closed) return;
        throw error;
      }
    }
  }

  /** Without a ring of its own a transport writes a broadcast frame once for each subscriber. */
  broadcast(options: BroadcastOptions = {}): Broadcast {
    return new FanOut(options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#closedError());
    for (const connection of this.#ready.splice(0)) connection.destroy();
    await this.stop();
  }

  #closedError(): TendonError {
    return new TendonError('CONNECTION_CLOSED', `the listener ${this.endpoint} is closed`, {
      endpoint: this.endpoint,
    });
  }
}
