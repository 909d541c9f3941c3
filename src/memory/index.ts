export { AtomicFlag } from './atomic-flag.ts';
export { type AsyncWaitOptions, BLOCKING_DEFAULTS, type BlockingOptions } from './blocking.ts';
export {
  type BufferClassOptions,
  type BufferClassStats,
  BufferLoan,
  type BufferPool,
  type BufferPoolStats,
} from './buffer-pool.ts';
export {
  COUNTER_TABLE_DEFAULTS,
  Counter,
  type CounterId,
  type CounterOptions,
  type CounterReading,
  CounterTable,
  type CounterTableOptions,
} from './counter-table.ts';
export { HeapPool, type HeapPoolOptions } from './heap-pool.ts';
export { alignUp, CACHE_LINE_BYTES, WORD_BYTES } from './layout.ts';
export {
  OwnerCells,
  type OwnerIdentity,
  type OwnerLiveness,
  ownerLiveness,
  type ProcessLiveness,
  threadLiveness,
} from './owner.ts';
export { READ_WRITE_LOCK_DEFAULTS, ReadWriteLock, type ReadWriteLockOptions } from './read-write-lock.ts';
export { RegionPool, type RegionPoolOptions } from './region-pool.ts';
export { SEMAPHORE_DEFAULTS, Semaphore, type SemaphoreOptions } from './semaphore.ts';
export { SeqLock } from './seq-lock.ts';
export {
  SHARDED_MUTEX_DEFAULTS,
  ShardedMutex,
  type ShardedMutexOptions,
  type ShardKey,
} from './sharded-mutex.ts';
export { type Acquired, SpinLock } from './spin-lock.ts';
export { ATOMICS_WAITER, type WaitOutcome, type WordWaiter } from './word-waiter.ts';
export { nativeWord64Access, type Word64Access, Words64 } from './word64.ts';
