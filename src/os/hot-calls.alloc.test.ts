import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  closeFd,
  createEventFd,
  eventFdDrain,
  eventFdSignal,
  readClockInto,
  readEpochInto,
  socketReceive,
  socketSend,
  unixPair,
} from './index.ts';

/** Heap growth over `count` calls, after a warm-up. */
function growth(operation: () => void, count: number): number {
  assert.ok(global.gc, 'run with --expose-gc');
  for (let i = 0; i < 20_000; i++) operation();
  global.gc();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < count; i++) operation();
  return process.memoryUsage().heapUsed - before;
}

describe('hot calls allocate nothing', () => {
  const few = 10_000;
  const noise = 200_000;
  const target = new Float64Array(2);
  const byte = new Uint8Array(1);

  function assertFlat(operation: () => void): void {
    const small = growth(operation, few);
    const large = growth(operation, 16 * few);
    assert.ok(large - small < noise, `${small} bytes in ${few} calls, ${large} in ${16 * few}`);
  }

  it('reading clocks', () => {
    assertFlat(() => readClockInto(target, 0));
    assertFlat(() => readEpochInto(target, 1));
  });

  it('signalling and draining an eventfd', () => {
    const fd = createEventFd();
    assertFlat(() => {
      eventFdSignal(fd);
      eventFdDrain(fd);
    });
    closeFd(fd);
  });

  it('sending and receiving a byte', () => {
    const [left, right] = unixPair();
    assertFlat(() => {
      socketSend(left, byte, 0, 1);
      socketReceive(right, byte, 0, 1);
    });
    assertFlat(() => socketReceive(right, byte, 0, 1));
    closeFd(left);
    closeFd(right);
  });
});
