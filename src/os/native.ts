import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { TendonError } from '../core/index.ts';

/**
 * The addon as it is: numbers and buffers in, a number or buffer out, failures as errors with `errno`, `code`
 * and `syscall`. Only `os/` sees it; what each function does stands beside it in `native/`.
 */
export interface Addon {
  closeDescriptor(fd: number): void;
  describeDescriptor(fd: number): {
    bytes: number;
    device: number;
    inode: number;
    mode: number;
    uid: number;
    gid: number;
    fileSystemMagic: number;
  };

  createMemfd(name: string, flags: number): number;
  resizeFile(fd: number, bytes: number): void;
  allocateFile(fd: number, bytes: number): void;
  addSeals(fd: number, seals: number): void;
  getSeals(fd: number): number;

  mapRegion(fd: number, offset: number, bytes: number, writable: boolean, populate: boolean): ArrayBuffer;
  unmapRegion(buffer: ArrayBuffer): boolean;
  adviseRegion(buffer: ArrayBuffer, offset: number, bytes: number, advice: number): void;
  prefaultRegion(buffer: ArrayBuffer, offset: number, bytes: number, writable: boolean): void;

  openBeneath(base: string, path: string, flags: number, mode: number, walk: boolean): number;

  futexWait(buffer: ArrayBuffer, byteOffset: number, expected: number, timeoutNs: number): number;
  futexWake(buffer: ArrayBuffer, byteOffset: number, count: number): number;
  createEventFd(initial: number): number;
  signalEventFd(fd: number): boolean;
  drainEventFd(fd: number): number;
  readMonotonic(target: Float64Array | BigInt64Array, index: number): void;
  readEpoch(target: Float64Array | BigInt64Array, index: number): void;

  startWatcher(
    fd: number,
    events: number,
    callback: (readable: boolean, writable: boolean, hangup: boolean) => void,
    owned: boolean,
  ): number;
  updateWatcher(id: number, events: number): void;
  referenceWatcher(id: number, referenced: boolean): void;
  closeWatcher(id: number): void;

  listenUnix(path: string, datagram: boolean, mode: number, backlog: number): number;
  acceptUnix(fd: number): number;
  connectUnix(path: string, datagram: boolean): number;
  pairUnix(datagram: boolean): [number, number];
  peerCredentials(fd: number): { pid: number; uid: number; gid: number };
  sendSocket(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  receiveSocket(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  sendDescriptors(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    fds: readonly number[],
  ): number;
  receiveDescriptors(fd: number, bytes: Uint8Array, offset: number, length: number, out: number[]): number;
  shutdownSocket(fd: number, how: number): void;
  sendDatagram(fd: number, bytes: Uint8Array, offset: number, length: number, path: string): number;
  receiveDatagram(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): { bytes: number; path: string } | null;

  tryLockFile(fd: number, exclusive: boolean, offset: number, length: number): boolean;
  unlockFile(fd: number, exclusive: boolean, offset: number, length: number): void;
  queryLock(
    fd: number,
    exclusive: boolean,
    offset: number,
    length: number,
  ): { exclusive: boolean; pid: number; offset: number; length: number } | null;
  openPidfd(pid: number): number;

  pageSize(): number;
  getAffinity(tid: number): number[];
  setAffinity(tid: number, cpus: readonly number[]): void;
}

export type NativeStatus =
  | { readonly available: true; readonly path: string }
  | { readonly available: false; readonly reason: string };

interface Loaded {
  readonly status: NativeStatus;
  readonly addon: Addon | undefined;
  readonly cause: unknown;
}

/** dist/os/native.js -> the package */
const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REMEDY =
  'to get it, install a C++ compiler, make and python3 (apt-get install g++ make python3), then: npm rebuild tendon';

function load(): Loaded {
  if (process.platform !== 'linux') {
    return {
      status: { available: false, reason: `shared memory needs Linux, this is ${process.platform}` },
      addon: undefined,
      cause: undefined,
    };
  }
  try {
    const require = createRequire(import.meta.url);
    const path = (require('node-gyp-build') as { path(root: string): string }).path(PACKAGE_ROOT);
    // The build and this declaration come from one checkout; `doctor` shows the path.
    return { status: { available: true, path }, addon: require(path) as Addon, cause: undefined };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? error.name) : String(error);
    return { status: { available: false, reason }, addon: undefined, cause: error };
  }
}

/** Loads on first use. What it remembers is the answer of the file system, the same for everybody who asks. */
class Loader {
  #loaded: Loaded | undefined;

  get loaded(): Loaded {
    this.#loaded ??= load();
    return this.#loaded;
  }

  get addon(): Addon {
    return this.loaded.addon ?? this.#missing();
  }

  #missing(): never {
    const { status, cause } = this.loaded;
    const reason = status.available ? '' : `: ${status.reason}`;
    throw new TendonError(
      'NATIVE_UNAVAILABLE',
      `the native addon is not available${reason}; ${REMEDY}`,
      {},
      {
        cause,
      },
    );
  }
}

const LOADER = new Loader();

/**
 * Whether the addon is there, and why not. Never throws.
 *
 * It is looked for as the package `node-gyp-build` does: `build/Release` in the package, then `prebuilds/`. A copy
 * of the package without these two directories is how a test runs without the addon.
 */
export function nativeStatus(): NativeStatus {
  return LOADER.loaded.status;
}

/**
 * The addon.
 * @throws TendonError NATIVE_UNAVAILABLE with the reason and the remedy
 */
export function native(): Addon {
  return LOADER.addon;
}
