import { type TendonError, WheelTimer } from '../core/index.ts';
import type { MetadataEntry } from '../envelope/index.ts';
import type { PendingRecord } from './pending-calls.ts';
import type { ResolvedMethod } from './resolved-method.ts';

/** `(error, response)`: the response is there when the error is not; it may be undefined itself. */
export type CallCallback<Response> = (error: TendonError | undefined, response: Response | undefined) => void;

export function nothing(): void {}

/** One unanswered call of a proxy. Records are used again: `reset` puts back everything about one call. */
export class Call extends WheelTimer implements PendingRecord {
  readonly #onExpired: (call: Call) => void;
  callId = 0;
  method: ResolvedMethod | undefined = undefined;
  /** kept until it is sent */
  request: unknown = undefined;
  metadata: readonly MetadataEntry[] | undefined = undefined;
  resolve: (value: unknown) => void = nothing;
  reject: (error: TendonError) => void = nothing;
  callback: CallCallback<unknown> | undefined = undefined;
  signal: AbortSignal | undefined = undefined;
  // Fractions on purpose: a field that once held a small integer changes its representation on the first time.
  startedMs = 0.5;
  timeoutMs = 0.5;
  /** false while it waits for its turn */
  sent = false;
  nextWaiting: Call | undefined = undefined;
  previousWaiting: Call | undefined = undefined;

  constructor(onExpired: (call: Call) => void) {
    super();
    this.#onExpired = onExpired;
  }

  override expired(): void {
    this.#onExpired(this);
  }

  reset(): void {
    this.method = undefined;
    this.request = undefined;
    this.metadata = undefined;
    this.resolve = nothing;
    this.reject = nothing;
    this.callback = undefined;
    this.signal = undefined;
    this.sent = false;
  }
}

/** Calls that wait for their turn, in the order they came; any can leave. */
export class WaitingCalls {
  first: Call | undefined = undefined;
  #last: Call | undefined = undefined;

  add(call: Call): void {
    call.previousWaiting = this.#last;
    if (this.#last === undefined) this.first = call;
    else this.#last.nextWaiting = call;
    this.#last = call;
  }

  remove(call: Call): void {
    const { previousWaiting: previous, nextWaiting: next } = call;
    if (previous === undefined && next === undefined && this.first !== call) return;
    if (previous === undefined) this.first = next;
    else previous.nextWaiting = next;
    if (next === undefined) this.#last = previous;
    else next.previousWaiting = previous;
    call.previousWaiting = undefined;
    call.nextWaiting = undefined;
  }
}
