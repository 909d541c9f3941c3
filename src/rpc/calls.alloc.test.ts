import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bytesCodec } from '../codec/binary/index.ts';
import { Context, SYSTEM_CLOCK, TimerWheel, WheelTimer } from '../core/index.ts';
import { Kind } from '../envelope/index.ts';
import type { Connection } from '../transport/index.ts';
import { FrameSender } from './frame-sender.ts';
import { defineService, method, ServiceProxy, ServiceStub } from './index.ts';
import { loopback } from './loopback.test.kit.ts';
import { PendingCalls } from './pending-calls.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Heap bytes that `count` operations leave before the next collection. */
function growth(operation: (count: number) => void, count: number): number {
  gc();
  const before = process.memoryUsage().heapUsed;
  operation(count);
  return process.memoryUsage().heapUsed - before;
}

function assertNoGarbage(operation: (count: number) => void): void {
  for (let warm = 0; warm < 20; warm++) operation(5_000);
  const small = growth(operation, 10_000);
  const large = growth(operation, 160_000);
  assert.ok(large - small < 300_000, `10 000 operations: ${small} bytes, 160 000: ${large} bytes`);
}

class Record extends WheelTimer {
  callId = 0;
  override expired(): void {}
}

/** What a sender uses of a connection, over memory that is claimed again and again. */
function scratchConnection(): Connection {
  const claimBuffer = new Uint8Array(4096);
  return {
    endpoint: 'test',
    maxClaimBytes: 4096,
    maxFrameBytes: 4096,
    claimBuffer,
    tryClaim: () => 64,
    commit: () => {},
  } as unknown as Connection; // the hot path of FrameSender touches nothing else
}

describe('garbage', () => {
  it('is not made by taking a record, giving it a deadline, finding it and giving it back', () => {
    const calls = new PendingCalls(1_024, () => new Record());
    const wheel = new TimerWheel(SYSTEM_CLOCK);
    const dueMs = SYSTEM_CLOCK.nowMs() + 5_000;
    assertNoGarbage((count) => {
      for (let n = 0; n < count; n++) {
        const record = calls.take()!;
        wheel.schedule(record, dueMs);
        const found = calls.find(record.callId)!;
        wheel.cancel(found);
        calls.release(found);
      }
    });
  });

  it('is not made by writing a request or a response in place', () => {
    const sender = new FrameSender(scratchConnection());
    const payload = new Uint8Array(64);
    assertNoGarbage((count) => {
      for (let n = 0; n < count; n++) {
        sender.sendValue(Kind.REQUEST, bytesCodec as never, payload, n | 0, 5_000, 0xffff_fff0, undefined);
      }
    });
  });
});

describe('memory', () => {
  it('does not grow with the number of calls, answered, failed, given up or timed out', async () => {
    const service = defineService('leak', {
      methods: {
        echo: method<string, string>(),
        fail: method<string, string>(),
        hang: method<string, string>(),
      },
    });
    const context = new Context();
    const [clientEnd, serverEnd] = loopback({ context });
    await using _stub = await ServiceStub.serve(
      service,
      {
        echo: (value) => value,
        fail: async () => Promise.reject(new Error('no')),
        hang: (_value, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
      },
      { context, connection: serverEnd, shutdownTimeoutMs: 100 },
    );
    await using proxy = await ServiceProxy.connect(service, clientEnd, { context });
    const awake = setInterval(() => {}, 1_000); // nothing else keeps this process waiting for a deadline
    const held = new AbortController(); // one signal for all: listeners must not gather on it
    const round = async (): Promise<void> => {
      const gone = new AbortController();
      const calls = [
        proxy.call('echo', 'x', { signal: held.signal }),
        proxy.call('fail', 'x', { signal: held.signal }),
        proxy.call('hang', 'x', { signal: gone.signal }),
        proxy.call('hang', 'x', { deadlineMs: 1, signal: held.signal }),
      ];
      const settled = Promise.allSettled(calls);
      await turn();
      gone.abort();
      await settled;
    };
    const heapAfter = async (rounds: number): Promise<number> => {
      for (let done = 0; done < rounds; done += 20) await Promise.all(Array.from({ length: 20 }, round));
      await turn();
      gc();
      return process.memoryUsage().heapUsed;
    };
    // What leaks grows in every window; what the engine keeps for itself (code, feedback, timer lists) does not.
    const marks = [await heapAfter(2_000)];
    for (let window = 0; window < 3; window++) marks.push(await heapAfter(1_500));
    clearInterval(awake);
    const growths = marks.slice(1).map((mark, window) => mark - (marks[window] as number));
    assert.ok(Math.min(...growths) < 100_000, `windows of 1500 rounds left ${growths} bytes`);
    assert.equal(proxy.stats.activeCalls, 0);
  });
});
