import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from './clock.ts';
import { TimerWheel, WheelTimer } from './timer-wheel.ts';

/** A clock that the test turns; timers fire in order of their time. */
class HandClock implements Clock {
  now = 1_000.25;
  set = 0;
  #timers: { at: number; callback: () => void }[] = [];
  nowMs(): number {
    return this.now;
  }
  setTimer(callback: () => void, delayMs: number) {
    this.set++;
    const timer = { at: this.now + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  get armed(): number {
    return this.#timers.length;
  }
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.now = Math.max(this.now, next.at);
      next.callback();
    }
    this.now = end;
  }
}

class Note extends WheelTimer {
  firedAt: number[] = [];
  readonly #clock: HandClock;
  readonly onFire: () => void;
  constructor(clock: HandClock, onFire: () => void = () => {}) {
    super();
    this.#clock = clock;
    this.onFire = onFire;
  }
  expired(): void {
    this.firedAt.push(this.#clock.now);
    this.onFire();
  }
}

describe('TimerWheel', () => {
  it('tells each timer once, in the millisecond it asked for or later, never earlier', () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock);
    const start = clock.now;
    const notes = [0, 0.1, 1, 7.5, 31, 32, 33, 4095, 4096, 4097, 20_000].map((after) => {
      const note = new Note(clock);
      wheel.schedule(note, start + after);
      return { after, note };
    });
    assert.equal(wheel.size, notes.length);
    clock.advance(30_000);
    for (const { after, note } of notes) {
      assert.equal(note.firedAt.length, 1, `after ${after}`);
      const late = note.firedAt[0]! - (start + after);
      assert.ok(late >= 0 && late < 2, `${after} ms was told ${late} ms late`);
    }
    assert.equal(wheel.size, 0);
    assert.equal(clock.armed, 0, 'an empty wheel leaves nothing in the clock');
  });

  it('never tells a cancelled timer and moves one that is scheduled again', () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock);
    const gone = new Note(clock);
    const moved = new Note(clock);
    wheel.schedule(gone, clock.now + 5);
    wheel.schedule(moved, clock.now + 5);
    wheel.schedule(moved, clock.now + 50);
    wheel.cancel(gone);
    wheel.cancel(gone);
    clock.advance(49);
    assert.deepEqual([gone.firedAt, moved.firedAt], [[], []]);
    clock.advance(3);
    assert.equal(moved.firedAt.length, 1);
    assert.equal(gone.firedAt.length, 0);
  });

  it('sets one timer of the clock for a hundred thousand deadlines that are met', () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock);
    const note = new Note(clock);
    for (let round = 0; round < 100_000; round++) {
      wheel.schedule(note, clock.now + 5_000);
      wheel.cancel(note);
      clock.advance(0.01);
    }
    assert.ok(clock.set <= 2, `${clock.set} timers were set`);
    assert.equal(note.firedAt.length, 0);
  });

  it('lets a timer that is told cancel and schedule others, itself included', () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock);
    const notes: Note[] = [];
    const first = (index: number) => () => {
      wheel.cancel(notes[1 - index]!);
      if (notes[index]!.firedAt.length < 3) wheel.schedule(notes[index]!, clock.now);
    };
    notes.push(new Note(clock, first(0)), new Note(clock, first(1)));
    for (const note of notes) wheel.schedule(note, clock.now + 10);
    clock.advance(100);
    assert.deepEqual(
      notes.map((note) => note.firedAt.length).sort((a, b) => a - b),
      [0, 3],
    );
    assert.equal(wheel.size, 0);
  });

  it('tells the others when one throws, and lets the error surface', async () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock);
    const bad = new Note(clock, () => {
      throw new Error('from a timer');
    });
    const good = [new Note(clock), new Note(clock)];
    wheel.schedule(good[0]!, clock.now + 5);
    wheel.schedule(bad, clock.now + 5);
    wheel.schedule(good[1]!, clock.now + 5);
    const surfaced = new Promise((resolve) => {
      const before = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of before) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    clock.advance(10);
    assert.deepEqual(
      good.map((note) => note.firedAt.length),
      [1, 1],
    );
    assert.match(String(await surfaced), /from a timer/);
  });

  it('finds what became due while the process stood still for longer than a revolution', () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock);
    const notes = Array.from({ length: 50 }, () => new Note(clock));
    for (const [index, note] of notes.entries()) wheel.schedule(note, clock.now + index * 400);
    clock.now += 60_000; // no timer fired meanwhile
    clock.advance(1);
    for (const note of notes) assert.equal(note.firedAt.length, 1);
  });

  it('sets no alarm beyond what a timer of the system can count', () => {
    const clock = new HandClock();
    const delays: number[] = [];
    const wheel = new TimerWheel({
      nowMs: () => clock.nowMs(),
      setTimer: (callback, delayMs) => {
        delays.push(delayMs);
        return clock.setTimer(callback, delayMs);
      },
    });
    const told: number[] = [];
    class Far extends WheelTimer {
      override expired(): void {
        told.push(clock.now);
      }
    }
    wheel.schedule(new Far(), clock.now + 1e10);
    assert.deepEqual(delays, [0x7fff_ffff]);
    clock.advance(0x7fff_ffff);
    assert.deepEqual(told, []);
    assert.equal(clock.armed, 1, 'and goes on from there');
  });
});
