import { type Clock, type TendonError, WheelTimer } from '../core/index.ts';
import type { MetadataEntry } from '../envelope/index.ts';
import type { Peer } from '../transport/index.ts';
import type { ResolvedMethod } from './resolved-method.ts';

/** What a handler can ask about the call that it serves. */
export interface CallContext {
  readonly method: string;
  /** nobody waits for an answer */
  readonly oneWay: boolean;
  /** who calls, as the kernel vouches for it */
  readonly peer: Peer | undefined;
  /** what the caller sent along, in order */
  readonly metadata: readonly MetadataEntry[];
  /** ms until nobody waits any more; Infinity where nobody set a limit. To be handed to calls made on the way. */
  readonly remainingMs: number;
  /**
   * Aborted when the answer is of no use any more: the caller gave up (reason CANCELLED), the deadline passed
   * (DEADLINE_EXCEEDED), the connection ended (CONNECTION_LOST), or the stub stopped without waiting any longer
   * (DRAINING). Made when first asked for.
   */
  readonly signal: AbortSignal;
}

const NO_METADATA: readonly MetadataEntry[] = [];

/** What happens when a call's time is up. */
export interface CallOwner {
  readonly clock: Clock;
  readonly peer: Peer | undefined;
  timedOut(call: ServerCall): void;
}

/** One request being served. */
export class ServerCall extends WheelTimer implements CallContext {
  readonly #owner: CallOwner;
  readonly #method: ResolvedMethod;
  /** i32; 0 for a one-way call */
  readonly callId: number;
  readonly oneWay: boolean;
  readonly metadata: readonly MetadataEntry[];
  /** by the clock of the stub */
  readonly startedMs: number;
  /** Infinity: as long as it takes */
  readonly timeoutMs: number;
  /** the answer has left, or is of no use any more */
  over = false;
  #controller: AbortController | undefined = undefined;
  #reason: TendonError | undefined = undefined;

  constructor(
    owner: CallOwner,
    method: ResolvedMethod,
    callId: number,
    oneWay: boolean,
    metadata: readonly MetadataEntry[] | undefined,
    startedMs: number,
    timeoutMs: number,
  ) {
    super();
    this.#owner = owner;
    this.#method = method;
    this.callId = callId;
    this.oneWay = oneWay;
    this.metadata = metadata ?? NO_METADATA;
    this.startedMs = startedMs;
    this.timeoutMs = timeoutMs;
  }

  get method(): string {
    return this.#method.name;
  }

  get resolved(): ResolvedMethod {
    return this.#method;
  }

  get peer(): Peer | undefined {
    return this.#owner.peer;
  }

  get remainingMs(): number {
    if (this.timeoutMs === Infinity) return Infinity;
    return Math.max(0, this.startedMs + this.timeoutMs - this.#owner.clock.nowMs());
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The answer is of no use any more. */
  abandon(reason: TendonError): void {
    this.over = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  override expired(): void {
    this.#owner.timedOut(this);
  }
}
