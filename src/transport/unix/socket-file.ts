import { randomBytes } from 'node:crypto';
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { TendonError } from '../../core/index.ts';
import { fromSystemError, startListening } from '../stream-socket/index.ts';

/** `sun_path` has 108 bytes and ends with a zero. */
const SOCKET_PATH_LIMIT_BYTES = 107;

export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_LIMIT_BYTES) return;
  const what = `a Unix socket path has at most ${SOCKET_PATH_LIMIT_BYTES} bytes, "${path}" has ${bytes}; choose a shorter directory`;
  throw new TendonError('PATH_TOO_LONG', what, { path, bytes, limitBytes: SOCKET_PATH_LIMIT_BYTES });
}

/** How often a path that others fight for is tried before it counts as theirs. */
const ATTEMPTS = 8;

/**
 * Makes `server` listen at `path`, which nobody but this user can open from the first instant it exists.
 *
 * The socket is bound in a directory of mode 0700 beside its place, gets mode 0600 there, and is hard-linked into
 * place, which fails where something is already: `link` cannot take a name from anybody. (A umask around `bind`
 * would do as well, but belongs to the whole process and cannot be set in workers.) Node forgets about the name:
 * it would unlink the one that it bound, which is gone.
 *
 * @returns what removes the file again, if it is still this one
 * @throws TendonError ENDPOINT_IN_USE when somebody listens there
 */
export async function listenAtPath(server: Server, path: string, endpoint: string): Promise<() => void> {
  checkSocketPath(path);
  const nursery = makeNursery(path, endpoint);
  // The name is never used twice: closing the server unlinks what it was bound to, wherever that leads by then.
  const name = randomBytes(12).toString('hex');
  const born = join(nursery, name);
  let directory = -1;
  let listening = false;
  try {
    let bindTo = born;
    if (Buffer.byteLength(born) > SOCKET_PATH_LIMIT_BYTES) {
      directory = openSync(nursery, constants.O_RDONLY | constants.O_DIRECTORY);
      bindTo = `/proc/self/fd/${directory}/${name}`;
    }
    await startListening(server, { path: bindTo }, endpoint);
    listening = true;
    chmodSync(born, 0o600);
    const ours = lstatSync(born, { bigint: true });
    await takePlace(born, path, nursery, endpoint);
    return () => {
      if (sameFile(statOf(path), ours)) unlinkSync(path);
    };
  } catch (error) {
    if (listening) server.close();
    throw fromSystemError(error, endpoint, 'listen on');
  } finally {
    if (directory >= 0) closeSync(directory);
    rmSync(nursery, { recursive: true, force: true });
  }
}

function makeNursery(path: string, endpoint: string): string {
  try {
    return mkdtempSync(join(dirname(path), '.tendon-'));
  } catch (error) {
    throw fromSystemError(error, endpoint, 'listen on');
  }
}

async function takePlace(born: string, path: string, nursery: string, endpoint: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      linkSync(born, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const found = statOf(path);
    if (found === undefined) continue; // it went away: try again
    if (!found.isSocket()) {
      const what = `cannot listen on ${endpoint}: there is a file that is no socket; move it away or choose another path`;
      throw new TendonError('ENDPOINT_IN_USE', what, { endpoint });
    }
    if (await answers(path)) break;
    moveAside(path, found, join(nursery, `stale-${attempt}`));
  }
  throw new TendonError('ENDPOINT_IN_USE', `somebody listens on ${endpoint} already`, { endpoint });
}

/** Takes a dead socket's name away, and gives it back when it has become somebody else's in the meantime. */
function moveAside(path: string, stale: BigIntStats, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (!sameFile(statOf(aside), stale)) linkSync(aside, path);
}

/** Whether somebody listens: a dead socket refuses. What else goes wrong counts as life. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { throwIfNoEntry: false, bigint: true });
}

function sameFile(one: BigIntStats | undefined, other: BigIntStats): boolean {
  return one !== undefined && one.ino === other.ino && one.dev === other.dev;
}
