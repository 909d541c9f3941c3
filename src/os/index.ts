/**
 * The only door to the native addon and to what Node does not tell about the machine. Descriptors are plain numbers
 * that the caller closes; errno becomes a TendonError code, with the system error as `cause`. Without the addon
 * every call that needs it throws NATIVE_UNAVAILABLE.
 */
export { readClockInto, readEpochInto } from './clock.ts';
export { closeFd, type DescriptorInfo, describeFd, type FileSystemKind } from './descriptor.ts';
export { createEventFd, eventFdDrain, eventFdSignal } from './event-fd.ts';
export { type HeldLock, type LockRange, queryLock, tryLockFile, unlockFile } from './file-lock.ts';
export { type FutexOutcome, futexWait, futexWaiter, futexWake, type WordWaiter } from './futex.ts';
export { availableCpus, cpuAffinity, hugePageSize, pageSize, setCpuAffinity } from './machine.ts';
export { Mapping, type MappingAdvice, type MappingOptions } from './mapping.ts';
export {
  addSeals,
  checkSealedMemfd,
  createMemfd,
  getSeals,
  type MemfdOptions,
  type MemfdSeal,
  SEAL_FUTURE_WRITE,
  SEAL_GROW,
  SEAL_SEAL,
  SEAL_SHRINK,
  SEAL_WRITE,
  type SealedMemfdPolicy,
} from './memfd.ts';
export { type NativeStatus, nativeStatus } from './native.ts';
export { type OpenBeneathFlags, type OpenBeneathOptions, openBeneath } from './open-beneath.ts';
export {
  ownStartTime,
  type ProcessIdentity,
  type ProcessLiveness,
  pidfdOpen,
  processAlive,
  processLiveness,
  processStartTime,
} from './process-liveness.ts';
export {
  datagramReceive,
  datagramSend,
  type ListenOptions,
  MAX_FDS_PER_MESSAGE,
  MAX_SOCKET_PATH_BYTES,
  PEER_GONE,
  type PeerCredentials,
  peerCredentials,
  type ReceivedDatagram,
  type SocketType,
  socketReceive,
  socketReceiveFds,
  socketSend,
  socketSendFds,
  socketShutdown,
  unixAccept,
  unixConnect,
  unixListen,
  unixPair,
  WOULD_BLOCK,
} from './unix-socket.ts';
export { type WatchCallback, type WatchedEvents, Watcher, type WatcherOptions } from './watcher.ts';
