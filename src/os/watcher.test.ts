import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { openSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TendonError } from '../core/index.ts';
import {
  closeFd,
  createEventFd,
  eventFdDrain,
  eventFdSignal,
  socketReceive,
  socketSend,
  unixPair,
  Watcher,
} from './index.ts';

/** Resolves with what the next callback was told; every wait of these tests has this deadline. */
function nextEvent(fd: number, events: 'readable' | 'writable' | 'both' | 'none'): Promise<boolean[]> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => {
      watcher.close();
      reject(new Error(`descriptor ${fd} reported nothing for 5 s`));
    }, 5_000);
    const watcher = Watcher.watch(fd, events, (...flags) => {
      clearTimeout(deadline);
      watcher.close();
      resolve(flags);
    });
  });
}

const code = (expected: string) => (error: unknown) => {
  assert.ok(TendonError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

describe('Watcher', () => {
  it('reports readable, once for coalesced signals, and again while the cause is there', async () => {
    const fd = createEventFd();
    let calls = 0;
    const watcher = Watcher.watch(fd, 'readable', (readable, writable, hangup) => {
      assert.deepEqual([readable, writable, hangup], [true, false, false]);
      calls++;
      if (calls === 3) assert.equal(eventFdDrain(fd), 2);
    });
    eventFdSignal(fd);
    eventFdSignal(fd);
    for (let i = 0; i < 50; i++) await turn();
    assert.equal(calls, 3);
    watcher.close();
    closeFd(fd);
  });

  it('reports writable, both, and a hang-up even when it watches for nothing else', async () => {
    const [left, right] = unixPair();
    assert.deepEqual(await nextEvent(left, 'writable'), [false, true, false]);
    socketSend(right, new Uint8Array(1), 0, 1);
    assert.deepEqual(await nextEvent(left, 'both'), [true, true, false]);
    closeFd(right);
    assert.deepEqual(await nextEvent(left, 'none'), [false, false, true]);
    assert.deepEqual(await nextEvent(left, 'readable'), [true, false, true]);
    closeFd(left);
  });

  it('goes on after an error of the descriptor, so that its owner can read what it was', async () => {
    const [left, right] = unixPair();
    socketSend(left, new Uint8Array(8), 0, 8);
    closeFd(right); // with unread bytes: a reset
    const bytes = new Uint8Array(1);
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`only saw ${seen.join(' ')}`)), 5_000);
      const watcher = Watcher.watch(left, 'readable', (readable, writable, hangup) => {
        seen.push(`${readable} ${writable} ${hangup} -> ${socketReceive(left, bytes, 0, 1)}`);
        if (seen.length === 2) {
          clearTimeout(deadline);
          watcher.close();
          resolve();
        }
      });
    });
    assert.deepEqual(seen, ['true true true -> -2', 'true false true -> 0']);
    closeFd(left);
  });

  it('changes what it watches for', async () => {
    const [left, right] = unixPair();
    const seen: boolean[][] = [];
    const watcher = Watcher.watch(left, 'readable', (...flags) => void seen.push(flags));
    for (let i = 0; i < 5; i++) await turn();
    assert.deepEqual(seen, []);
    watcher.setEvents('writable');
    while (seen.length === 0) await turn();
    watcher.setEvents('none');
    const count = seen.length;
    for (let i = 0; i < 5; i++) await turn();
    assert.equal(seen.length, count);
    assert.deepEqual(seen[0], [false, true, false]);
    watcher.close();
    closeFd(left);
    closeFd(right);
  });

  it('runs promise reactions and ticks after each callback', async () => {
    const fd = createEventFd(1);
    const order: string[] = [];
    const watcher = Watcher.watch(fd, 'readable', () => {
      order.push('callback');
      void Promise.resolve().then(() => order.push('reaction'));
      process.nextTick(() => order.push('tick'));
      if (order.length > 1) watcher.close();
    });
    while (!watcher.closed) await turn();
    assert.deepEqual(order.slice(0, 4), ['callback', 'tick', 'reaction', 'callback']);
    closeFd(fd);
  });

  it('does not carry the async context of whoever happens to run the loop', async () => {
    const storage = new AsyncLocalStorage<string>();
    const fd = createEventFd(1);
    const seen = await storage
      .run('other', () => turn())
      .then(
        () =>
          new Promise((resolve) => {
            const watcher = Watcher.watch(fd, 'readable', () => {
              watcher.close();
              resolve(storage.getStore());
            });
          }),
      );
    assert.equal(seen, undefined);
    closeFd(fd);
  });

  it('may be closed inside its callback, twice, and its descriptor right after', async () => {
    for (let i = 0; i < 100; i++) {
      const fd = createEventFd(1);
      await new Promise<void>((resolve) => {
        const watcher = Watcher.watch(fd, 'readable', () => {
          watcher.close();
          watcher.close();
          closeFd(fd);
          resolve();
        });
      });
    }
  });

  it('calls nobody once closed', async () => {
    const fd = createEventFd(1);
    const watcher = Watcher.watch(fd, 'readable', () => assert.fail('called after close'));
    watcher.close();
    for (let i = 0; i < 5; i++) await turn();
    assert.throws(() => watcher.setEvents('both'), code('STATE_INVALID'));
    assert.throws(() => watcher.ref(), code('STATE_INVALID'));
    assert.throws(() => watcher.unref(), code('STATE_INVALID'));
    closeFd(fd);
  });

  it('refuses what cannot be watched, and leaves nothing behind', async () => {
    const nothing = () => {};
    const fd = createEventFd();
    const watcher = Watcher.watch(fd, 'readable', nothing);
    assert.throws(() => Watcher.watch(fd, 'readable', nothing), code('SYSTEM_ERROR')); // EEXIST
    assert.throws(() => Watcher.watch(fd, 'never' as never, nothing), code('OPTION_INVALID'));
    assert.throws(() => Watcher.watch(fd, 'readable', undefined as never), code('OPTION_INVALID'));
    watcher.close();
    Watcher.watch(fd, 'readable', nothing).close();
    const file = openSync(fileURLToPath(import.meta.url), 'r');
    assert.throws(() => Watcher.watch(file, 'readable', nothing), code('PERMISSION_DENIED')); // EPERM
    closeFd(file);
    closeFd(fd);
    assert.throws(() => Watcher.watch(fd, 'readable', nothing), code('SYSTEM_ERROR')); // EBADF
    await turn();
  });

  it('reports a descriptor that was closed under it instead of aborting', () => {
    const fd = createEventFd();
    const watcher = Watcher.watch(fd, 'readable', () => {});
    closeFd(fd);
    assert.throws(() => watcher.setEvents('both'), code('SYSTEM_ERROR'));
    watcher.close();
  });
});
