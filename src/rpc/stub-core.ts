import type { Clock, TendonError, TimerWheel } from '../core/index.ts';
import type { ResolvedMethod } from './resolved-method.ts';
import type { CallContext } from './server-call.ts';
import type { StubSession } from './stub-session.ts';

export type AnyHandler = (request: unknown, call: CallContext) => unknown;

/** A method and what serves it. */
export interface ServedMethod {
  readonly resolved: ResolvedMethod;
  readonly handler: AnyHandler;
}

/** What the sessions of one stub share: limits, counts and the way to say something. */
export interface StubCore {
  readonly service: string;
  readonly clock: Clock;
  readonly deadlines: TimerWheel;
  /** by method id as i32, so that every key is a small integer */
  readonly methods: ReadonlyMap<number, ServedMethod>;
  readonly maxConcurrentRequests: number;
  readonly requestTimeoutMs: number;
  readonly counts: StubCounts;
  draining: boolean;
  /** handlers that have not finished, over all connections */
  active: number;
  /** called when the last active handler is done */
  idle: (() => void) | undefined;
  handlerFailed(error: unknown, method: string): void;
  dropped(session: StubSession, reason: TendonError): void;
  closed(session: StubSession): void;
}

export interface StubCounts {
  requests: number;
  successful: number;
  errors: number;
  rejected: number;
  timeouts: number;
  cancelled: number;
  dropped: number;
  bytesReceived: number;
  /** sent by sessions that have ended; living ones know their own */
  bytesSent: number;
  timed: number;
  timedMs: number;
}
