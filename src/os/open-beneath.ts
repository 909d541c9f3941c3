import { constants } from 'node:fs';
import { integerOption, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { closeFd, describeFd } from './descriptor.ts';
import { native } from './native.ts';
import { errnoCodeOf, systemFailure } from './system-error.ts';

const FLAGS = {
  read: constants.O_RDONLY,
  'read-write': constants.O_RDWR,
  /** made by this call, or EEXIST */
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  'create-or-open': constants.O_RDWR | constants.O_CREAT,
} as const;
export type OpenBeneathFlags = keyof typeof FLAGS;

export interface OpenBeneathOptions {
  readonly flags: OpenBeneathFlags;
  /** Mode of a file that is made, narrowed by the umask. Default: 0o600. */
  readonly mode?: number;
  /** Takes the component-wise walk of old kernels even where openat2 exists; for tests. Default: false. */
  readonly walk?: boolean;
}

/**
 * Opens a regular file below a directory, through no symbolic link and into no other file system, whatever others
 * do to the tree meanwhile. The base itself may be reached through links: it is configured, not received.
 *
 * @param relativePath from a peer or a registry: not trusted. Canonicalise first where links are welcome.
 * @returns a descriptor, close-on-exec, that the caller closes
 * @throws TendonError REGION_UNSAFE when the path leaves the base, crosses a link or a mount, or names no regular
 *   file; SYSTEM_ERROR ENOENT, EEXIST; PERMISSION_DENIED
 */
export function openBeneath(
  baseDirectory: string,
  relativePath: string,
  options: OpenBeneathOptions,
): number {
  refuseUnknownOptions('openBeneath', options, ['flags', 'mode', 'walk']);
  const flags = oneOfOption('flags', options.flags, Object.keys(FLAGS) as OpenBeneathFlags[]);
  const mode = integerOption('mode', options.mode ?? 0o600, 0, 0o777);
  const doing = `open ${relativePath} below ${baseDirectory}`;
  let fd: number;
  try {
    fd = native().openBeneath(baseDirectory, relativePath, FLAGS[flags], mode, options.walk ?? false);
  } catch (error) {
    const code = errnoCodeOf(error);
    if (code === 'ELOOP' || code === 'EXDEV') {
      const what = code === 'ELOOP' ? 'symbolic link' : 'outside';
      const why =
        code === 'ELOOP' ? 'a symbolic link is in its path' : 'it leaves the directory or its file system';
      throw new TendonError('REGION_UNSAFE', `cannot ${doing}: ${why}`, { what }, { cause: error });
    }
    throw systemFailure(error, doing);
  }
  try {
    if ((describeFd(fd).mode & constants.S_IFMT) !== constants.S_IFREG) {
      throw new TendonError('REGION_UNSAFE', `cannot ${doing}: it is not a regular file`, {
        what: 'file type',
      });
    }
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
