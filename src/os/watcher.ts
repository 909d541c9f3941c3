import { oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

const EVENTS = { readable: 1, writable: 2, both: 3, none: 0 } as const;
/** `'none'` still reports a hang-up. */
export type WatchedEvents = keyof typeof EVENTS;
export type WatchCallback = (readable: boolean, writable: boolean, hangup: boolean) => void;

export interface WatcherOptions {
  /**
   * When the thread ends with this watcher open (a worker that is terminated, or exits), its descriptor is closed
   * too: nobody is left who could. Otherwise it would stay open, and a peer at its other end would never learn.
   */
  readonly closeFdAtExit?: boolean;
}

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
   * @throws TendonError SYSTEM_ERROR: EBADF for a closed descriptor, EEXIST for one that is watched already;
   *   PERMISSION_DENIED (EPERM) for one that cannot be polled
   */
  static watch(
    fd: number,
    events: WatchedEvents,
    callback: WatchCallback,
    options: WatcherOptions = {},
  ): Watcher {
    refuseUnknownOptions('Watcher', options, ['closeFdAtExit']);
    oneOfOption('events', events, Object.keys(EVENTS) as WatchedEvents[]);
    try {
      return new Watcher(
        fd,
        native().startWatcher(fd, EVENTS[events], callback, options.closeFdAtExit ?? false),
      );
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
