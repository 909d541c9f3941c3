import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Clock } from './clock.ts';
import { TimerWheel, WheelTimer } from './timer-wheel.ts';

type Step =
  | { readonly kind: 'schedule'; readonly timer: number; readonly afterMs: number }
  | { readonly kind: 'cancel'; readonly timer: number }
  | { readonly kind: 'pass'; readonly ms: number };

const TIMERS = 12;
const timer = fc.nat(TIMERS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('schedule' as const),
    timer,
    afterMs: fc.oneof(fc.double({ min: -5, max: 40, noNaN: true }), fc.nat(9_000)),
  }),
  fc.record({ kind: fc.constant('cancel' as const), timer }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.oneof(fc.nat(60), fc.nat(9_000)) }),
);

describe('TimerWheel', () => {
  it('tells what a plain map of due times tells, at any origin of the clock', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 4_090.5, 2 ** 31 - 20, 2 ** 32 - 10.75),
        fc.array(step, { maxLength: 120 }),
        (origin, steps) => {
          let now = origin;
          let alarm: { at: number; callback: () => void } | undefined;
          const clock: Clock = {
            nowMs: () => now,
            setTimer(callback, delayMs) {
              const mine = { at: now + delayMs, callback };
              alarm = mine;
              return {
                cancel: () => {
                  if (alarm === mine) alarm = undefined;
                },
              };
            },
          };
          const due = new Map<number, number>();
          class Probe extends WheelTimer {
            readonly index: number;
            constructor(index: number) {
              super();
              this.index = index;
            }
            expired(): void {
              const at = due.get(this.index);
              assert.ok(at !== undefined, `timer ${this.index} was told without being scheduled`);
              assert.ok(now >= at, `told at ${now}, due at ${at}`);
              due.delete(this.index);
            }
          }
          const wheel = new TimerWheel(clock);
          const probes = Array.from({ length: TIMERS }, (_, index) => new Probe(index));
          for (const each of steps) {
            if (each.kind === 'schedule') {
              due.set(each.timer, now + each.afterMs);
              wheel.schedule(probes[each.timer]!, now + each.afterMs);
            } else if (each.kind === 'cancel') {
              due.delete(each.timer);
              wheel.cancel(probes[each.timer]!);
            } else {
              const end = now + each.ms;
              while (alarm !== undefined && alarm.at <= end) {
                const { at, callback } = alarm;
                alarm = undefined;
                now = Math.max(now, at);
                callback();
              }
              now = end;
              for (const at of due.values()) assert.ok(at > now - 2, `due at ${at}, not told at ${now}`);
            }
            assert.equal(wheel.size, due.size);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
