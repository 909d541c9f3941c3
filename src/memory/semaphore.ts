import { integerOption, TendonError, throwIfAborted } from '../core/index.ts';
import {
  type AsyncWaitOptions,
  type Blocking,
  type BlockingOptions,
  eventually,
  lockTimeout,
  nextSlice,
  pause,
  resolveBlocking,
} from './blocking.ts';
import { checkWords } from './layout.ts';
import { OwnerCells } from './owner.ts';
import { SpinLock } from './spin-lock.ts';

const DIRTY = 4;
const NEXT_TICKET = 5;
const OWNERS = 8;

const VACANT = 0;
const WAITING = 1;
const GRANTED = 2;
const HOLDING = 3;
const KIND_MASK = 3;
const KIND_BITS = 2;

export interface SemaphoreOptions extends BlockingOptions {
  /** permits in all, free at first; from 1 to 4096. All parties state the same */
  readonly permits: number;
  /** those that may wait at one time; one more gets QUEUE_FULL. All parties state the same. Default 64 */
  readonly maxWaiting?: number;
}
export const SEMAPHORE_DEFAULTS = { maxWaiting: 64 } as const;

/**
 * Counting semaphore in any memory, between threads and processes; first come, first served.
 *
 * ```
 *   word 0..3      guard   SpinLock: its holder hands out permits
 *   word 4         dirty   1: a permit or a place changed hands since the last look
 *   word 5         next ticket, 30 bits
 *   word 6, 7      0
 *   word 8..       owners  an owner word a place (see owner.ts); places = permits + maxWaiting
 *   after those    states  a word a place: ticket << 2 | kind (0 vacant, 1 waiting, 2 granted: the waiter
 *                          has not looked yet, 3 holding)
 * ```
 *
 * Nothing is counted twice: the free permits are the permits less the places that hold one, so a process that dies
 * at any instruction leaves nothing to repair but its places, which the survivors vacate. Nobody waits for the guard:
 * who finds it taken leaves `dirty` behind, and its holder looks again after letting go.
 *
 * A permit belongs to the process that acquired it; any of its threads may release it. Each operation looks at all
 * places a few times, 10 ns each.
 */
export class Semaphore {
  readonly permits: number;
  readonly maxWaiting: number;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #states: number;
  readonly #guard: SpinLock;
  readonly #owners: OwnerCells;
  readonly #blocking: Blocking;
  /** asynchronous waiters of this object: a permit handed to one is noticed at once */
  readonly #looks = new Map<number, () => void>();
  #lastLookMs = -Infinity;

  static wordsNeeded(permits: number, maxWaiting: number = SEMAPHORE_DEFAULTS.maxWaiting): number {
    integerOption('permits', permits, 1, 4096);
    integerOption('maxWaiting', maxWaiting, 1, 4096);
    return OWNERS + (permits + maxWaiting) * (OwnerCells.WORDS + 1);
  }

  /** @throws TendonError OPTION_INVALID: also when `index` is not on a multiple of 8 bytes */
  constructor(words: Int32Array, index: number, options: SemaphoreOptions) {
    const { permits, maxWaiting = SEMAPHORE_DEFAULTS.maxWaiting } = options;
    checkWords('Semaphore', words, index, Semaphore.wordsNeeded(permits, maxWaiting), 8);
    this.#blocking = resolveBlocking('Semaphore', options, ['permits', 'maxWaiting']);
    this.permits = permits;
    this.maxWaiting = maxWaiting;
    this.#words = words;
    this.#index = index;
    const places = permits + maxWaiting;
    this.#states = index + OWNERS + places * OwnerCells.WORDS;
    this.#guard = new SpinLock(words, index, { liveness: options.liveness, waiter: options.waiter });
    this.#owners = new OwnerCells(words, index + OWNERS, places, options.liveness);
  }

  /** Free permits now, those of the dead not included until somebody waits. */
  count(): number {
    return Math.max(0, this.permits - this.#holding());
  }

  /** Takes a permit if one is free and nobody is before us. Does not sleep. @throws TendonError QUEUE_FULL */
  tryAcquire(): boolean {
    const place = this.#enqueue();
    for (let spin = 0; spin < this.#blocking.spins; spin++) {
      if (this.#accept(place)) return true;
      if (this.count() === 0) break;
      pause(); // the guard is taken: its holder is about to look again
    }
    this.#settleNowAndThen();
    return !this.#leave(place);
  }

  /**
   * Takes a permit, waiting in line for it: spins a little, then sleeps.
   *
   * @throws TendonError LOCK_TIMEOUT, QUEUE_FULL; what the waiter throws on a thread that may not block
   */
  acquire(timeoutMs: number = this.#blocking.timeoutMs): void {
    const place = this.#enqueue();
    try {
      this.#sleep(place, timeoutMs);
    } catch (error) {
      if (this.#leave(place)) throw error;
    }
  }

  /** For the main thread: never blocks the event loop. @throws TendonError LOCK_TIMEOUT, ABORTED, QUEUE_FULL */
  async acquireAsync(options: AsyncWaitOptions = {}): Promise<void> {
    throwIfAborted(options.signal, 'a permit');
    const place = this.#enqueue();
    const granted = (): true | undefined => this.#accept(place) || undefined;
    const recover = (): true | undefined => {
      this.#settleNowAndThen();
      return granted();
    };
    try {
      await eventually('a permit', this.#blocking, options, granted, recover, (look) => {
        this.#looks.set(place.at, look);
      });
    } catch (error) {
      if (!this.#leave(place)) this.#vacate(place.at); // granted in the last moment, to a caller that gave up
      throw error;
    } finally {
      this.#looks.delete(place.at);
    }
  }

  /** @throws TendonError OVER_RELEASE when no permit is out, LOCK_NOT_OWNED when all of them are of other processes */
  release(): void {
    for (let at = 0; at < this.#owners.count; at++) {
      if (this.#isHeld(at) && this.#owners.isMine(at) && this.#vacate(at)) return;
    }
    for (let at = 0; at < this.#owners.count; at++) {
      if (this.#isHeld(at) && this.#owners.isOurs(at) && this.#vacate(at)) return;
    }
    if (this.#holding() === 0) {
      const message = `all ${this.permits} permits are free: there is none to release`;
      throw new TendonError('OVER_RELEASE', message, { permits: this.permits });
    }
    throw new TendonError('LOCK_NOT_OWNED', 'no permit of this process is out', { ownerId: 0 });
  }

  #sleep(place: Place, timeoutMs: number): void {
    for (let spin = 0; spin < this.#blocking.spins; spin++) {
      if (this.#accept(place)) return;
      pause();
    }
    const { clock, recheckMs, waiter } = this.#blocking;
    const deadlineMs = clock.nowMs() + timeoutMs;
    for (let sliceMs = 1; !this.#accept(place); sliceMs = nextSlice(sliceMs, recheckMs)) {
      const leftMs = deadlineMs - clock.nowMs();
      if (leftMs <= 0) throw lockTimeout('a permit', timeoutMs);
      const slept = waiter.wait(this.#words, this.#states + place.at, place.state, Math.min(leftMs, sliceMs));
      if (slept === 'timed-out') this.#settle(true);
    }
  }

  /** Takes a place at the end of the line, and a permit with it when one is free and nobody is before us. */
  #enqueue(): Place {
    const at = this.#takePlace();
    const ticket = Atomics.add(this.#words, this.#index + NEXT_TICKET, 1);
    const state = (ticket << KIND_BITS) | WAITING;
    Atomics.store(this.#words, this.#states + at, state);
    this.#settle(false);
    return { at, state };
  }

  #takePlace(): number {
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < this.#owners.count; at++) {
        if (this.#owners.isFree(at) && this.#owners.claim(at)) return at;
      }
      this.#settle(true);
    }
    throw new TendonError('QUEUE_FULL', `${this.maxWaiting} are waiting for a permit already`, {
      queue: 'semaphore',
      limit: this.maxWaiting,
    });
  }

  #isHeld(at: number): boolean {
    return (Atomics.load(this.#words, this.#states + at) & KIND_MASK) === HOLDING;
  }

  /** Has our place been granted a permit? Then it holds it from now on, and only then may `release` pick it. */
  #accept(place: Place): boolean {
    // SYNC(semaphore.grant) acquire
    if ((Atomics.load(this.#words, this.#states + place.at) & KIND_MASK) !== GRANTED) return false;
    Atomics.store(this.#words, this.#states + place.at, place.state | HOLDING);
    return true;
  }

  /** Gives up a place in the line; false when it got its permit meanwhile, and holds it. */
  #leave(place: Place): boolean {
    if (Atomics.compareExchange(this.#words, this.#states + place.at, place.state, VACANT) !== place.state) {
      this.#accept(place);
      return false;
    }
    this.#owners.release(place.at);
    return true;
  }

  /** Gives back the permit of a place; false when it holds none. */
  #vacate(at: number): boolean {
    const state = Atomics.load(this.#words, this.#states + at);
    if ((state & KIND_MASK) !== HOLDING) return false;
    // SYNC(semaphore.permit) release
    if (Atomics.compareExchange(this.#words, this.#states + at, state, VACANT) !== state) return false;
    this.#owners.releaseOurs(at);
    this.#settle(false);
    return true;
  }

  /** Hands free permits to those who wait, in order; with `recover`, vacates the places of the dead before. */
  #settle(recover: boolean): void {
    Atomics.store(this.#words, this.#index + DIRTY, 1);
    do {
      if (!this.#guard.tryLock() && !(recover && this.#guard.tryRecover())) return;
      Atomics.store(this.#words, this.#index + DIRTY, 0);
      if (recover) this.#vacateDead();
      this.#grant();
      this.#guard.unlock();
    } while (Atomics.load(this.#words, this.#index + DIRTY) !== 0);
  }

  /** `#settle(true)` for those who look often: asking about the dead costs a system call a place. */
  #settleNowAndThen(): void {
    const nowMs = this.#blocking.clock.nowMs();
    if (nowMs - this.#lastLookMs < this.#blocking.recheckMs) return;
    this.#lastLookMs = nowMs;
    this.#settle(true);
  }

  #vacateDead(): void {
    for (let at = 0; at < this.#owners.count; at++) {
      const state = Atomics.load(this.#words, this.#states + at);
      if (this.#owners.isFree(at) || !this.#owners.isOrphaned(at)) continue;
      // a living thread of the same process may release it meanwhile, and another take the place
      if (Atomics.compareExchange(this.#words, this.#states + at, state, VACANT) !== state) continue;
      this.#owners.evict(at);
    }
  }

  #grant(): void {
    for (;;) {
      let free = this.permits;
      let first = -1;
      let firstState = 0;
      for (let at = 0; at < this.#owners.count; at++) {
        const state = Atomics.load(this.#words, this.#states + at); // SYNC(semaphore.permit) acquire
        if ((state & KIND_MASK) === VACANT) continue;
        if ((state & KIND_MASK) >= GRANTED) free--;
        else if (first < 0 || ((state - firstState) | 0) < 0) {
          first = at;
          firstState = state;
        }
      }
      if (free <= 0 || first < 0) return;
      const granted = (firstState & ~KIND_MASK) | GRANTED;
      // SYNC(semaphore.grant) release
      if (Atomics.compareExchange(this.#words, this.#states + first, firstState, granted) !== firstState) {
        continue; // it gave up meanwhile
      }
      this.#blocking.waiter.wake(this.#words, this.#states + first, 1);
      const look = this.#looks.get(first);
      if (look !== undefined) queueMicrotask(look);
    }
  }

  #holding(): number {
    let holding = 0;
    for (let at = 0; at < this.#owners.count; at++) {
      if ((Atomics.load(this.#words, this.#states + at) & KIND_MASK) >= GRANTED) holding++;
    }
    return holding;
  }
}

interface Place {
  readonly at: number;
  /** the state word while it waits */
  readonly state: number;
}
