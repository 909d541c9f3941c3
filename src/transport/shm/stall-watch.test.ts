import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../core/index.ts';
import { STALL_CHECK_MS, StallWatch } from './stall-watch.ts';

/** A peer whose moves the test makes, and a clock that ticks when the test says so. */
function scene() {
  const timers: (() => void)[] = [];
  const clock: Clock = {
    nowMs: () => 0,
    setTimer: (callback, delayMs) => {
      assert.equal(delayMs, STALL_CHECK_MS);
      timers.push(callback);
      return { cancel: () => void timers.splice(timers.indexOf(callback), 1) };
    },
  };
  const said: string[] = [];
  const subject = {
    position: 0,
    waiting: true,
    ask: (token: number) => said.push(`ask ${token}`),
    stalled: () => said.push('stalled'),
    moved: () => said.push('moved'),
  };
  const watch = new StallWatch(subject, clock);
  const second = (): string[] => {
    timers.shift()?.();
    return said.splice(0);
  };
  return { watch, subject, timers, second, said };
}

describe('the watch over a peer that does not move', () => {
  it('[CHANNEL-26] asks after a second without progress, reports a second without answer, and takes it back', () => {
    const { watch, second, said } = scene();
    watch.expect();
    assert.deepEqual(second(), ['ask 1']);
    assert.deepEqual(second(), ['stalled']);
    assert.deepEqual(second(), ['stalled']);
    watch.answered(1);
    assert.deepEqual(said.splice(0), ['moved']);
    assert.deepEqual(second(), ['ask 2']);
  });

  it('does not take a peer that reads for one that stands still, though its answer is out', () => {
    const { watch, subject, second } = scene();
    watch.expect();
    assert.deepEqual(second(), ['ask 1']);
    for (let n = 1; n < 5; n++) {
      subject.position += 8;
      assert.deepEqual(second(), ['moved']);
    }
    assert.deepEqual(second(), ['ask 2'], 'a new question, with a new second to answer it');
  });

  it('has one timer while something waits, and none when nothing does', () => {
    const { watch, subject, timers, second } = scene();
    watch.expect();
    watch.expect();
    assert.equal(timers.length, 1);
    subject.waiting = false;
    assert.deepEqual(second(), ['moved']);
    assert.equal(timers.length, 0);
    watch.expect();
    watch.stop();
    assert.equal(timers.length, 0);
  });
});
