import { ftruncateSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TendonError } from '../../core/index.ts';
import {
  checkSealedMemfd,
  closeFd,
  createEventFd,
  createMemfd,
  eventFdDrain,
  eventFdSignal,
  futexWait,
  futexWake,
  Mapping,
  openBeneath,
  pidfdOpen,
  socketReceiveFds,
  socketSendFds,
  unixPair,
} from '../../os/index.ts';
import { type Check, tried } from './check.ts';

const BYTES = 64 * 1024;
const KERNEL =
  'this kernel or a seccomp profile of the container refuses it; allow it, or use unix: and tcp:';

/** What shared memory stands on, each actually tried. Needs the addon. */
export function checkPrimitives(): readonly Check[] {
  return [
    tried('memfd and seals', tryMemfd, `memfd_create and fcntl(F_ADD_SEALS): ${KERNEL}`),
    tried('futex', tryFutex, `futex: ${KERNEL}`),
    tried('eventfd', tryEventFd, `eventfd: ${KERNEL}`),
    tried('openat2', tryOpenBeneath, `openat2, or openat where it is missing: ${KERNEL}`),
    tried('descriptor passing', tryDescriptors, `SCM_RIGHTS over a Unix socket: ${KERNEL}`),
    tried('pidfd', tryPidfd, `pidfd_open: ${KERNEL}`),
  ];
}

function tryMemfd(): string {
  const fd = createMemfd('tendon-doctor', BYTES);
  try {
    checkSealedMemfd(fd, BYTES);
    using mapping = Mapping.map(fd, { bytes: BYTES, writable: true });
    new Uint8Array(mapping.buffer).fill(0x5a);
    let shrunk = true;
    try {
      ftruncateSync(fd, BYTES / 2);
    } catch {
      shrunk = false;
    }
    if (shrunk) throw new TendonError('REGION_UNSAFE', 'a sealed memfd could be shrunk', { what: 'seals' });
    return `made, sealed, mapped and written; shrinking it is refused`;
  } finally {
    closeFd(fd);
  }
}

function tryFutex(): string {
  const fd = createMemfd('tendon-doctor', BYTES);
  try {
    using mapping = Mapping.map(fd, { bytes: BYTES, writable: true });
    const changed = futexWait(mapping.buffer, 0, 1, 0);
    const waited = futexWait(mapping.buffer, 0, 0, 0);
    const woken = futexWake(mapping.buffer, 0, 1);
    if (changed !== 'changed' || waited !== 'timed-out' || woken !== 0) {
      const message = `expected changed, timed-out and 0, got ${changed}, ${waited} and ${woken}`;
      throw new TendonError('CAPABILITY_MISSING', message, { capability: 'futex' });
    }
    return 'waits and wakes in mapped memory';
  } finally {
    closeFd(fd);
  }
}

function tryEventFd(): string {
  const fd = createEventFd();
  try {
    eventFdSignal(fd);
    eventFdSignal(fd);
    return `two signals came as ${eventFdDrain(fd)}`;
  } finally {
    closeFd(fd);
  }
}

function tryOpenBeneath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tendon-doctor-'));
  try {
    writeFileSync(join(directory, 'file'), '');
    symlinkSync('file', join(directory, 'link'));
    closeFd(openBeneath(directory, 'file', { flags: 'read' }));
    try {
      closeFd(openBeneath(directory, 'link', { flags: 'read' }));
    } catch (error) {
      if (TendonError.is(error, 'REGION_UNSAFE')) return 'opens a file below a directory, and no link';
      throw error;
    }
    throw new TendonError('REGION_UNSAFE', 'it followed a symbolic link', { what: 'symbolic link' });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function tryDescriptors(): string {
  const [here, there] = unixPair();
  const fd = createMemfd('tendon-doctor', BYTES);
  const received: number[] = [];
  try {
    socketSendFds(here, Uint8Array.of(1), 0, 1, [fd]);
    socketReceiveFds(there, new Uint8Array(1), 0, 1, received);
    const [copy] = received;
    if (copy === undefined) {
      throw new TendonError('CAPABILITY_MISSING', 'the byte came without its descriptor', {
        capability: 'descriptor passing',
      });
    }
    checkSealedMemfd(copy, BYTES);
    return 'a memfd went through a socket, with its seals';
  } finally {
    for (const open of [here, there, fd, ...received]) closeFd(open);
  }
}

function tryPidfd(): string {
  closeFd(pidfdOpen(process.pid));
  return 'watches processes without confusing recycled pids';
}
