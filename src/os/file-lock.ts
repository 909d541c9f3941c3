import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

export interface LockRange {
  /** Two shared locks go together; an exclusive one, which needs a writable descriptor, goes with none. */
  readonly exclusive: boolean;
  /** Default: 0. */
  readonly offset?: number;
  /** 0: to the end, however far the file grows. Default: 0. */
  readonly length?: number;
}

export interface HeldLock {
  readonly exclusive: boolean;
  /** -1 when it belongs to an open file, as all of ours do */
  readonly pid: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Takes a lock that belongs to this opening of the file: another opening in the same process is refused too, and
 * the kernel lets go when the last descriptor of this opening is closed, also by `kill -9`. Never waits.
 *
 * @returns false when a conflicting lock is held
 */
export function tryLockFile(fd: number, range: LockRange): boolean {
  try {
    return native().tryLockFile(fd, range.exclusive, range.offset ?? 0, range.length ?? 0);
  } catch (error) {
    throw systemFailure(error, `lock descriptor ${fd}`);
  }
}

export function unlockFile(fd: number, range: Omit<LockRange, 'exclusive'> = {}): void {
  try {
    native().unlockFile(fd, false, range.offset ?? 0, range.length ?? 0);
  } catch (error) {
    throw systemFailure(error, `unlock descriptor ${fd}`);
  }
}

/** The first lock that would refuse this one, held through another opening; undefined when it would be granted. */
export function queryLock(fd: number, range: LockRange): HeldLock | undefined {
  try {
    return native().queryLock(fd, range.exclusive, range.offset ?? 0, range.length ?? 0) ?? undefined;
  } catch (error) {
    throw systemFailure(error, `query the locks of descriptor ${fd}`);
  }
}
