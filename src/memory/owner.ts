import { integerOption } from '../core/index.ts';
import { checkWords } from './layout.ts';

/** A thread of a process, named so that a reused pid is somebody else. */
export interface OwnerIdentity {
  /** from 1 to 2^22 - 1, which is as far as Linux counts */
  readonly pid: number;
  /** start of the process in clock ticks since boot (field 22 of /proc/PID/stat); memory keeps it modulo 2^32 */
  readonly startTime: number;
  /** tells the threads of a process apart; memory keeps it modulo 1024 */
  readonly threadId: number;
}

/** Who we are and who still lives; `tendon/os` has the one that asks the kernel. */
export interface OwnerLiveness {
  readonly self: OwnerIdentity;
  /**
   * False only when that owner can never run again: what it holds is taken from it. `owner` comes out of shared
   * memory: any pid, `startTime` modulo 2^32 (compare it so), `threadId` modulo 1024.
   */
  isAlive(owner: OwnerIdentity): boolean;
}

const PID_BITS = 22;
const PID_MASK = 2 ** PID_BITS - 1;
const THREAD_MASK = 2 ** (32 - PID_BITS) - 1;

/**
 * One 64-bit word that names its owner, so that taking a thing and saying who has it is one compare-and-set:
 * at no instruction is something held by nobody knows whom.
 *
 * ```
 *   bit 63              32 31           22 21                0
 *      +------------------+---------------+-------------------+
 *      | startTime mod 2^32| thread mod 1024 |       pid        |   0: free
 *      +------------------+---------------+-------------------+
 * ```
 */
function encode(identity: OwnerIdentity): bigint {
  const low = ((identity.threadId & THREAD_MASK) << PID_BITS) | identity.pid;
  return BigInt.asIntN(64, (BigInt(identity.startTime >>> 0) << 32n) | BigInt(low >>> 0));
}

function decode(word: bigint): OwnerIdentity {
  const low = Number(BigInt.asUintN(32, word));
  return {
    pid: low & PID_MASK,
    startTime: Number(BigInt.asUintN(64, word) >> 32n),
    threadId: low >>> PID_BITS,
  };
}

/** `count` owner words in any memory, `strideWords` apart; each is free or names who has it. */
export class OwnerCells {
  static readonly WORDS = 2;
  readonly count: number;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #stride: number;
  readonly #cells: BigInt64Array;
  readonly #self: bigint;
  readonly #selfLow: number;
  readonly #selfHigh: number;
  readonly #liveness: OwnerLiveness;

  constructor(words: Int32Array, index: number, count: number, liveness: OwnerLiveness, strideWords = 2) {
    checkWords('an owner word', words, index, (count - 1) * strideWords + 2, 8);
    integerOption('liveness.self.pid', liveness.self.pid, 1, PID_MASK);
    integerOption('liveness.self.startTime', liveness.self.startTime, 0, Number.MAX_SAFE_INTEGER);
    integerOption('liveness.self.threadId', liveness.self.threadId, 0, Number.MAX_SAFE_INTEGER);
    this.count = count;
    this.#words = words;
    this.#index = index;
    this.#stride = strideWords;
    this.#cells = new BigInt64Array(
      words.buffer,
      words.byteOffset + index * 4,
      ((count - 1) * strideWords + 2) / 2,
    );
    this.#self = encode(liveness.self);
    this.#selfLow = Number(BigInt.asIntN(32, this.#self));
    this.#selfHigh = Number(this.#self >> 32n);
    this.#liveness = liveness;
  }

  /** One 32-bit load: the half with the pid, which is never 0 in a cell that is held. */
  isFree(cell: number): boolean {
    return Atomics.load(this.#words, this.#index + cell * this.#stride) === 0;
  }

  /** Held by this thread. Only this thread can change the answer from or to true. */
  isMine(cell: number): boolean {
    const at = this.#index + cell * this.#stride;
    return (
      Atomics.load(this.#words, at) === this.#selfLow && Atomics.load(this.#words, at + 1) === this.#selfHigh
    );
  }

  /** Takes a free cell. */
  claim(cell: number): boolean {
    // SYNC(owner) acquire: what the last owner wrote before `release` is seen
    return Atomics.compareExchange(this.#cells, this.#at(cell), 0n, this.#self) === 0n;
  }

  /** Gives back a cell of this thread; false when it is not. */
  release(cell: number): boolean {
    // SYNC(owner) release
    return Atomics.compareExchange(this.#cells, this.#at(cell), this.#self, 0n) === this.#self;
  }

  /** Held by a thread of this process. */
  isOurs(cell: number): boolean {
    return this.#isOurs(Atomics.load(this.#cells, this.#at(cell)));
  }

  /** Gives back a cell of any thread of this process; false when it is somebody else's or free. */
  releaseOurs(cell: number): boolean {
    const observed = Atomics.load(this.#cells, this.#at(cell));
    return (
      this.#isOurs(observed) &&
      Atomics.compareExchange(this.#cells, this.#at(cell), observed, 0n) === observed
    );
  }

  holder(cell: number): OwnerIdentity | undefined {
    const observed = Atomics.load(this.#cells, this.#at(cell));
    return observed === 0n ? undefined : decode(observed);
  }

  /** The cell is held and its owner is dead. */
  isOrphaned(cell: number): boolean {
    return this.#orphan(cell) !== 0n;
  }

  /** Takes the cell of a dead owner; false when it is free, its owner lives, or another was faster. */
  inherit(cell: number): boolean {
    return this.#replaceOrphan(cell, this.#self);
  }

  /** Frees the cell of a dead owner; false as in `inherit`. */
  evict(cell: number): boolean {
    return this.#replaceOrphan(cell, 0n);
  }

  #replaceOrphan(cell: number, replacement: bigint): boolean {
    const orphan = this.#orphan(cell);
    if (orphan === 0n) return false;
    return Atomics.compareExchange(this.#cells, this.#at(cell), orphan, replacement) === orphan;
  }

  #orphan(cell: number): bigint {
    const observed = Atomics.load(this.#cells, this.#at(cell));
    if (observed === 0n || observed === this.#self) return 0n;
    const owner = decode(observed);
    return owner.pid !== 0 && this.#liveness.isAlive(owner) ? 0n : observed;
  }

  #isOurs(word: bigint): boolean {
    const owner = decode(word);
    const { pid, startTime } = this.#liveness.self;
    return owner.pid === pid && owner.startTime === startTime >>> 0;
  }

  #at(cell: number): number {
    return (cell * this.#stride) / 2;
  }
}

/** What `tendon/os` knows of processes; start times in clock ticks since boot, 0: unknown. */
export interface ProcessLiveness {
  self(): { readonly pid: number; readonly startTime: number };
  isAlive(pid: number, startTime: number): boolean;
}

/**
 * Liveness for memory that processes share, from what the kernel knows of them.
 *
 * @param threadId of this thread (`worker_threads.threadId`)
 * @param isThreadAlive the caller's knowledge of its own workers: one that was terminated holds what it held until
 *   this says false, or the process ends. Threads of other processes live as long as those
 */
export function ownerLiveness(
  processes: ProcessLiveness,
  threadId: number,
  isThreadAlive: (threadId: number) => boolean = () => true,
): OwnerLiveness {
  const self = { ...processes.self(), threadId };
  const turns = Math.floor(self.startTime / 2 ** 32);
  return {
    self,
    isAlive(owner) {
      if (owner.pid === self.pid && owner.startTime === self.startTime >>> 0) {
        return isThreadAlive(owner.threadId);
      }
      // memory has the start modulo 2^32, 497 days at 100 Hz: any whole start that fits it will do
      for (let turn = 0; turn <= turns + 1; turn++) {
        if (processes.isAlive(owner.pid, owner.startTime + turn * 2 ** 32)) return true;
      }
      return false;
    },
  };
}

/**
 * Liveness for memory that only threads of this process share: `isThreadAlive` is the caller's knowledge of its
 * workers, "all of them" unless told otherwise.
 */
export function threadLiveness(
  threadId: number,
  isThreadAlive: (threadId: number) => boolean = () => true,
): OwnerLiveness {
  return {
    self: { pid: 1, startTime: 0, threadId },
    isAlive: (owner) => owner.pid === 1 && owner.startTime === 0 && isThreadAlive(owner.threadId),
  };
}
