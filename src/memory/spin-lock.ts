import { TendonError } from '../core/index.ts';
import {
  type AsyncWaitOptions,
  type Blocking,
  type BlockingOptions,
  blockUntil,
  eventually,
  resolveBlocking,
} from './blocking.ts';
import { checkWords } from './layout.ts';
import { OwnerCells, type OwnerIdentity } from './owner.ts';
import { Parking } from './parking.ts';

/** `'owner-died'`: held now, but the last owner died holding it: what the lock guards may be half-written. */
export type Acquired = 'acquired' | 'owner-died';

const PARKING = OwnerCells.WORDS;

/**
 * Mutual exclusion in four words of any memory, between threads and processes.
 *
 * ```
 *   word 0, 1  owner    0: free (see owner.ts)
 *   word 2, 3  parking  (see parking.ts)
 * ```
 *
 * Made for sections of less than a microsecond, so it spins a little first; then it sleeps. Zeroed memory is a free
 * lock. Not recursive. The lock of a thread or process that died is inherited by the next that waits for it.
 */
export class SpinLock {
  static readonly WORDS = 4;
  static readonly BYTES = 16;
  readonly #owner: OwnerCells;
  readonly #parking: Parking;
  readonly #blocking: Blocking;

  /** @throws TendonError OPTION_INVALID: also when `index` is not on a multiple of 8 bytes */
  constructor(words: Int32Array, index: number, options: BlockingOptions) {
    checkWords('SpinLock', words, index, SpinLock.WORDS, 8);
    this.#blocking = resolveBlocking('SpinLock', options);
    this.#owner = new OwnerCells(words, index, 1, options.liveness);
    this.#parking = new Parking(words, index + PARKING, options.waiter);
  }

  /** Never waits and asks nobody: false also when the owner is dead. */
  tryLock(): boolean {
    return this.#owner.isFree(0) && this.#owner.claim(0);
  }

  /** Takes the lock from an owner that died; false when it is free or its owner lives. Asks the liveness. */
  tryRecover(): boolean {
    return this.#owner.inherit(0);
  }

  /** @throws TendonError LOCK_TIMEOUT; what the waiter throws on a thread that may not block */
  lock(timeoutMs: number = this.#blocking.timeoutMs): Acquired {
    if (this.tryLock()) return 'acquired';
    return blockUntil('the lock', this.#parking, this.#blocking, timeoutMs, this.#attempt, this.#recover);
  }

  /** For the main thread. @throws TendonError LOCK_TIMEOUT, ABORTED */
  lockAsync(options: AsyncWaitOptions = {}): Promise<Acquired> {
    return eventually('the lock', this.#blocking, options, this.#attempt, this.#recover);
  }

  /** @throws TendonError LOCK_NOT_OWNED */
  unlock(): void {
    if (!this.#owner.release(0)) {
      const ownerId = this.#owner.holder(0)?.pid ?? 0;
      throw new TendonError(
        'LOCK_NOT_OWNED',
        ownerId === 0 ? 'the lock is free' : `the lock is held by another thread, of process ${ownerId}`,
        { ownerId },
      );
    }
    this.#parking.unpark(1);
  }

  /** Runs `section` with the lock held. */
  run<T>(section: (acquired: Acquired) => T, timeoutMs?: number): T {
    const acquired = this.lock(timeoutMs);
    try {
      return section(acquired);
    } finally {
      this.unlock();
    }
  }

  get isLocked(): boolean {
    return !this.#owner.isFree(0);
  }

  /** Held by this thread. */
  get isMine(): boolean {
    return this.#owner.isMine(0);
  }

  /** Held, and by a thread or process that is dead. Asks the liveness. */
  get isOrphaned(): boolean {
    return this.#owner.isOrphaned(0);
  }

  /** Who holds it, as far as memory says. */
  get owner(): OwnerIdentity | undefined {
    return this.#owner.holder(0);
  }

  readonly #attempt = (): Acquired | undefined => (this.tryLock() ? 'acquired' : undefined);
  readonly #recover = (): Acquired | undefined => (this.tryRecover() ? 'owner-died' : undefined);
}
