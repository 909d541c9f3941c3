import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TendonError } from '../../core/index.ts';

/** A socket's path has at most so many bytes (`sun_path` less its final zero). */
export const SOCKET_PATH_LIMIT_BYTES = 107;

/**
 * The directory where names rendezvous, made and checked: a directory of its own, mode 0700, owned by this user.
 *
 * @param configured `Context.runtimeDirectory`; when undefined `/run/user/UID/tendon`, else `/tmp/tendon-UID`
 * @throws TendonError PERMISSION_DENIED when somebody else owns it or others may enter it
 */
export function openRuntimeDirectory(configured: string | undefined): string {
  const directory = configured ?? defaultRuntimeDirectory();
  try {
    mkdirSync(directory, { recursive: configured !== undefined, mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw unusable(directory, 'it cannot be made', error);
  }
  checkRuntimeDirectory(directory);
  return directory;
}

/** @throws TendonError PERMISSION_DENIED */
export function checkRuntimeDirectory(directory: string): void {
  let status: ReturnType<typeof lstatSync>;
  try {
    status = lstatSync(directory);
  } catch (error) {
    throw unusable(directory, 'it cannot be looked at', error);
  }
  if (!status.isDirectory()) throw unusable(directory, 'it is not a directory (a link does not count)');
  const uid = ownUid();
  if (uid !== undefined && status.uid !== uid)
    throw unusable(directory, `user ${status.uid} owns it, this is user ${uid}`);
  if ((status.mode & 0o077) !== 0) {
    throw unusable(
      directory,
      `others may enter it (mode ${(status.mode & 0o777).toString(8)}): chmod 700 ${directory}`,
    );
  }
}

/** Where names rendezvous unless the context says otherwise. */
export function defaultRuntimeDirectory(): string {
  const uid = ownUid() ?? 0;
  const perUser = `/run/user/${uid}`;
  try {
    const status = statSync(perUser);
    if (status.isDirectory() && status.uid === uid) return join(perUser, 'tendon');
  } catch {
    // No session manager on this host: the temp directory serves.
  }
  return `/tmp/tendon-${uid}`;
}

/** The socket of `name`. @throws TendonError PATH_TOO_LONG */
export function socketPath(directory: string, name: string): string {
  const path = join(directory, `${name}.sock`);
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_LIMIT_BYTES) {
    const message = `the socket path ${path} has ${bytes} bytes, the system allows ${SOCKET_PATH_LIMIT_BYTES}; use a shorter runtimeDirectory or name`;
    throw new TendonError('PATH_TOO_LONG', message, { path, bytes, limitBytes: SOCKET_PATH_LIMIT_BYTES });
  }
  return path;
}

function ownUid(): number | undefined {
  return process.getuid?.();
}

function unusable(directory: string, why: string, cause?: unknown): TendonError {
  return new TendonError(
    'PERMISSION_DENIED',
    `the runtime directory ${directory} cannot be used: ${why}. Set the context's runtimeDirectory to a directory of your own, or mend this one`,
    { subject: directory },
    cause === undefined ? undefined : { cause },
  );
}
