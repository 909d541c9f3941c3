import { oneOfOption, TendonError } from '../core/index.ts';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

const EVENTS = { readable: 1, writable: 2, both: 3, none: 0 } as const;
/** `'none'` still reports a hang-up. */
export type WatchedEvents = keyof typeof EVENTS;
export type WatchCallback = (readable: boolean, writable: boolean, hangup: boolean) => void;

/**
 * A descriptor on this thread's event loop: pollable ones only (sockets, eventfds, pidfds, pipes; not files).
 *
 * Level-triggered: the callback comes again in each turn of the loop until the cause is gone, also after a
 * hang-up, so a hang-up is answered by `close()`. A failed descriptor reports all three at once: reading or writing
 * tells what it has. What the callback throws becomes an uncaught exception; promise reactions run after it.
 *
 * Order at the end: first `close()`, then close the descriptor. One watcher a descriptor and thread.
 */
export class Watcher implements Disposable {
  readonly fd: number;
  readonly #id: number;
  #closed = false;

  private constructor(fd: number, id: number) {
    this.fd = fd;
    this.#id = id;
  }

  /**
   * Starts watching; the event loop stays alive for it until `unref()` or `close()`.
   *
   * @param owner `'watcher'`: when the thread ends (a worker that is terminated, say) before `close()`, the descriptor
   *   is closed with it. Default `'caller'`: it stays open then.
   * @throws TendonError SYSTEM_ERROR: EBADF for a closed descriptor, EEXIST for one that is watched already;
   *   PERMISSION_DENIED (EPERM) for one that cannot be polled
   */
  static watch(
    fd: number,
    events: WatchedEvents,
    callback: WatchCallback,
    owner: 'caller' | 'watcher' = 'caller',
  ): Watcher {
    oneOfOption('owner', owner, ['caller', 'watcher']);
    oneOfOption('events', events, Object.keys(EVENTS) as WatchedEvents[]);
    try {
      return new Watcher(fd, native().startWatcher(fd, EVENTS[events], callback, owner === 'watcher'));
    } catch (error) {
      throw systemFailure(error, `watch descriptor ${fd}`);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  setEvents(events: WatchedEvents): void {
    oneOfOption('events', events, Object.keys(EVENTS) as WatchedEvents[]);
    this.#requireOpen();
    try {
      native().updateWatcher(this.#id, EVENTS[events]);
    } catch (error) {
      throw systemFailure(error, `watch descriptor ${this.fd}`);
    }
  }

  ref(): void {
    this.#requireOpen();
    native().referenceWatcher(this.#id, true);
  }

  unref(): void {
    this.#requireOpen();
    native().referenceWatcher(this.#id, false);
  }

  /** No callback comes any more, also when called from inside the callback. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native().closeWatcher(this.#id);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #requireOpen(): void {
    if (this.#closed)
      throw new TendonError('STATE_INVALID', `the watcher of descriptor ${this.fd} is closed`, {});
  }
}
