import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The wish of a person (Ctrl-C) or of the system that the command ends, as an AbortSignal: children, files and
 * sockets go first. A second signal ends the process at once.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  #exitCode = 0;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    this.#exitCode = 128 + constants.signals[name];
    if (this.signal.aborted) process.exit(this.#exitCode);
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
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
  }
}
