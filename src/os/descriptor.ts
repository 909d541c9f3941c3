import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

export type FileSystemKind = 'tmpfs' | 'hugetlbfs' | 'other';

export interface DescriptorInfo {
  /** size of the file */
  readonly bytes: number;
  readonly device: number;
  readonly inode: number;
  /** type and permission bits, as `fs.Stats.mode` */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** memfds live on tmpfs, or on hugetlbfs when made of huge pages */
  readonly fileSystem: FileSystemKind;
  readonly fileSystemMagic: number;
}

/** linux/magic.h */
const TMPFS_MAGIC = 0x01021994;
const HUGETLBFS_MAGIC = 0x958458f6;

/** What the kernel knows about an open descriptor. */
export function describeFd(fd: number): DescriptorInfo {
  try {
    const facts = native().describeDescriptor(fd);
    const magic = facts.fileSystemMagic;
    const fileSystem =
      magic === TMPFS_MAGIC ? 'tmpfs' : magic === HUGETLBFS_MAGIC ? 'hugetlbfs' : ('other' as const);
    return { ...facts, fileSystem };
  } catch (error) {
    throw systemFailure(error, `describe descriptor ${fd}`);
  }
}

/** Closes a descriptor that `os/` gave. Closing a number twice may close somebody else's descriptor. */
export function closeFd(fd: number): void {
  try {
    native().closeDescriptor(fd);
  } catch (error) {
    throw systemFailure(error, `close descriptor ${fd}`);
  }
}
