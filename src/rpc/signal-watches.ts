import type { Call } from './call.ts';

interface Watch {
  readonly calls: Set<Call>;
  readonly onAbort: () => void;
}

/** Calls that end with a signal. One listener for each signal, however many calls share it: Node warns beyond ten. */
export class SignalWatches {
  readonly #onAbort: (call: Call, signal: AbortSignal) => void;
  readonly #watches = new Map<AbortSignal, Watch>();

  /** @param onAbort told for each call of a signal; it removes the call */
  constructor(onAbort: (call: Call, signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  add(call: Call, signal: AbortSignal): void {
    let watch = this.#watches.get(signal);
    if (watch === undefined) {
      const calls = new Set<Call>();
      const onAbort = (): void => {
        for (const each of [...calls]) this.#onAbort(each, signal);
      };
      watch = { calls, onAbort };
      this.#watches.set(signal, watch);
      signal.addEventListener('abort', onAbort);
    }
    watch.calls.add(call);
  }

  remove(call: Call, signal: AbortSignal): void {
    const watch = this.#watches.get(signal);
    if (watch === undefined || !watch.calls.delete(call) || watch.calls.size > 0) return;
    signal.removeEventListener('abort', watch.onAbort);
    this.#watches.delete(signal);
  }
}
