import type { Socket } from 'node:net';
import { abortedError, type Clock, TendonError } from '../../core/index.ts';
import { agree, checkMagic, encodeHello, ourHello, type Role, refusalReason } from './hello.ts';
import { HELLO_BYTES, MAGIC_BYTES, REFUSED_VERSION, WELCOME } from './layout.ts';
import { fromSystemError } from './system-errors.ts';

export interface HandshakeOptions {
  readonly endpoint: string;
  readonly role: Role;
  readonly maxFrameBytes: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** What the listener answers to a hello that it can agree on; a refusal fails the handshake. */
  readonly admit?: () => number;
}

export interface Handshaken {
  readonly maxFrameBytes: number;
  /** bytes that came right behind the hello */
  readonly rest: Uint8Array;
}

/**
 * Exchanges hellos over `socket`: the connecting side speaks first, the listener answers what it can agree on.
 * On failure the socket is destroyed; on success it is paused. Nothing of the handshake is left on it but a listener
 * that ignores its errors.
 */
export function shakeHands(socket: Socket, options: HandshakeOptions): Promise<Handshaken> {
  const { endpoint, role, clock, timeoutMs, signal } = options;
  if (signal?.aborted) {
    socket.destroy();
    return Promise.reject(abortedError(signal, `connecting to ${endpoint}`));
  }
  return new Promise((resolve, reject) => {
    const hello = new Uint8Array(HELLO_BYTES);
    let have = 0;
    const settle = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
    };
    const fail = (error: TendonError): void => {
      settle();
      socket.destroySoon(); // a refusal still leaves
      reject(error);
    };
    const say = (refusal: number = WELCOME): void => {
      socket.write(encodeHello(ourHello(role, options.maxFrameBytes, refusal)));
    };
    const onConnect = (): void => say();
    const onError = (error: Error): void => fail(fromSystemError(error, endpoint, 'connect to'));
    const onEnd = (): void => {
      const what = `${endpoint} closed the connection in the middle of the handshake`;
      fail(new TendonError('CONNECTION_REFUSED', what, { endpoint }));
    };
    const onAbort = (): void => fail(abortedError(signal as AbortSignal, `connecting to ${endpoint}`)); // it called
    const onData = (chunk: Uint8Array): void => {
      const step = Math.min(HELLO_BYTES - have, chunk.length);
      hello.set(chunk.subarray(0, step), have);
      have += step;
      try {
        const theirs = role === 'client' ? 'listener' : 'client';
        if (have >= MAGIC_BYTES) checkMagic(hello, theirs, endpoint); // garbage is not waited for
        if (have < HELLO_BYTES) return;
        const { maxFrameBytes } = agree(hello, theirs, endpoint);
        const refusal = options.admit?.() ?? WELCOME;
        if (refusal !== WELCOME) {
          say(refusal);
          throw new TendonError('CONNECTION_REFUSED', `${endpoint} refused: ${refusalReason(refusal)}`, {
            endpoint,
          });
        }
        if (role === 'listener') {
          say();
          // A write to a peer that has hung up fails at once, and Node tells it before the caller is back here.
          if (socket.errored !== null) throw fromSystemError(socket.errored, endpoint, 'accept from');
        }
        settle();
        socket.pause();
        // A copy: what the handshake read is small, and its chunk need not stay for it.
        resolve({ maxFrameBytes, rest: new Uint8Array(chunk.subarray(step)) });
      } catch (error) {
        if (role === 'listener' && TendonError.is(error, 'VERSION_UNSUPPORTED')) say(REFUSED_VERSION);
        fail(error as TendonError); // nothing above throws anything else
      }
    };
    const timer = clock.setTimer(
      () => {
        const what = `${endpoint} did not finish its handshake within ${timeoutMs} ms`;
        fail(new TendonError('CONNECT_TIMEOUT', what, { endpoint, timeoutMs }));
      },
      timeoutMs,
      true,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', () => {}); // stays: a socket that nobody listens to for a moment would end the process
    socket.on('error', onError);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    socket.on('data', onData);
    if (role === 'client') {
      if (socket.connecting) socket.once('connect', onConnect);
      else onConnect();
    }
  });
}
