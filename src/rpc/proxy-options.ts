import { Context, durationOption, integerOption, oneOfOption, refuseUnknownOptions } from '../core/index.ts';
import type { MetadataEntry } from '../envelope/index.ts';

/** Most calls that a proxy may be told to hold: the table stays well below the ids. */
const MAX_CALLS = 1 << 20;

/** What a call does when `maxInFlight` calls are unanswered: wait for its turn, or fail with QUEUE_FULL. */
export type FullPolicy = 'wait' | 'refuse';

export interface ProxyOptions {
  /** clock and deadlines; a new one when absent. Give the connection's. */
  readonly context?: Context;
  /** how long a call waits for its answer when neither it nor its method says so, in ms, or Infinity; 5000 */
  readonly deadlineMs?: number;
  /** calls that are sent and not answered, at most; 1024 */
  readonly maxInFlight?: number;
  /** `'wait'` */
  readonly whenFull?: FullPolicy;
  /** calls that wait for their turn, at most; further ones fail with QUEUE_FULL; 1024 */
  readonly maxWaiting?: number;
}

export const PROXY_DEFAULTS = {
  deadlineMs: 5_000,
  maxInFlight: 1_024,
  whenFull: 'wait',
  maxWaiting: 1_024,
} as const;

export interface CallOptions {
  /** gives the call up, here and on the server; it rejects with ABORTED */
  readonly signal?: AbortSignal;
  /** how long to wait for the answer, in ms, or Infinity; the method's, else the proxy's */
  readonly deadlineMs?: number;
  /** travels with the request; the handler reads it in `call.metadata` */
  readonly metadata?: readonly MetadataEntry[];
}

export interface OneWayOptions {
  /** travels with the request; the handler reads it in `call.metadata` */
  readonly metadata?: readonly MetadataEntry[];
}

/** Counts since `connect` or `resetStats`. */
export interface ProxyStats {
  /** calls made, one-way ones included */
  readonly totalCalls: number;
  readonly successfulCalls: number;
  /** all that rejected, those that timed out included */
  readonly failedCalls: number;
  readonly timeoutCalls: number;
  readonly oneWayCalls: number;
  /** mean time from call to answer, errors of the server included; 0 before the first */
  readonly avgResponseTimeUs: number;
  /** answers that nobody waited for any more, or never had */
  readonly lateResponses: number;
  /** calls without an outcome so far, waiting ones included; `resetStats` leaves it */
  readonly activeCalls: number;
}

/** @throws TendonError OPTION_INVALID */
export function resolveProxyOptions(options: ProxyOptions): Required<ProxyOptions> {
  const known = ['context', 'deadlineMs', 'maxInFlight', 'whenFull', 'maxWaiting'];
  refuseUnknownOptions('ServiceProxy', options, known);
  return {
    context: options.context ?? new Context(),
    deadlineMs: durationOption('deadlineMs', options.deadlineMs ?? PROXY_DEFAULTS.deadlineMs, 1, true),
    maxInFlight: integerOption(
      'maxInFlight',
      options.maxInFlight ?? PROXY_DEFAULTS.maxInFlight,
      1,
      MAX_CALLS,
    ),
    whenFull: oneOfOption('whenFull', options.whenFull ?? PROXY_DEFAULTS.whenFull, ['wait', 'refuse']),
    maxWaiting: integerOption('maxWaiting', options.maxWaiting ?? PROXY_DEFAULTS.maxWaiting, 1, MAX_CALLS),
  };
}
