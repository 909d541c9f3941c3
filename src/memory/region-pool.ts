import { refuseUnknownOptions, TendonError } from '../core/index.ts';
import {
  type BufferClassOptions,
  ClassedPool,
  MAX_BLOCK_BYTES,
  MAX_BLOCKS,
  MAX_CLASSES,
  MIN_BLOCK_BYTES,
  PoolClass,
  resolveClasses,
} from './buffer-pool.ts';
import { alignUp, CACHE_LINE_BYTES, checkWords } from './layout.ts';
import { OwnerCells, type OwnerLiveness } from './owner.ts';

/**
 * A region of blocks, little-endian, on a multiple of 64 bytes.
 *
 * ```
 * header, 256 bytes
 *   0  magic    u32  "TPOL"; written last
 *   4  version  u32  1
 *   8  classes  u32  1 to 24, smallest blocks first
 *  12  0
 *  16  class    24 x { block bytes u32, blocks u32 }
 *
 * owners       an owner word each block (owner.ts), class after class; 0: free
 *              padded to 64 bytes
 * blocks       class after class, each on a multiple of 64 bytes
 * ```
 */
const MAGIC = 0x4c4f5054;
const VERSION = 1;
const HEADER_BYTES = 256;
const HEADER_MAGIC = 0;
const HEADER_VERSION = 1;
const HEADER_CLASSES = 2;
const HEADER_CLASS = 4;

export interface RegionPoolOptions {
  readonly classes: readonly BufferClassOptions[];
}

class RegionClass extends PoolClass {
  readonly owners: OwnerCells;
  readonly blocksOffset: number;
  /** where the last search ended */
  next = 0;

  constructor(options: BufferClassOptions, owners: OwnerCells, blocksOffset: number) {
    super(options);
    this.owners = owners;
    this.blocksOffset = blocksOffset;
  }
}

/**
 * A pool in any memory, shared by threads and processes: a block is lent by naming its owner in one compare-and-set,
 * so the blocks of the dead come back with `reclaim`. A loan is released by the thread that got it.
 */
export class RegionPool extends ClassedPool<RegionClass> {
  readonly #buffer: ArrayBufferLike;

  private constructor(
    words: Int32Array,
    index: number,
    classes: readonly BufferClassOptions[],
    liveness: OwnerLiveness,
  ) {
    const start = words.byteOffset + index * 4;
    let owner = HEADER_BYTES / 4;
    let blocksOffset = start + ownersEnd(classes);
    super(
      classes.map((each) => {
        const owners = new OwnerCells(words, index + owner, each.blocks, liveness);
        const made = new RegionClass(each, owners, blocksOffset);
        owner += each.blocks * OwnerCells.WORDS;
        blocksOffset += each.blocks * each.blockBytes;
        return made;
      }),
    );
    this.#buffer = words.buffer;
  }

  static bytesNeeded(options: RegionPoolOptions): number {
    return regionBytes(resolveClasses(options.classes));
  }

  /** Lays out a pool with nothing lent in zeroed memory. @throws TendonError OPTION_INVALID */
  static create(
    words: Int32Array,
    index: number,
    options: RegionPoolOptions,
    liveness: OwnerLiveness,
  ): RegionPool {
    refuseUnknownOptions('RegionPool', options, ['classes']);
    const classes = resolveClasses(options.classes);
    checkWords('RegionPool', words, index, regionBytes(classes) / 4, CACHE_LINE_BYTES);
    words[index + HEADER_VERSION] = VERSION;
    words[index + HEADER_CLASSES] = classes.length;
    classes.forEach((each, n) => {
      words[index + HEADER_CLASS + n * 2] = each.blockBytes;
      words[index + HEADER_CLASS + n * 2 + 1] = each.blocks;
    });
    const pool = new RegionPool(words, index, classes, liveness);
    Atomics.store(words, index + HEADER_MAGIC, MAGIC); // SYNC(pool.magic) release
    return pool;
  }

  /**
   * Uses a pool that another made. Nothing in memory is believed before it is bounded.
   *
   * @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED
   */
  static attach(words: Int32Array, index: number, liveness: OwnerLiveness): RegionPool {
    checkWords('RegionPool', words, index, HEADER_BYTES / 4, CACHE_LINE_BYTES);
    const magic = Atomics.load(words, index + HEADER_MAGIC); // SYNC(pool.magic) acquire
    if (magic !== MAGIC) throw corrupt('magic of the buffer pool', magic);
    const version = words[index + HEADER_VERSION]!;
    if (version !== VERSION) {
      const message = `the buffer pool has version ${version}, this is ${VERSION}`;
      throw new TendonError('VERSION_UNSUPPORTED', message, { theirs: version, ours: VERSION });
    }
    const count = words[index + HEADER_CLASSES]!;
    if (count < 1 || count > MAX_CLASSES) throw corrupt('number of classes of the buffer pool', count);
    const classes: BufferClassOptions[] = [];
    let smallerBytes = MIN_BLOCK_BYTES - 1;
    for (let n = 0; n < count; n++) {
      const blockBytes = words[index + HEADER_CLASS + n * 2]!;
      const blocks = words[index + HEADER_CLASS + n * 2 + 1]!;
      const isPower = (blockBytes & (blockBytes - 1)) === 0;
      if (blockBytes <= smallerBytes || blockBytes > MAX_BLOCK_BYTES || !isPower) {
        throw corrupt(`block size of class ${n} of the buffer pool`, blockBytes);
      }
      if (blocks < 1 || blocks > MAX_BLOCKS) throw corrupt(`blocks of class ${n} of the buffer pool`, blocks);
      classes.push({ blockBytes, blocks });
      smallerBytes = blockBytes;
    }
    const bytes = regionBytes(classes);
    if (bytes / 4 > words.length - index) {
      throw corrupt('size of the buffer pool, which ends behind its memory', bytes);
    }
    return new RegionPool(words, index, classes, liveness);
  }

  /** Takes back what the dead borrowed. Returns how many blocks. Asks the liveness for each that is lent. */
  reclaim(): number {
    let reclaimed = 0;
    for (const { owners } of this.classes) {
      for (let block = 0; block < owners.count; block++) {
        if (!owners.isFree(block) && owners.evict(block)) reclaimed++;
      }
    }
    return reclaimed;
  }

  /** Blocks lent now, by whomever, in all classes. */
  get lent(): number {
    let lent = 0;
    for (const { owners } of this.classes) {
      for (let block = 0; block < owners.count; block++) if (!owners.isFree(block)) lent++;
    }
    return lent;
  }

  protected override take(from: RegionClass): number {
    for (let tried = 0; tried < from.blocks; tried++) {
      const block = from.next;
      from.next = block + 1 === from.blocks ? 0 : block + 1;
      if (from.owners.isFree(block) && from.owners.claim(block)) return block;
    }
    return -1;
  }

  protected override view(from: RegionClass, block: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#buffer, from.blocksOffset + block * from.blockBytes, bytes);
  }

  protected override giveBack(to: RegionClass, block: number): void {
    if (!to.owners.release(block)) {
      const ownerId = to.owners.holder(block)?.pid ?? 0;
      throw new TendonError('LOCK_NOT_OWNED', 'the buffer was taken from this thread as if it were dead', {
        ownerId,
      });
    }
  }
}

function ownersEnd(classes: readonly BufferClassOptions[]): number {
  const blocks = classes.reduce((sum, each) => sum + each.blocks, 0);
  return alignUp(HEADER_BYTES + blocks * OwnerCells.WORDS * 4, CACHE_LINE_BYTES);
}

function regionBytes(classes: readonly BufferClassOptions[]): number {
  return classes.reduce((sum, each) => sum + each.blocks * each.blockBytes, ownersEnd(classes));
}

function corrupt(what: string, value: number): TendonError<'REGION_CORRUPT'> {
  return new TendonError('REGION_CORRUPT', `the ${what} cannot be ${value}`, { what, value });
}
