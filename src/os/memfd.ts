import { freemem } from 'node:os';
import { integerOption, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { closeFd, describeFd } from './descriptor.ts';
import { native } from './native.ts';
import { errnoCodeOf, systemFailure } from './system-error.ts';

/** fcntl.h: what may no longer happen to a file */
export const SEAL_SEAL = 0x01;
export const SEAL_SHRINK = 0x02;
export const SEAL_GROW = 0x04;
export const SEAL_WRITE = 0x08;
/** no new writable mapping and no write(2); writable mappings that exist stay so */
export const SEAL_FUTURE_WRITE = 0x10;

/** linux/memfd.h */
const MFD_ALLOW_SEALING = 0x02;
const MFD_HUGETLB = 0x04;
const MFD_NOEXEC_SEAL = 0x08;
/** kernel: a memfd's name has at most NAME_MAX - strlen("memfd:") bytes */
const MAX_NAME_BYTES = 249;

const SIZE_SEALS = SEAL_SHRINK | SEAL_GROW | SEAL_SEAL;

export type MemfdSeal = 'none' | 'size' | 'size+future-write';

export interface MemfdOptions {
  /**
   * Seals set before the descriptor is returned. `'size'`: it can be neither resized nor sealed further;
   * `'size+future-write'`: nor can it be written or mapped writable by anybody, so a creator that writes asks for
   * `'none'`, maps, and then calls `addSeals`. Default: `'size'`.
   */
  readonly seal?: MemfdSeal;
  /** Made of huge pages; the size must be a multiple of theirs. Such a memfd is refused by `checkSealedMemfd`. Default: false. */
  readonly hugePages?: boolean;
}

/**
 * Makes an anonymous file in memory, with its memory committed: what the machine cannot give is an error now and
 * not a SIGBUS later. Close-on-exec; not executable where the kernel knows how.
 *
 * @param name for people, in /proc/PID/fd; at most 249 bytes
 * @param bytes its size, at least 1
 * @returns a descriptor that the caller closes
 * @throws TendonError RESOURCE_EXHAUSTED when memory, descriptors or the file size limit do not suffice
 */
export function createMemfd(name: string, bytes: number, options: MemfdOptions = {}): number {
  refuseUnknownOptions('createMemfd', options, ['seal', 'hugePages']);
  const seal = oneOfOption('seal', options.seal ?? 'size', ['none', 'size', 'size+future-write']);
  const hugePages = options.hugePages ?? false;
  integerOption('bytes', bytes, 1, Number.MAX_SAFE_INTEGER);
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new TendonError('OPTION_INVALID', `name must have at most ${MAX_NAME_BYTES} bytes, got "${name}"`, {
      option: 'name',
      value: name,
    });
  }
  const doing = `create the memfd "${name}" of ${bytes} bytes`;
  requireMemory(bytes, doing);
  const fd = openMemfd(name, MFD_ALLOW_SEALING | (hugePages ? MFD_HUGETLB : 0), doing);
  try {
    const addon = native();
    addon.resizeFile(fd, bytes);
    addon.allocateFile(fd, bytes);
    if (seal !== 'none') {
      addon.addSeals(fd, seal === 'size' ? SIZE_SEALS : SIZE_SEALS | SEAL_FUTURE_WRITE);
    }
    return fd;
  } catch (error) {
    closeFd(fd);
    throw systemFailure(error, doing);
  }
}

/** Without a limit the kernel commits page after page until it has to kill somebody: what cannot fit is refused before. */
function requireMemory(bytes: number, doing: string): void {
  const limit = process.constrainedMemory(); // of the memory cgroup; 0 or nearly 2^64 without one
  const available = limit > 0 ? Math.min(freemem(), limit) : freemem();
  if (bytes > available) {
    const text = `cannot ${doing}: only ${available} bytes of memory are available; ask for less or free some`;
    throw new TendonError('RESOURCE_EXHAUSTED', text, { resource: 'memory' });
  }
}

function openMemfd(name: string, flags: number, doing: string): number {
  try {
    return native().createMemfd(name, flags | MFD_NOEXEC_SEAL);
  } catch (error) {
    if (errnoCodeOf(error) !== 'EINVAL') throw systemFailure(error, doing);
  }
  try {
    return native().createMemfd(name, flags); // a kernel before 6.3
  } catch (error) {
    throw systemFailure(error, doing);
  }
}

/**
 * Adds `SEAL_...` bits; they can never be taken away.
 * @throws TendonError PERMISSION_DENIED when SEAL_SEAL is set already; SYSTEM_ERROR EBUSY for SEAL_WRITE while
 *   writable mappings exist; SYSTEM_ERROR EINVAL for a file that cannot be sealed
 */
export function addSeals(fd: number, seals: number): void {
  try {
    native().addSeals(fd, seals);
  } catch (error) {
    throw systemFailure(error, `seal descriptor ${fd}`);
  }
}

/** The `SEAL_...` bits of a memfd. @throws TendonError SYSTEM_ERROR EINVAL for a file that cannot be sealed */
export function getSeals(fd: number): number {
  try {
    return native().getSeals(fd);
  } catch (error) {
    throw systemFailure(error, `read the seals of descriptor ${fd}`);
  }
}

export interface SealedMemfdPolicy {
  /** SEAL_FUTURE_WRITE must be set as well. Default: false. */
  readonly futureWrite?: boolean;
}

/**
 * Says whether memory from a peer may be mapped: a peer must not be able to kill us with SIGBUS. It has to be a
 * file on tmpfs (hugetlbfs can fail later, sealed or not), of exactly `expectedBytes`, that can no longer shrink.
 *
 * @throws TendonError REGION_UNSAFE with what is wrong
 */
export function checkSealedMemfd(fd: number, expectedBytes: number, policy: SealedMemfdPolicy = {}): void {
  refuseUnknownOptions('checkSealedMemfd', policy, ['futureWrite']);
  const info = describeFd(fd);
  if (info.fileSystem !== 'tmpfs') {
    throw unsafe(`the memory must be on tmpfs, it is on ${info.fileSystem}`, 'file system');
  }
  let seals = 0;
  try {
    seals = native().getSeals(fd);
  } catch (error) {
    if (errnoCodeOf(error) !== 'EINVAL') throw systemFailure(error, `read the seals of descriptor ${fd}`);
    throw unsafe('the memory must be a memfd that can be sealed', 'seals', error);
  }
  const wanted = SEAL_SHRINK | SEAL_GROW | SEAL_SEAL | (policy.futureWrite === true ? SEAL_FUTURE_WRITE : 0);
  if ((seals & wanted) !== wanted) {
    throw unsafe(
      `the memory must have the seals 0x${wanted.toString(16)}, it has 0x${seals.toString(16)}`,
      'seals',
    );
  }
  // After the seals: only now can the size no longer change.
  const { bytes } = describeFd(fd);
  if (bytes !== expectedBytes) {
    throw unsafe(`the memory must have ${expectedBytes} bytes, it has ${bytes}`, 'size');
  }
}

function unsafe(message: string, what: string, cause?: unknown): TendonError<'REGION_UNSAFE'> {
  return new TendonError('REGION_UNSAFE', message, { what }, cause === undefined ? undefined : { cause });
}
