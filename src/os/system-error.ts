import { TendonError } from '../core/index.ts';

/** What the addon throws: errno as a positive number; `argument` when it refused one before any system call. */
interface AddonError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;
  readonly argument?: string;
}

function isAddonError(error: unknown): error is AddonError {
  return (
    error instanceof Error &&
    typeof (error as Partial<AddonError>).errno === 'number' &&
    typeof (error as Partial<AddonError>).syscall === 'string'
  );
}

/** What ran out, and what to do about it. */
const EXHAUSTED: Readonly<Record<string, readonly [resource: string, remedy: string]>> = {
  EMFILE: ['descriptors', 'this process has no descriptors left: close some or raise the limit (ulimit -n)'],
  ENFILE: ['descriptors', 'the system has no descriptors left: raise fs.file-max'],
  ENOMEM: ['memory', 'there is not enough memory or address space, or the memory cgroup is at its limit'],
  ENOSPC: ['space', 'no space is left: make room, or raise the limit of the file system or of fs.inotify'],
  EFBIG: ['file size', 'the size is over the file size limit of this process: raise it (ulimit -f)'],
  EDQUOT: ['quota', 'the disk quota of this user is used up'],
  ENOBUFS: ['socket buffers', 'the kernel has no socket buffers left: send less at a time'],
  ETOOMANYREFS: [
    'descriptors in flight',
    'too many descriptors are on their way in sockets: let peers receive',
  ],
};

/**
 * Turns what the addon threw into a TendonError; `doing` says what was attempted, on what ("connect to
 * /run/x.sock"). Anything that is not a failed system call passes unchanged. The system error stays as `cause`.
 */
export function systemFailure(error: unknown, doing: string): unknown {
  if (!isAddonError(error)) return error;
  const options = { cause: error };
  if (error.argument !== undefined) {
    const details = { option: error.argument, value: undefined };
    return new TendonError('OPTION_INVALID', `cannot ${doing}: ${error.message}`, details, options);
  }
  const exhausted = EXHAUSTED[error.code];
  if (exhausted !== undefined) {
    const [resource, remedy] = exhausted;
    const text = `cannot ${doing}: ${remedy} (${error.code}, ${error.syscall})`;
    return new TendonError('RESOURCE_EXHAUSTED', text, { resource }, options);
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const text = `not permitted to ${doing} (${error.code}, ${error.syscall})`;
    return new TendonError('PERMISSION_DENIED', text, { subject: doing }, options);
  }
  const details = { errnoCode: error.code, errno: error.errno, syscall: error.syscall };
  return new TendonError('SYSTEM_ERROR', `cannot ${doing}: ${error.message}`, details, options);
}

/** The errno name behind a failure of the addon (`'ENOENT'`), or undefined for any other error. */
export function errnoCodeOf(error: unknown): string | undefined {
  return isAddonError(error) && error.argument === undefined ? error.code : undefined;
}
