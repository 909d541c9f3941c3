import type { Clock, ClockTimer } from './clock.ts';

/** Slots of one revolution; one slot is one millisecond. A power of two. */
const SLOTS = 4096;
const MASK = SLOTS - 1;
/** `slot` of a timer that is in no list. */
const NOWHERE = -1;
/** `slot` of a timer that is due and waits for its turn to be told. */
const DUE = -2;

/** Timers of the system count in 31 bits; beyond them one fires at once. An alarm that is early finds nothing due. */
const LONGEST_ALARM_MS = 0x7fff_ffff;

/**
 * Something that wants to be told at a time. A subclass is the record that the deadline belongs to, so that
 * scheduling allocates nothing; one timer has one due time.
 */
export abstract class WheelTimer {
  /** @internal links of the list that `slot` names; only the wheel touches these four */
  wheelNext: WheelTimer | undefined = undefined;
  /** @internal */
  wheelPrevious: WheelTimer | undefined = undefined;
  /** @internal */
  wheelSlot: number = NOWHERE;
  /** @internal the first whole millisecond at which it is due */
  wheelTick = 0;

  /** The time has come; the timer is no longer scheduled. Called from a timer of the clock. */
  abstract expired(): void;
}

/**
 * Deadlines by the thousand, in constant time each: scheduling and cancelling link and unlink a record, and touch
 * neither the clock nor the event loop unless the deadline is the nearest of all.
 *
 * One wheel serves a whole context. It holds at most one timer of the clock, for the next slot that is occupied, and
 * that timer does not keep the process alive. A cancelled deadline leaves that timer as it is: it finds nothing, and
 * is set anew for what is left. Timers fire at their millisecond or later, never earlier.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #heads: (WheelTimer | undefined)[];
  /** one bit a slot: whether its list has a head */
  readonly #occupied: Int32Array;
  /** every tick up to this one has been looked at */
  #tick: number;
  #size = 0;
  #due: WheelTimer | undefined = undefined;
  #alarm: ClockTimer | undefined = undefined;
  #alarmTick = Infinity;
  readonly #ring = (): void => this.#turn();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heads = new Array<WheelTimer | undefined>(SLOTS).fill(undefined);
    this.#occupied = new Int32Array(SLOTS / 32);
    this.#tick = Math.floor(clock.nowMs());
  }

  /** How many timers are scheduled. */
  get size(): number {
    return this.#size;
  }

  /**
   * Tells `timer` once the clock has reached `dueMs`; one that is scheduled already moves.
   *
   * @hot
   * @param dueMs by the clock's `nowMs`; a time that has passed is told in the next turn of the wheel
   */
  schedule(timer: WheelTimer, dueMs: number): void {
    if (timer.wheelSlot !== NOWHERE) this.cancel(timer);
    const tick = Math.max(Math.ceil(dueMs), this.#tick + 1);
    timer.wheelTick = tick;
    this.#link(timer, tick & MASK);
    this.#size++;
    if (tick < this.#alarmTick) this.#setAlarm(tick);
  }

  /** Forgets `timer`; one that is not scheduled is left alone. @hot */
  cancel(timer: WheelTimer): void {
    if (timer.wheelSlot === NOWHERE) return;
    this.#unlink(timer);
    this.#size--;
  }

  #link(timer: WheelTimer, slot: number): void {
    const head = this.#heads[slot];
    timer.wheelSlot = slot;
    timer.wheelPrevious = undefined;
    timer.wheelNext = head;
    this.#heads[slot] = timer;
    if (head === undefined) this.#occupied[slot >>> 5]! |= 1 << (slot & 31);
    else head.wheelPrevious = timer;
  }

  #unlink(timer: WheelTimer): void {
    const { wheelNext: next, wheelPrevious: previous, wheelSlot: slot } = timer;
    if (next !== undefined) next.wheelPrevious = previous;
    if (previous !== undefined) previous.wheelNext = next;
    else if (slot === DUE) this.#due = next;
    else {
      this.#heads[slot] = next;
      if (next === undefined) this.#occupied[slot >>> 5]! &= ~(1 << (slot & 31));
    }
    timer.wheelNext = undefined;
    timer.wheelPrevious = undefined;
    timer.wheelSlot = NOWHERE;
  }

  #setAlarm(tick: number): void {
    this.#alarm?.cancel();
    this.#alarmTick = tick;
    const delayMs = Math.min(Math.max(tick - this.#clock.nowMs(), 0), LONGEST_ALARM_MS);
    this.#alarm = this.#clock.setTimer(this.#ring, delayMs);
  }

  #turn(): void {
    this.#alarm = undefined;
    this.#alarmTick = Infinity;
    const now = Math.floor(this.#clock.nowMs());
    const first = Math.max(this.#tick + 1, now - MASK); // a revolution looks at every slot
    this.#tick = now;
    for (let tick = first; tick <= now; tick++) {
      if (this.#heads[tick & MASK] !== undefined) this.#collect(tick & MASK, now);
    }
    // One at a time from the head: a timer that is told may cancel or schedule any other.
    for (let timer = this.#due; timer !== undefined; timer = this.#due) {
      this.cancel(timer);
      try {
        timer.expired();
      } catch (error) {
        // The others are told all the same; this one surfaces as an error of its program's.
        process.nextTick(() => {
          throw error;
        });
      }
    }
    if (this.#size > 0) {
      const next = this.#nextOccupied(now);
      if (next < this.#alarmTick) this.#setAlarm(next);
    }
  }

  /** Moves what is due in `slot` to the list of those to tell; later revolutions stay. */
  #collect(slot: number, now: number): void {
    let timer = this.#heads[slot];
    while (timer !== undefined) {
      const next: WheelTimer | undefined = timer.wheelNext;
      if (timer.wheelTick <= now) {
        this.#unlink(timer);
        timer.wheelSlot = DUE;
        timer.wheelNext = this.#due;
        if (this.#due !== undefined) this.#due.wheelPrevious = timer;
        this.#due = timer;
      }
      timer = next;
    }
  }

  /** The first tick behind `now` whose slot is occupied; there is one. */
  #nextOccupied(now: number): number {
    for (let ahead = 1; ahead <= SLOTS; ) {
      const slot = (now + ahead) & MASK;
      const word = this.#occupied[slot >>> 5]! >>> (slot & 31);
      if (word !== 0) return now + ahead + (31 - Math.clz32(word & -word));
      ahead += 32 - (slot & 31);
    }
    return now + SLOTS; // only the slot of `now` itself: a revolution away
  }
}
