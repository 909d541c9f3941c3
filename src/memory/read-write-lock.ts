import { integerOption, TendonError } from '../core/index.ts';
import {
  type AsyncWaitOptions,
  type Blocking,
  type BlockingOptions,
  blockUntil,
  eventually,
  resolveBlocking,
} from './blocking.ts';
import { alignUp, CACHE_LINE_BYTES, checkWords, WORD_BYTES } from './layout.ts';
import { OwnerCells } from './owner.ts';
import { Parking } from './parking.ts';
import { type Acquired, SpinLock } from './spin-lock.ts';

const PARKING = SpinLock.WORDS;
const READERS = 8;
const EVERYBODY = 0x7fffffff;

export interface ReadWriteLockOptions extends BlockingOptions {
  /** readers at one time; more of them wait. All parties state the same. Default 12: two cache lines in all */
  readonly readers?: number;
}
export const READ_WRITE_LOCK_DEFAULTS = { readers: 12 } as const;

/**
 * One writer or several readers, in any memory, between threads and processes.
 *
 * ```
 *   word 0..3   writer   SpinLock
 *   word 4, 5   parking  of all who wait for the other kind
 *   word 6, 7   0
 *   word 8..    readers  an owner word each (see owner.ts): a dead reader is found and put out
 * ```
 *
 * A reader enters its name, then looks for a writer; a writer takes the writer word, then looks for readers: one of
 * the two sees the other. Writers go first. Zeroed memory is a free lock. Not recursive, and no way up from
 * reading to writing.
 */
export class ReadWriteLock {
  readonly #writer: SpinLock;
  readonly #parking: Parking;
  readonly #readers: OwnerCells;
  readonly #blocking: Blocking;

  /** Whole cache lines, so that neighbours do not disturb each other. */
  static wordsNeeded(readers: number = READ_WRITE_LOCK_DEFAULTS.readers): number {
    integerOption('readers', readers, 1, 4096);
    return alignUp(READERS + readers * OwnerCells.WORDS, CACHE_LINE_BYTES / WORD_BYTES);
  }

  /** @throws TendonError OPTION_INVALID: also when `index` is not on a multiple of 8 bytes */
  constructor(words: Int32Array, index: number, options: ReadWriteLockOptions) {
    const { readers = READ_WRITE_LOCK_DEFAULTS.readers, ...blocking } = options;
    checkWords('ReadWriteLock', words, index, ReadWriteLock.wordsNeeded(readers), 8);
    this.#blocking = resolveBlocking('ReadWriteLock', options, ['readers']);
    this.#writer = new SpinLock(words, index, blocking);
    this.#parking = new Parking(words, index + PARKING, options.waiter);
    this.#readers = new OwnerCells(words, index + READERS, readers, options.liveness);
  }

  /** Never waits and asks nobody. */
  tryLock(): boolean {
    if (!this.#writer.tryLock()) return false;
    if (this.#noReaders()) return true;
    this.unlock();
    return false;
  }

  /** @throws TendonError LOCK_TIMEOUT */
  lock(timeoutMs: number = this.#blocking.timeoutMs): Acquired {
    const startMs = this.#blocking.clock.nowMs();
    const acquired = this.#writer.lock(timeoutMs);
    if (this.#noReaders()) return acquired;
    const leftMs = Math.max(0, timeoutMs - (this.#blocking.clock.nowMs() - startMs));
    try {
      blockUntil('the write lock', this.#parking, this.#blocking, leftMs, this.#drained, this.#evictReaders);
    } catch (error) {
      this.unlock();
      throw error;
    }
    return acquired;
  }

  /** For the main thread. @throws TendonError LOCK_TIMEOUT, ABORTED */
  async lockAsync(options: AsyncWaitOptions = {}): Promise<Acquired> {
    const startMs = this.#blocking.clock.nowMs();
    const acquired = await this.#writer.lockAsync(options);
    try {
      const timeoutMs = options.timeoutMs ?? this.#blocking.timeoutMs;
      const leftMs = Math.max(0, timeoutMs - (this.#blocking.clock.nowMs() - startMs));
      const rest = { ...options, timeoutMs: leftMs };
      await eventually('the write lock', this.#blocking, rest, this.#drained, this.#evictReaders);
    } catch (error) {
      this.unlock();
      throw error;
    }
    return acquired;
  }

  /** @throws TendonError LOCK_NOT_OWNED */
  unlock(): void {
    this.#writer.unlock();
    this.#parking.unpark(EVERYBODY);
  }

  /** Never waits and asks nobody: false also when the writer is dead. */
  tryLockShared(): boolean {
    return this.#enter() !== undefined;
  }

  /** @throws TendonError LOCK_TIMEOUT; LOCK_OWNER_DIED: a writer died, and the next one has to see to the data */
  lockShared(timeoutMs: number = this.#blocking.timeoutMs): void {
    if (this.tryLockShared()) return;
    blockUntil('the read lock', this.#parking, this.#blocking, timeoutMs, this.#enter, this.#recoverRead);
  }

  /** For the main thread. @throws TendonError LOCK_TIMEOUT, LOCK_OWNER_DIED, ABORTED */
  async lockSharedAsync(options: AsyncWaitOptions = {}): Promise<void> {
    await eventually('the read lock', this.#blocking, options, this.#enter, this.#recoverRead);
  }

  /** @throws TendonError LOCK_NOT_OWNED */
  unlockShared(): void {
    for (let reader = 0; reader < this.#readers.count; reader++) {
      if (this.#readers.isMine(reader) && this.#readers.release(reader)) {
        this.#parking.unpark(EVERYBODY);
        return;
      }
    }
    throw new TendonError('LOCK_NOT_OWNED', 'this thread is not reading', {
      ownerId: this.#writer.owner?.pid ?? 0,
    });
  }

  #noReaders(): boolean {
    for (let reader = 0; reader < this.#readers.count; reader++) {
      if (!this.#readers.isFree(reader)) return false;
    }
    return true;
  }

  readonly #drained = (): true | undefined => this.#noReaders() || undefined;

  readonly #evictReaders = (): true | undefined => {
    for (let reader = 0; reader < this.#readers.count; reader++) this.#readers.evict(reader);
    return this.#drained();
  };

  readonly #enter = (): true | undefined => {
    if (this.#writer.isLocked) return undefined;
    for (let reader = 0; reader < this.#readers.count; reader++) {
      if (!this.#readers.isFree(reader) || !this.#readers.claim(reader)) continue;
      if (!this.#writer.isLocked) return true;
      this.#readers.release(reader);
      this.#parking.unpark(EVERYBODY);
      return undefined;
    }
    return undefined;
  };

  readonly #recoverRead = (): true | undefined => {
    if (this.#writer.isOrphaned) {
      const ownerId = this.#writer.owner?.pid ?? 0;
      throw new TendonError('LOCK_OWNER_DIED', `process ${ownerId} died while it held the write lock`, {
        ownerId,
      });
    }
    for (let reader = 0; reader < this.#readers.count; reader++) this.#readers.evict(reader);
    return this.#enter();
  };
}
