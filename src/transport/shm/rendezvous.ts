import { lstatSync, unlinkSync } from 'node:fs';
import { connect as connectNet, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TendonError, throwIfAborted } from '../../core/index.ts';
import {
  closeFd,
  nativeStatus,
  openBeneath,
  tryLockFile,
  unixAccept,
  unixConnect,
  unixListen,
  Watcher,
} from '../../os/index.ts';
import { type LifeLine, NativeLifeLine, NetLifeLine } from './life-line.ts';

/**
 * The socket where the two ends of a channel meet. With the addon it is the addon's, so that descriptors can
 * travel; without, Node's: then the frames stay on it. Both look the same from the other end.
 */
export interface Door {
  /** Removes the socket, if it is still this one, and stops. */
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}

export interface DoorHandlers {
  readonly onLifeLine: (line: LifeLine) => void;
  readonly onError: (error: TendonError) => void;
}

/** Accepts of one event before the event loop goes on. */
const ACCEPTS_PER_EVENT = 64;
/** Pause after the system had no descriptor for a newcomer. */
const ACCEPT_PAUSE_MS = 100;
/** How long one may wait for others to open or remove their sockets. */
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_RETRY_MS = 5;
const LOCK_FILE = '.lock';
/** When a survivor looks whether the socket of its dead listener still answers. */
const AFTER_DEATH_MS = [0, 10, 100, 1_000] as const;

export const nativeAvailable = (): boolean => nativeStatus().available;

/**
 * Opens the door at `path`, taking over a socket that nobody answers.
 *
 * @throws TendonError ENDPOINT_IN_USE when somebody answers there
 */
export async function openDoor(
  directory: string,
  path: string,
  endpoint: string,
  backlog: number,
  handlers: DoorHandlers,
): Promise<Door> {
  return withDirectoryLock(directory, async () => {
    await clearStale(path, endpoint);
    return nativeAvailable()
      ? openNativeDoor(path, endpoint, backlog, handlers)
      : openNetDoor(path, endpoint, backlog, handlers);
  });
}

/** Connects to the door at `path`. @throws TendonError ENDPOINT_NOT_FOUND, CONNECTION_REFUSED, PERMISSION_DENIED, ABORTED */
export async function knock(
  path: string,
  endpoint: string,
  signal: AbortSignal | undefined,
): Promise<LifeLine> {
  if (!nativeAvailable()) return new NetLifeLine(await connectWithNode(path, endpoint, signal));
  for (;;) {
    throwIfAborted(signal, `connecting to ${endpoint}`);
    const fd = tryConnect(path, endpoint);
    if (fd !== undefined) return adopt(fd, endpoint);
    await sleep(1); // the listener's queue is full: it is busy, not gone
  }
}

/** Removes a socket file whose listener died. For survivors, and for `tendon doctor`. @returns whether it did */
export async function removeStale(directory: string, path: string): Promise<boolean> {
  return withDirectoryLock(directory, async () => {
    if (!isSocket(path) || (await answers(path))) return false;
    unlinkSync(path);
    return true;
  });
}

/**
 * For who saw its listener die: the kernel closes the descriptors of a dead process one after the other, so the
 * socket may still answer for an instant after the connection has ended.
 */
export async function removeAfterDeath(directory: string, path: string): Promise<void> {
  for (const pauseMs of AFTER_DEATH_MS) {
    await sleep(pauseMs);
    if (!isSocket(path) || (await removeStale(directory, path))) return;
  }
}

function notFound(endpoint: string, path: string, cause: unknown): TendonError {
  const message = `nobody listens at ${endpoint} (${path}); start the listener first, or use the runtime directory that it uses`;
  return new TendonError('ENDPOINT_NOT_FOUND', message, { endpoint }, { cause });
}

/** A connected descriptor; undefined when the listener's queue is full. */
function tryConnect(path: string, endpoint: string): number | undefined {
  try {
    return unixConnect(path);
  } catch (error) {
    if (TendonError.is(error, 'OVERLOADED')) return undefined;
    if (nobodyThere(error)) throw notFound(endpoint, path, error);
    throw error;
  }
}

function nobodyThere(error: unknown): boolean {
  return TendonError.is(error, 'ENDPOINT_NOT_FOUND') || TendonError.is(error, 'CONNECTION_REFUSED');
}

function connectWithNode(path: string, endpoint: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectNet({ path, signal: signal as AbortSignal });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (signal?.aborted)
        reject(
          new TendonError('ABORTED', `connecting to ${endpoint} was aborted`, {}, { cause: signal.reason }),
        );
      else if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
        reject(notFound(endpoint, path, error));
      else
        reject(
          new TendonError(
            'CONNECTION_REFUSED',
            `${endpoint}: ${error.message}`,
            { endpoint },
            { cause: error },
          ),
        );
    });
  });
}

function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch {
    return false;
  }
}

/** Whether somebody accepts connections at `path`. A stopped process does: its kernel queue takes them. */
async function answers(path: string): Promise<boolean> {
  if (nativeAvailable()) {
    try {
      closeFd(unixConnect(path));
      return true;
    } catch (error) {
      return !nobodyThere(error);
    }
  }
  return new Promise((resolve) => {
    const socket = connectNet(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

async function clearStale(path: string, endpoint: string): Promise<void> {
  let exists = true;
  try {
    lstatSync(path);
  } catch {
    exists = false;
  }
  if (!exists) return;
  if (!isSocket(path)) {
    const message = `${endpoint}: ${path} exists and is no socket; remove it, or use another name`;
    throw new TendonError('ENDPOINT_IN_USE', message, { endpoint });
  }
  if (await answers(path)) {
    const message = `somebody listens at ${endpoint} already (${path}); stop it, or use another name`;
    throw new TendonError('ENDPOINT_IN_USE', message, { endpoint });
  }
  unlinkSync(path);
}

/** Only the maker removes a socket, and only while it is still that one. */
function makerOf(path: string): () => void {
  const made = lstatSync(path);
  return () => {
    try {
      const now = lstatSync(path);
      if (now.dev === made.dev && now.ino === made.ino) unlinkSync(path);
    } catch {
      // Somebody removed it: nothing is left to do.
    }
  };
}

function adopt(fd: number, endpoint: string): LifeLine {
  try {
    return new NativeLifeLine(fd, endpoint);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function openNativeDoor(path: string, endpoint: string, backlog: number, handlers: DoorHandlers): Door {
  const fd = unixListen(path, { backlog });
  const unlink = makerOf(path);
  let watcher: Watcher | undefined;
  let paused: NodeJS.Timeout | undefined;
  const acceptAll = (): void => {
    for (let accepted = 0; accepted < ACCEPTS_PER_EVENT; accepted++) {
      try {
        const peer = unixAccept(fd);
        if (peer < 0) return;
        handlers.onLifeLine(adopt(peer, endpoint));
      } catch (error) {
        // The newcomer stays in the kernel's queue; without a pause the loop would turn for nothing.
        watcher?.setEvents('none');
        paused = setTimeout(() => watcher?.setEvents('readable'), ACCEPT_PAUSE_MS);
        handlers.onError(asTendonError(error, endpoint));
        return;
      }
    }
  };
  watcher = Watcher.watch(fd, 'readable', acceptAll, 'watcher');
  return {
    close: async () => {
      if (watcher === undefined) return;
      clearTimeout(paused);
      watcher.close();
      watcher = undefined;
      unlink();
      closeFd(fd);
    },
    ref: () => watcher?.ref(),
    unref: () => watcher?.unref(),
  };
}

function asTendonError(error: unknown, endpoint: string): TendonError {
  if (TendonError.is(error)) return error;
  return new TendonError('PROTOCOL_ERROR', `${endpoint}: accepting failed`, { endpoint }, { cause: error });
}

async function openNetDoor(
  path: string,
  endpoint: string,
  backlog: number,
  handlers: DoorHandlers,
): Promise<Door> {
  const server: Server = createServer((socket) => handlers.onLifeLine(new NetLifeLine(socket)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // The directory is 0700, so nobody else reaches the socket before it gets its own mode.
    server.listen({ path, backlog }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => handlers.onError(asTendonError(error, endpoint)));
  const unlink = makerOf(path);
  return {
    close: () =>
      new Promise((resolve) => {
        unlink();
        server.close();
        resolve(); // accepted connections live on; `close` would wait for them
      }),
    ref: () => void server.ref(),
    unref: () => void server.unref(),
  };
}

/**
 * Runs `action` while no other process opens or removes sockets in `directory`. The lock goes with its holder.
 * Without the addon there is no such lock; then two listeners that start at the same instant may both take over a
 * stale socket, and the first of them is cut off.
 */
async function withDirectoryLock<T>(directory: string, action: () => Promise<T>): Promise<T> {
  if (!nativeAvailable()) return action();
  const fd = openBeneath(directory, LOCK_FILE, { flags: 'create-or-open', mode: 0o600 });
  try {
    const giveUpAt = performance.now() + LOCK_TIMEOUT_MS;
    while (!tryLockFile(fd, { exclusive: true })) {
      if (performance.now() > giveUpAt) {
        const message = `${directory} has been locked by another process for ${LOCK_TIMEOUT_MS} ms; is one stopped in the middle of opening its endpoint?`;
        throw new TendonError('LOCK_TIMEOUT', message, { timeoutMs: LOCK_TIMEOUT_MS });
      }
      await sleep(LOCK_RETRY_MS);
    }
    return await action();
  } finally {
    closeFd(fd);
  }
}
