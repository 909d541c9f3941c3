/** Owns the parts of a bigger thing and lets them go in reverse order, whatever fails. */
export class Closer implements AsyncDisposable {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  /** Registers a step; the last registered runs first. */
  defer(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Registers a part by its own disposal and returns it. */
  use<T extends AsyncDisposable | Disposable>(part: T): T {
    this.defer(async () => {
      if (Symbol.asyncDispose in part) await part[Symbol.asyncDispose]();
      else part[Symbol.dispose]();
    });
    return part;
  }

  /** Forgets all steps: their duties were handed to somebody else. */
  release(): void {
    this.#steps.length = 0;
  }

  /** Runs every step, then throws: the only error as it is, several as an AggregateError in the order they came. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} parts failed to close`, { cause: errors[0] });
  }
}
