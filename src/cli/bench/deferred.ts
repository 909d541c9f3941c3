/** A promise and its two ends (`Promise.withResolvers` exists from Node 22 on). */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** Guards a series of steps: the first failure ends the step under way and refuses all later ones. */
export class StepGuard {
  readonly #running = new Set<(error: unknown) => void>();
  #failure: { readonly error: unknown } | undefined;

  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const reject of this.#running) reject(error);
    this.#running.clear();
  }

  /** Settles as `step` does, or rejects when the time is over or something failed. */
  async step<T>(step: Promise<T>, timeoutMs: number, what: string): Promise<T> {
    const { promise, resolve, reject } = deferred<T>();
    step.then(resolve, reject);
    if (this.#failure !== undefined) reject(this.#failure.error);
    this.#running.add(reject);
    const timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`)), timeoutMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#running.delete(reject);
    }
  }
}
