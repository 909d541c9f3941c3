import { integerOption, powerOfTwoOption, TendonError } from '../core/index.ts';

/** Buffers lent and taken back, by size class: a class for each power of two. */
export interface BufferPool {
  /** Loans of up to so many bytes. */
  readonly maxBytes: number;
  /**
   * Lends `bytes` bytes, whatever they hold, from the smallest class that fits and has one left.
   *
   * @returns undefined when all that fit are lent
   * @throws TendonError FRAME_TOO_LARGE when `bytes` is more than `maxBytes`
   */
  tryAcquire(bytes: number): BufferLoan | undefined;
  /** The same. @throws TendonError RESOURCE_EXHAUSTED when all that fit are lent */
  acquire(bytes: number): BufferLoan;
  /** A fresh object. */
  stats(): BufferPoolStats;
}

export interface BufferPoolStats {
  readonly classes: readonly BufferClassStats[];
}

/** One size class. What is counted is counted by this object, not by others over the same memory. */
export interface BufferClassStats {
  readonly blockBytes: number;
  /** blocks of this class at most */
  readonly blocks: number;
  /** lent now */
  readonly inUse: number;
  /** most lent at one time */
  readonly highWater: number;
  readonly acquired: number;
  readonly released: number;
  /** loans that ended up in a larger class or nowhere */
  readonly missed: number;
}

/** A buffer until `release`; `using` releases it at the end of the block. */
export class BufferLoan implements Disposable {
  /** as many bytes as were asked for */
  readonly bytes: Uint8Array;
  /** what the block holds: `bytes.length` rounded up to its class */
  readonly blockBytes: number;
  #giveBack: ((loan: BufferLoan) => void) | undefined;

  /** @internal made by pools */
  constructor(bytes: Uint8Array, blockBytes: number, giveBack: (loan: BufferLoan) => void) {
    this.bytes = bytes;
    this.blockBytes = blockBytes;
    this.#giveBack = giveBack;
  }

  /** Where it lies in its buffer. */
  get byteOffset(): number {
    return this.bytes.byteOffset;
  }

  get isReleased(): boolean {
    return this.#giveBack === undefined;
  }

  /** The bytes belong to the next borrower from now on. @throws TendonError STATE_INVALID the second time */
  release(): void {
    const giveBack = this.#giveBack;
    if (giveBack === undefined) {
      const message = `a buffer of ${this.blockBytes} bytes was released twice`;
      throw new TendonError('STATE_INVALID', message, {});
    }
    this.#giveBack = undefined;
    giveBack(this);
  }

  /** Releases it unless that was done. */
  [Symbol.dispose](): void {
    if (!this.isReleased) this.release();
  }
}

export interface BufferClassOptions {
  /** a power of two, 64 to 2^30 */
  readonly blockBytes: number;
  /** how many of them */
  readonly blocks: number;
}

/** Sorted by size, each checked. @throws TendonError OPTION_INVALID */
export function resolveClasses(classes: readonly BufferClassOptions[]): readonly BufferClassOptions[] {
  integerOption('classes.length', classes.length, 1, MAX_CLASSES);
  const sorted = [...classes].sort((a, b) => a.blockBytes - b.blockBytes);
  sorted.forEach((each, n) => {
    powerOfTwoOption('blockBytes', each.blockBytes, MIN_BLOCK_BYTES, MAX_BLOCK_BYTES);
    integerOption('blocks', each.blocks, 1, MAX_BLOCKS);
    if (n > 0 && sorted[n - 1]!.blockBytes === each.blockBytes) {
      throw new TendonError('OPTION_INVALID', `two classes have blocks of ${each.blockBytes} bytes`, {
        option: 'classes',
        value: each.blockBytes,
      });
    }
  });
  return sorted;
}
export const MIN_BLOCK_BYTES = 64;
export const MAX_BLOCK_BYTES = 2 ** 30;
export const MAX_BLOCKS = 2 ** 20;
export const MAX_CLASSES = 24;

function tooLarge(bytes: number, limitBytes: number): TendonError<'FRAME_TOO_LARGE'> {
  const message = `a buffer of ${bytes} bytes was asked of a pool that has up to ${limitBytes}`;
  return new TendonError('FRAME_TOO_LARGE', message, { bytes, limitBytes });
}

/** What both pools have in common: which class, and the counting. */
export abstract class ClassedPool<C extends PoolClass> implements BufferPool {
  readonly maxBytes: number;
  protected readonly classes: readonly C[];

  protected constructor(classes: readonly C[]) {
    this.classes = classes;
    this.maxBytes = classes[classes.length - 1]!.blockBytes;
  }

  /** A block of that class, or -1. */
  protected abstract take(from: C): number;
  protected abstract view(from: C, block: number, bytes: number): Uint8Array;
  protected abstract giveBack(to: C, block: number): void;

  tryAcquire(bytes: number): BufferLoan | undefined {
    integerOption('bytes', bytes, 0, Number.MAX_SAFE_INTEGER);
    if (bytes > this.maxBytes) throw tooLarge(bytes, this.maxBytes);
    for (const from of this.classes) {
      if (from.blockBytes < bytes) continue;
      const block = this.take(from);
      if (block < 0) {
        from.missed++;
        continue;
      }
      from.acquired++;
      from.highWater = Math.max(from.highWater, from.acquired - from.released);
      return new BufferLoan(this.view(from, block, bytes), from.blockBytes, () => {
        this.giveBack(from, block);
        from.released++;
      });
    }
    return undefined;
  }

  acquire(bytes: number): BufferLoan {
    const loan = this.tryAcquire(bytes);
    if (loan !== undefined) return loan;
    throw new TendonError('RESOURCE_EXHAUSTED', `all buffers of at least ${bytes} bytes are lent`, {
      resource: 'buffers',
    });
  }

  stats(): BufferPoolStats {
    return {
      classes: this.classes.map(({ blockBytes, blocks, highWater, acquired, released, missed }) => {
        return { blockBytes, blocks, inUse: acquired - released, highWater, acquired, released, missed };
      }),
    };
  }
}

export class PoolClass implements BufferClassOptions {
  readonly blockBytes: number;
  readonly blocks: number;
  acquired = 0;
  released = 0;
  missed = 0;
  highWater = 0;

  constructor(options: BufferClassOptions) {
    this.blockBytes = options.blockBytes;
    this.blocks = options.blocks;
  }
}
