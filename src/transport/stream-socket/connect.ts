import type { Socket } from 'node:net';
import { abortedError, type Clock, TendonError } from '../../core/index.ts';
import type { Capabilities, Connection, ResolvedConnectOptions } from '../index.ts';
import { shakeHands } from './handshake.ts';
import { StreamConnection } from './stream-connection.ts';
import { fromSystemError } from './system-errors.ts';

export interface Dialling {
  readonly endpoint: string;
  readonly kind: 'unix' | 'tcp';
  readonly capabilities: Capabilities;
  /** a socket that is connecting, with allowHalfOpen */
  readonly dial: () => Socket;
}

/** A listener's queue that is full is asked again after this long, doubling. */
const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 64;

/** Connects, shakes hands, and answers the open connection; one deadline covers all of it. */
export async function connectStream(
  dialling: Dialling,
  options: ResolvedConnectOptions,
): Promise<Connection> {
  const { endpoint } = dialling;
  const { clock } = options.context;
  const deadline = clock.nowMs() + options.timeoutMs;
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)) {
    const socket = dialling.dial();
    try {
      const agreed = await shakeHands(socket, {
        endpoint,
        role: 'client',
        maxFrameBytes: options.maxFrameBytes,
        clock,
        timeoutMs: Math.max(1, deadline - clock.nowMs()),
        signal: options.signal,
      });
      const identity = { endpoint, capabilities: dialling.capabilities, peer: undefined };
      return new StreamConnection(identity, options, { socket, ...agreed, kind: dialling.kind });
    } catch (error) {
      if (!queueWasFull(error)) throw timedOut(error, endpoint, options.timeoutMs);
      if (clock.nowMs() + retryMs >= deadline) throw timedOut(error, endpoint, options.timeoutMs);
      await pause(clock, retryMs, endpoint, options.signal);
    }
  }
}

/** A Unix socket whose queue of connections is full answers EAGAIN at once, where TCP would wait. */
function queueWasFull(error: unknown): boolean {
  return TendonError.is(error, 'SYSTEM_ERROR') && error.details.errnoCode === 'EAGAIN';
}

function timedOut(error: unknown, endpoint: string, timeoutMs: number): TendonError {
  if (TendonError.is(error) && error.code !== 'CONNECT_TIMEOUT' && !queueWasFull(error)) return error;
  if (!TendonError.is(error)) return fromSystemError(error, endpoint, 'connect to');
  const what = `${endpoint} was not open within ${timeoutMs} ms; is the other side alive and reading?`;
  return new TendonError('CONNECT_TIMEOUT', what, { endpoint, timeoutMs }, { cause: error });
}

function pause(clock: Clock, ms: number, endpoint: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel();
      reject(abortedError(signal as AbortSignal, `connecting to ${endpoint}`)); // the signal is what called
    };
    const timer = clock.setTimer(
      () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      },
      ms,
      true,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
