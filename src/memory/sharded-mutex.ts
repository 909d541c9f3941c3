import { integerOption, TendonError } from '../core/index.ts';
import type { AsyncWaitOptions } from './blocking.ts';
import { CACHE_LINE_BYTES, checkWords } from './layout.ts';
import { READ_WRITE_LOCK_DEFAULTS, ReadWriteLock, type ReadWriteLockOptions } from './read-write-lock.ts';
import type { Acquired } from './spin-lock.ts';

/** A safe integer or a text; the same key means the same shard in every process. */
export type ShardKey = number | string;

export interface ShardedMutexOptions extends ReadWriteLockOptions {
  /** rounded up to a power of two, 1 for less; all parties state the same. Default 16 */
  readonly shards?: number;
}
export const SHARDED_MUTEX_DEFAULTS = { shards: 16 } as const;

/**
 * Read/write locks by key: keys of different shards do not wait for each other. A `ReadWriteLock` for each shard,
 * one after the other, on cache lines of their own.
 *
 * A thread that holds one key must not wait for another: the two may share a shard. Compare `shardOf` first.
 */
export class ShardedMutex {
  readonly shards: number;
  readonly #locks: readonly ReadWriteLock[];

  static wordsNeeded(
    shards: number = SHARDED_MUTEX_DEFAULTS.shards,
    readers: number = READ_WRITE_LOCK_DEFAULTS.readers,
  ): number {
    return powerOfTwoShards(shards) * ReadWriteLock.wordsNeeded(readers);
  }

  /** @throws TendonError OPTION_INVALID: also when `index` is not on a cache line */
  constructor(words: Int32Array, index: number, options: ShardedMutexOptions) {
    const { shards = SHARDED_MUTEX_DEFAULTS.shards, ...lockOptions } = options;
    const needed = ShardedMutex.wordsNeeded(shards, options.readers);
    checkWords('ShardedMutex', words, index, needed, CACHE_LINE_BYTES);
    this.shards = powerOfTwoShards(shards);
    const stride = needed / this.shards;
    this.#locks = Array.from(
      { length: this.shards },
      (_, shard) => new ReadWriteLock(words, index + shard * stride, lockOptions),
    );
  }

  /** Which shard a key falls into: by all of its bits, so that aligned addresses spread as well as counters. */
  shardOf(key: ShardKey): number {
    return hashOf(key) & (this.shards - 1);
  }

  /** @throws TendonError LOCK_TIMEOUT */
  lock(key: ShardKey, timeoutMs?: number): Acquired {
    return this.#lockOf(key).lock(timeoutMs);
  }
  lockAsync(key: ShardKey, options?: AsyncWaitOptions): Promise<Acquired> {
    return this.#lockOf(key).lockAsync(options);
  }
  tryLock(key: ShardKey): boolean {
    return this.#lockOf(key).tryLock();
  }
  /** @throws TendonError LOCK_NOT_OWNED */
  unlock(key: ShardKey): void {
    this.#lockOf(key).unlock();
  }

  /** @throws TendonError LOCK_TIMEOUT, LOCK_OWNER_DIED */
  lockShared(key: ShardKey, timeoutMs?: number): void {
    this.#lockOf(key).lockShared(timeoutMs);
  }
  lockSharedAsync(key: ShardKey, options?: AsyncWaitOptions): Promise<void> {
    return this.#lockOf(key).lockSharedAsync(options);
  }
  tryLockShared(key: ShardKey): boolean {
    return this.#lockOf(key).tryLockShared();
  }
  /** @throws TendonError LOCK_NOT_OWNED */
  unlockShared(key: ShardKey): void {
    this.#lockOf(key).unlockShared();
  }

  #lockOf(key: ShardKey): ReadWriteLock {
    return this.#locks[this.shardOf(key)]!;
  }
}

function powerOfTwoShards(shards: number): number {
  integerOption('shards', shards, 0, 65_536);
  return shards <= 1 ? 1 : 2 ** Math.ceil(Math.log2(shards));
}

function hashOf(key: ShardKey): number {
  if (typeof key === 'number') {
    if (!Number.isSafeInteger(key)) {
      throw new TendonError('OPTION_INVALID', `key must be a safe integer or a text, got ${key}`, {
        option: 'key',
        value: key,
      });
    }
    return mix((key | 0) ^ mix(Math.floor(key / 2 ** 32) | 0));
  }
  let hash = 0x811c9dc5; // FNV-1a over UTF-16 units
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** Murmur3's finalizer: every input bit reaches every output bit. */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
