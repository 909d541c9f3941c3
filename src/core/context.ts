import { Poller } from './agent.ts';
import { type Clock, SYSTEM_CLOCK } from './clock.ts';
import { type Logger, SILENT_LOGGER } from './logger.ts';
import { refuseUnknownOptions } from './options.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface ContextOptions {
  /** Turns the duty cycles of this thread; a new one when absent. */
  readonly poller?: Poller;
  /**
   * Where named endpoints rendezvous: a directory of mode 0700 owned by this user.
   * Default: `/run/user/UID/tendon` when that exists, else `tendon-UID` under the system's temp directory.
   */
  readonly runtimeDirectory?: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/**
 * What the parts of one thread share, instead of module state: the poller, the names of `inproc:` endpoints,
 * where to rendezvous, time and the log. It holds nothing that needs closing.
 */
export class Context {
  readonly poller: Poller;
  readonly runtimeDirectory: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who listens inside this process, by endpoint. */
  readonly registry: Map<string, unknown> = new Map();
  readonly #said = new Set<string>();
  #deadlines: TimerWheel | undefined = undefined;

  constructor(options: ContextOptions = {}) {
    refuseUnknownOptions('Context', options, ['poller', 'runtimeDirectory', 'clock', 'logger']);
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.poller = options.poller ?? new Poller({ clock: this.clock });
    this.runtimeDirectory = options.runtimeDirectory;
    this.logger = options.logger ?? SILENT_LOGGER;
  }

  /** The deadlines of this thread, by `clock`; made when first asked for. */
  get deadlines(): TimerWheel {
    this.#deadlines ??= new TimerWheel(this.clock);
    return this.#deadlines;
  }

  /** True the first time a `topic` is asked for: what should be said once is said once a context. */
  firstTime(topic: string): boolean {
    if (this.#said.has(topic)) return false;
    this.#said.add(topic);
    return true;
  }
}
