import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The wish of a person (Ctrl-C) or of the system that the command ends, as an AbortSignal: children, files and
 * sockets go first. A second signal ends the process at once.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  #name: (typeof SIGNALS)[number] | undefined = undefined;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    this.#name = SIGNALS.find((known) => known === name);
    if (this.signal.aborted) process.exit(this.exitCode);
    this.#controller.abort(new Error(`ended by ${name}`));
  };

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 128 plus the signal's number, as shells report it; 0 when there was none. */
  get exitCode(): number {
    return this.#name === undefined ? 0 : 128 + constants.signals[this.#name];
  }

  /**
   * After cleaning up: a failure that only the interrupt caused ends the process by that signal, as if it had not been
   * watched; also where a write to a reader that does not read keeps a thread, which would hold up an orderly exit.
   */
  orThrow(error: unknown): void {
    const name = this.#name;
    if (name === undefined) throw error;
    this[Symbol.dispose]();
    process.kill(process.pid, name);
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
  }
}
