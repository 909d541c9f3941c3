import { TendonError } from '../core/index.ts';
import {
  type AsyncWaitOptions,
  type Blocking,
  type BlockingOptions,
  blockUntil,
  eventually,
  pause,
  resolveBlocking,
} from './blocking.ts';
import { checkWords } from './layout.ts';
import { Parking } from './parking.ts';
import { type Acquired, SpinLock } from './spin-lock.ts';

const LOW = 0;
const HIGH = 1;
const WRITER = 2;
const READERS = WRITER + SpinLock.WORDS;
/** no section was read: `readRetry` of it is always true */
const UNSTABLE = -1;

interface Read<T> {
  readonly value: T;
}

/**
 * Readers that never write: they read, and read again when a writer was there meanwhile. In eight words of any
 * memory; the data lie anywhere.
 *
 * ```
 *   word 0     sequence, low half   odd: a write is under way
 *   word 1     sequence, high half  counts the turns of the low half; changes only inside a write
 *   word 2..5  writers' SpinLock
 *   word 6, 7  parking of readers that wait for the end of a write
 * ```
 *
 * All four points are atomic on word 0; the data between may be plain. What a reader sees before `readRetry` said
 * false may be torn: copy it, do not follow it. `read` and `readAsync` park only in the way of a write that
 * lasts; `tryRead`, `readBegin` and `readRetry` never write, so they work on a read-only mapping.
 *
 * A writer that died inside its write leaves the sequence odd: readers get LOCK_OWNER_DIED, and the next writer
 * gets `'owner-died'` and must write all of the data.
 */
export class SeqLock {
  static readonly WORDS = 8;
  static readonly BYTES = 32;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #writer: SpinLock;
  readonly #readers: Parking;
  readonly #blocking: Blocking;

  /** @throws TendonError OPTION_INVALID: also when `index` is not on a multiple of 8 bytes */
  constructor(words: Int32Array, index: number, options: BlockingOptions) {
    checkWords('SeqLock', words, index, SeqLock.WORDS, 8);
    this.#blocking = resolveBlocking('SeqLock', options);
    this.#words = words;
    this.#index = index;
    this.#writer = new SpinLock(words, index + WRITER, options);
    this.#readers = new Parking(words, index + READERS, options.waiter);
  }

  /** The sequence to hand to `readRetry`: even and growing by 2 a write; -1 while a write is under way. */
  readBegin(): number {
    const low = Atomics.load(this.#words, this.#index + LOW); // SYNC(seqlock.end) acquire
    if ((low & 1) !== 0) return UNSTABLE;
    return (this.#words[this.#index + HIGH]! >>> 0) * 2 ** 32 + (low >>> 0);
  }

  /** True when what was read since `readBegin` may be torn. The whole sequence is compared, not its low half. */
  readRetry(sequence: number): boolean {
    const high = this.#words[this.#index + HIGH]! >>> 0;
    const low = Atomics.load(this.#words, this.#index + LOW) >>> 0; // SYNC(seqlock.begin) acquire: after the data
    return sequence !== high * 2 ** 32 + low;
  }

  /**
   * Runs `copy` until no writer was there meanwhile, and returns its value. `copy` may run several times and must
   * survive torn data.
   *
   * @throws TendonError LOCK_TIMEOUT; LOCK_OWNER_DIED when a dead writer left the data half-written
   */
  read<T>(copy: () => T, timeoutMs: number = this.#blocking.timeoutMs): T {
    const attempt = (): Read<T> | undefined => this.#attempt(copy);
    const read =
      attempt() ??
      blockUntil('a stable read', this.#readers, this.#blocking, timeoutMs, attempt, this.#refuseOrphan);
    return read.value;
  }

  /** `read` for the main thread. @throws TendonError LOCK_TIMEOUT, LOCK_OWNER_DIED, ABORTED */
  async readAsync<T>(copy: () => T, options: AsyncWaitOptions = {}): Promise<T> {
    const attempt = (): Read<T> | undefined => this.#attempt(copy);
    const read = await eventually('a stable read', this.#blocking, options, attempt, this.#refuseOrphan);
    return read.value;
  }

  /** A bounded number of tries; undefined when writers were there each time. */
  tryRead<T>(copy: () => T): T | undefined {
    for (let spin = 0; spin <= this.#blocking.spins; spin++) {
      const read = this.#attempt(copy);
      if (read !== undefined) return read.value;
      pause();
    }
    return undefined;
  }

  /** @throws TendonError LOCK_TIMEOUT: another writer stayed too long */
  writeBegin(timeoutMs?: number): Acquired {
    this.#writer.lock(timeoutMs);
    return this.#open();
  }

  /** `writeBegin` for the main thread; until `writeEnd`, keep the section free of `await`. */
  async writeBeginAsync(options?: AsyncWaitOptions): Promise<Acquired> {
    await this.#writer.lockAsync(options);
    return this.#open();
  }

  /** @throws TendonError LOCK_NOT_OWNED: this thread is not writing */
  writeEnd(): void {
    if (this.#writerIsNotUs()) {
      const ownerId = this.#writer.owner?.pid ?? 0;
      throw new TendonError('LOCK_NOT_OWNED', 'no write of this thread is under way', { ownerId });
    }
    const words = this.#words;
    const next = (words[this.#index + LOW]! + 1) | 0;
    if (next === 0) words[this.#index + HIGH] = (words[this.#index + HIGH]! + 1) | 0;
    Atomics.store(words, this.#index + LOW, next); // SYNC(seqlock.end) release
    this.#writer.unlock();
    this.#readers.unpark(0x7fffffff);
  }

  /** Runs `section` as the only writer. When it throws, the data stay as it left them. */
  write<T>(section: (acquired: Acquired) => T, timeoutMs?: number): T {
    const acquired = this.writeBegin(timeoutMs);
    try {
      return section(acquired);
    } finally {
      this.writeEnd();
    }
  }

  #attempt<T>(copy: () => T): Read<T> | undefined {
    const sequence = this.readBegin();
    if (sequence === UNSTABLE) return undefined;
    const value = copy();
    return this.readRetry(sequence) ? undefined : { value };
  }

  /** With the writers' lock held. An odd sequence is what a dead writer left; a dead one that had finished left none. */
  #open(): Acquired {
    const low = this.#words[this.#index + LOW]!;
    if ((low & 1) !== 0) return 'owner-died';
    Atomics.store(this.#words, this.#index + LOW, (low + 1) | 0); // SYNC(seqlock.begin) release: before the data
    return 'acquired';
  }

  #writerIsNotUs(): boolean {
    return !this.#writer.isMine || (Atomics.load(this.#words, this.#index + LOW) & 1) === 0;
  }

  readonly #refuseOrphan = (): undefined => {
    if ((Atomics.load(this.#words, this.#index + LOW) & 1) === 0 || !this.#writer.isOrphaned)
      return undefined;
    const ownerId = this.#writer.owner?.pid ?? 0;
    throw new TendonError(
      'LOCK_OWNER_DIED',
      `process ${ownerId} died while it wrote: the data are half-written until somebody writes them anew`,
      { ownerId },
    );
  };
}
