import { integerOption, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { native } from './native.ts';
import { errnoCodeOf, systemFailure } from './system-error.ts';

/** sockaddr_un has 108 bytes for the path and its zero. */
export const MAX_SOCKET_PATH_BYTES = 107;
/** Descriptors that one message may carry. */
export const MAX_FDS_PER_MESSAGE = 16;
/** Outcome of a transfer: nothing moved now; wait until the socket is readable or writable. */
export const WOULD_BLOCK = -1;
/** Outcome of a transfer: the other end is closed, died or reset. */
export const PEER_GONE = -2;

export type SocketType = 'stream' | 'datagram';

export interface ListenOptions {
  /** Default: `'stream'`. A datagram socket is bound and ready to receive. */
  readonly type?: SocketType;
  /** Mode of the socket file from its first instant, narrowed by the umask of the process. Default: 0o600. */
  readonly mode?: number;
  /** Connections that may wait to be accepted; the kernel's limit is net.core.somaxconn. Default: 511. */
  readonly backlog?: number;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ReceivedDatagram {
  /** the whole size, more than the room given when its end was cut off */
  readonly bytes: number;
  /** where its sender is bound; empty when it is not */
  readonly path: string;
}

const SOCKET_TYPES = ['stream', 'datagram'] as const;

/**
 * Makes a socket file and listens on it, non-blocking and close-on-exec. The file stays when the descriptor is
 * closed: whoever made it unlinks it.
 *
 * @throws TendonError PATH_TOO_LONG; ENDPOINT_IN_USE when the file exists, used or stale; PERMISSION_DENIED;
 *   ENDPOINT_INVALID when its directory does not exist
 */
export function unixListen(path: string, options: ListenOptions = {}): number {
  refuseUnknownOptions('unixListen', options, ['type', 'mode', 'backlog']);
  const type = oneOfOption('type', options.type ?? 'stream', SOCKET_TYPES);
  const mode = integerOption('mode', options.mode ?? 0o600, 0, 0o777);
  const backlog = integerOption('backlog', options.backlog ?? 511, 0, 65_535);
  requireSocketPath(path);
  try {
    return native().listenUnix(path, type === 'datagram', mode, backlog);
  } catch (error) {
    const code = errnoCodeOf(error);
    if (code === 'EADDRINUSE') {
      const text = `cannot listen on ${path}: the file exists; when no process listens there, remove it`;
      throw new TendonError('ENDPOINT_IN_USE', text, { endpoint: path }, { cause: error });
    }
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const text = `cannot listen on ${path}: its directory does not exist`;
      throw new TendonError('ENDPOINT_INVALID', text, { endpoint: path }, { cause: error });
    }
    throw systemFailure(error, `listen on ${path}`);
  }
}

/**
 * Takes the next waiting connection, non-blocking and close-on-exec; -1 when there is none.
 * @throws TendonError RESOURCE_EXHAUSTED without descriptors: the connection keeps waiting
 */
export function unixAccept(fd: number): number {
  try {
    return native().acceptUnix(fd);
  } catch (error) {
    throw systemFailure(error, `accept a connection on descriptor ${fd}`);
  }
}

/**
 * Connects, at once or not at all.
 * @throws TendonError PATH_TOO_LONG; ENDPOINT_NOT_FOUND without such a file; CONNECTION_REFUSED when nobody listens
 *   there (a stale file), or listens on the other type of socket; OVERLOADED when the listener's backlog is full;
 *   PERMISSION_DENIED
 */
export function unixConnect(path: string, options: { readonly type?: SocketType } = {}): number {
  refuseUnknownOptions('unixConnect', options, ['type']);
  const type = oneOfOption('type', options.type ?? 'stream', SOCKET_TYPES);
  requireSocketPath(path);
  try {
    return native().connectUnix(path, type === 'datagram');
  } catch (error) {
    throw connectFailure(error, path);
  }
}

function connectFailure(error: unknown, path: string): unknown {
  const details = { endpoint: path };
  const options = { cause: error };
  switch (errnoCodeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new TendonError('ENDPOINT_NOT_FOUND', `there is no socket ${path}`, details, options);
    case 'ECONNREFUSED':
      return new TendonError('CONNECTION_REFUSED', `nobody listens on ${path}`, details, options);
    case 'EPROTOTYPE': {
      const text = `${path} is a socket of the other type (stream, datagram)`;
      return new TendonError('CONNECTION_REFUSED', text, details, options);
    }
    case 'EAGAIN': {
      const text = `too many connections wait to be accepted on ${path}`;
      return new TendonError('OVERLOADED', text, { limit: 0 }, options);
    }
    default:
      return systemFailure(error, `connect to ${path}`);
  }
}

/** Two connected sockets, non-blocking and close-on-exec. */
export function unixPair(type: SocketType = 'stream'): [number, number] {
  oneOfOption('type', type, SOCKET_TYPES);
  try {
    return native().pairUnix(type === 'datagram');
  } catch (error) {
    throw systemFailure(error, 'create a pair of sockets');
  }
}

/** Who the other end was when it connected (or listened), vouched for by the kernel. pid 0: not of our namespace. */
export function peerCredentials(fd: number): PeerCredentials {
  try {
    return native().peerCredentials(fd);
  } catch (error) {
    throw systemFailure(error, `read the peer's credentials of descriptor ${fd}`);
  }
}

/**
 * Sends what fits now: a count of bytes, WOULD_BLOCK or PEER_GONE. Never waits, never raises SIGPIPE. @hot
 * @throws TendonError SYSTEM_ERROR EMSGSIZE for a datagram over the limit; OPTION_INVALID for a range outside `bytes`
 */
export function socketSend(fd: number, bytes: Uint8Array, offset: number, length: number): number {
  try {
    return native().sendSocket(fd, bytes, offset, length);
  } catch (error) {
    throw systemFailure(error, `send ${length} bytes on descriptor ${fd}`);
  }
}

/**
 * Receives what is there: a count of bytes, 0 at the orderly end of a stream, WOULD_BLOCK or PEER_GONE. `length` is
 * at least 1. Descriptors that come along are closed. @hot
 */
export function socketReceive(fd: number, bytes: Uint8Array, offset: number, length: number): number {
  try {
    return native().receiveSocket(fd, bytes, offset, length);
  } catch (error) {
    throw systemFailure(error, `receive on descriptor ${fd}`);
  }
}

/**
 * As socketSend, with 1 to 16 descriptors attached to the first byte. They stay open here; the receiver gets its own.
 */
export function socketSendFds(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  fds: readonly number[],
): number {
  try {
    return native().sendDescriptors(fd, bytes, offset, length, fds);
  } catch (error) {
    throw systemFailure(error, `send ${fds.length} descriptors on descriptor ${fd}`);
  }
}

/**
 * As socketReceive; descriptors that came, close-on-exec, are appended to `fdsOut` and are the caller's to close.
 * @throws TendonError RESOURCE_EXHAUSTED without room for them; SYSTEM_ERROR EMSGSIZE when there were more than 16.
 *   The bytes are lost then and every descriptor that came is closed: drop the connection.
 */
export function socketReceiveFds(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  fdsOut: number[],
): number {
  try {
    return native().receiveDescriptors(fd, bytes, offset, length, fdsOut);
  } catch (error) {
    throw systemFailure(error, `receive descriptors on descriptor ${fd}`);
  }
}

const SHUTDOWN = { read: 0, write: 1, both: 2 } as const;

/** Ends one direction or both; the peer reads what was sent, then the end. */
export function socketShutdown(fd: number, how: keyof typeof SHUTDOWN): void {
  oneOfOption('how', how, ['read', 'write', 'both']);
  try {
    native().shutdownSocket(fd, SHUTDOWN[how]);
  } catch (error) {
    throw systemFailure(error, `shut down descriptor ${fd}`);
  }
}

/** Sends one datagram: its size, WOULD_BLOCK when the receiver's queue is full, PEER_GONE when nobody is bound there. */
export function datagramSend(
  fd: number,
  path: string,
  bytes: Uint8Array,
  offset: number,
  length: number,
): number {
  requireSocketPath(path);
  try {
    return native().sendDatagram(fd, bytes, offset, length, path);
  } catch (error) {
    throw systemFailure(error, `send a datagram of ${length} bytes to ${path}`);
  }
}

/** Receives one datagram into `bytes`; undefined when none waits. */
export function datagramReceive(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
): ReceivedDatagram | undefined {
  try {
    return native().receiveDatagram(fd, bytes, offset, length) ?? undefined;
  } catch (error) {
    throw systemFailure(error, `receive a datagram on descriptor ${fd}`);
  }
}

function requireSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new TendonError(
      'PATH_TOO_LONG',
      `the socket path ${path} has ${bytes} bytes, the system's limit is ${MAX_SOCKET_PATH_BYTES}: use a shorter directory`,
      { path, bytes, limitBytes: MAX_SOCKET_PATH_BYTES },
    );
  }
  if (bytes === 0 || path.includes('\0')) {
    const shown = JSON.stringify(path);
    throw new TendonError('ENDPOINT_INVALID', `a socket path must name a file, got ${shown}`, {
      endpoint: path,
    });
  }
}
