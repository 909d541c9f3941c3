import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BACK_PRESSURED, CLOSED, type Clock, Context, TendonError } from '../core/index.ts';
import { ConnectionBase } from './connection-base.ts';
import type { ConnectionState, FrameHandler } from './contract.ts';
import { resolveConnectOptions } from './options.ts';

/** A connection whose wire is two arrays that the test fills and empties. */
class Scripted extends ConnectionBase {
  readonly maxClaimBytes = 64;
  readonly claimBuffer = new Uint8Array(64);
  incoming: Uint8Array[] = [];
  outgoing: Uint8Array[] = [];
  /** bytes that can be written before BACK_PRESSURED */
  room = 0;
  log: string[] = [];
  wake: (() => void) | undefined;
  halted = false;
  polling = false;
  onShutdown: () => Promise<void> = async () => {};
  onWrite: () => void = () => {};
  #part: number[] = [];

  constructor(context: Context, lingerMs = 1000) {
    super(
      {
        endpoint: 'scripted:1',
        capabilities: {
          ordered: true,
          reliable: true,
          zeroCopy: false,
          local: true,
          encrypted: false,
          descriptorPassing: false,
        },
        peer: undefined,
      },
      resolveConnectOptions({ context, lingerMs, maxQueuedSends: 3 }),
    );
  }
  tryClaim(): number {
    return this.sendable ? BACK_PRESSURED : CLOSED;
  }
  commit(): void {}
  abort(): void {}
  offer(): number {
    return this.sendable ? BACK_PRESSURED : CLOSED;
  }
  cork(): void {}
  uncork(): void {}
  ref(): void {}
  unref(): void {}
  protected pollFrames(handler: FrameHandler, limit: number): number {
    let count = 0;
    this.polling = true;
    try {
      while (count < limit && !this.halted && this.incoming.length > 0) {
        const frame = this.incoming.shift()!;
        count++;
        handler(frame, 0, frame.length);
      }
      return count;
    } finally {
      this.polling = false;
    }
  }
  protected override halt(): void {
    this.halted = true;
  }
  protected hasUnread(): boolean {
    return this.incoming.length > 0;
  }
  protected writeSome(bytes: Uint8Array, from: number): number {
    this.onWrite();
    if (this.room === 0) return BACK_PRESSURED;
    const step = Math.min(this.room, bytes.length - from);
    this.room -= step;
    this.#part.push(...bytes.subarray(from, from + step));
    if (from + step === bytes.length) {
      this.outgoing.push(new Uint8Array(this.#part));
      this.#part = [];
    }
    return from + step;
  }
  protected arm(readable: boolean, writable: boolean, wake: () => void): boolean {
    if ((readable && this.incoming.length > 0) || (writable && this.room > 0)) return false;
    this.log.push(`arm ${readable ? 'r' : ''}${writable ? 'w' : ''}`);
    this.wake = wake;
    return true;
  }
  protected disarm(): void {
    this.wake = undefined;
  }
  protected shutdown(): Promise<void> {
    this.log.push('shutdown');
    return this.onShutdown();
  }
  protected release(): void {
    assert.equal(this.polling, false, 'released within pollFrames');
    this.log.push('release');
  }
  protected get active(): string {
    return 'scripted';
  }
  end(reason?: TendonError): void {
    this.ended(reason);
  }
  slow(): void {
    this.degraded(new TendonError('DEADLINE_EXCEEDED', 'it does not move', { timeoutMs: 1 }));
  }
  quick(): void {
    this.recovered();
  }
}

const LOST = new TendonError('CONNECTION_LOST', 'gone', { endpoint: 'scripted:1', unknownBytes: 0 });

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

/** Turns until nothing of the poller is active. */
async function parked(context: Context): Promise<void> {
  const deadline = performance.now() + 10_000;
  do {
    await turn();
    assert.ok(performance.now() < deadline, 'the duty cycle does not park');
  } while (context.poller.activeAgents > 0);
}

describe('ConnectionBase', () => {
  it('lets large sends leave in parts, as room appears, in order', async () => {
    const context = new Context();
    const connection = new Scripted(context);
    connection.room = 3;
    const sends = [connection.send(new Uint8Array([1, 2, 3, 4, 5])), connection.send(new Uint8Array([6]))];
    await parked(context);
    assert.deepEqual(connection.outgoing, []);
    assert.deepEqual(connection.log, ['arm w']);
    connection.room = 10;
    connection.wake!();
    await Promise.all(sends);
    assert.deepEqual(
      connection.outgoing.map((frame) => [...frame]),
      [[1, 2, 3, 4, 5], [6]],
    );
    assert.equal(connection.stats.backPressured, 1);
    await parked(context);
    connection.destroy();
  });

  it('arms for what somebody waits for, and for nothing else', async () => {
    const context = new Context();
    const connection = new Scripted(context);
    const iterator = connection.receive()[Symbol.asyncIterator]();
    const next = iterator.next();
    await parked(context);
    assert.deepEqual(connection.log, ['arm r']);
    connection.incoming.push(new Uint8Array([1]));
    connection.wake!();
    assert.equal((await next).value?.length, 1);
    await parked(context);
    assert.deepEqual(connection.log, ['arm r'], 'nobody waits any more');
    connection.destroy();
  });

  it('stays draining while unread frames are there, then closes with the reason', async () => {
    const context = new Context();
    const connection = new Scripted(context);
    const states: [ConnectionState, string | undefined][] = [];
    connection.events.on('state', (state, reason) => states.push([state, reason?.code]));
    connection.incoming.push(new Uint8Array([1]), new Uint8Array([2]));
    connection.end(LOST);
    connection.end(undefined);
    assert.equal(connection.state, 'draining');
    assert.equal(connection.closeReason, undefined);
    assert.equal(connection.offer(), CLOSED);
    await assert.rejects(connection.send(new Uint8Array(1)), (error) => error === LOST);
    assert.equal(
      connection.poll(() => {}, 1),
      1,
    );
    assert.equal(connection.state, 'draining');
    assert.equal(
      connection.poll(() => {}, 1),
      1,
    );
    assert.equal(connection.state, 'closed');
    assert.equal(connection.closeReason, LOST);
    assert.deepEqual(states, [
      ['draining', 'CONNECTION_LOST'],
      ['closed', 'CONNECTION_LOST'],
    ]);
    assert.deepEqual(connection.log, ['release']);
  });

  it('releases once, and not under the handler that destroyed it', () => {
    const connection = new Scripted(new Context());
    connection.incoming.push(new Uint8Array([1]), new Uint8Array([2]));
    const count = connection.poll(() => {
      connection.destroy(LOST);
      assert.equal(connection.state, 'closed');
      assert.deepEqual(connection.log, []);
    });
    assert.equal(count, 1);
    assert.ok(connection.halted);
    assert.deepEqual(connection.log, ['release']);
    connection.destroy();
    assert.deepEqual(connection.log, ['release']);
  });

  it('closes after the end when the last handler throws', () => {
    const connection = new Scripted(new Context());
    connection.incoming.push(new Uint8Array([1]));
    connection.end(undefined);
    assert.throws(() => connection.poll(() => assert.fail('no')));
    assert.equal(connection.state, 'closed');
  });

  it('goes all the way down though a listener of its states throws', async () => {
    const context = new Context();
    const connection = new Scripted(context);
    const caught: string[] = [];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => caught.push(error.message));
    try {
      connection.events.on('state', (state) => {
        throw new Error(state);
      });
      const batches = connection.receive()[Symbol.asyncIterator]();
      const next = batches.next();
      await parked(context);
      connection.end(LOST);
      await assert.rejects(next, { code: 'CONNECTION_LOST' });
      await turns(1);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    }
    assert.equal(connection.state, 'closed');
    assert.equal(await connection.closed, LOST);
    assert.deepEqual(connection.log.at(-1), 'release');
    assert.deepEqual(caught, ['draining', 'closed']);
  });

  it('is degraded and recovers, while it is open', () => {
    const connection = new Scripted(new Context());
    const states: ConnectionState[] = [];
    connection.events.on('state', (state) => states.push(state));
    connection.quick();
    connection.slow();
    connection.slow();
    connection.quick();
    connection.destroy();
    connection.slow();
    assert.deepEqual(states, ['degraded', 'open', 'closed']);
  });

  it('lingers for what waits and for the goodbye, no longer than it was told', async () => {
    const timers: { callback: () => void; delayMs: number; cancelled: boolean }[] = [];
    const clock: Clock = {
      nowMs: () => performance.now(),
      setTimer(callback, delayMs) {
        const timer = { callback, delayMs, cancelled: false };
        timers.push(timer);
        return {
          cancel: () => {
            timer.cancelled = true;
          },
        };
      },
    };
    const context = new Context({ clock });
    const connection = new Scripted(context, 77);
    const waiting = connection.send(new Uint8Array([1, 2]));
    const closing = connection.close();
    assert.equal(connection.state, 'draining');
    await assert.rejects(connection.send(new Uint8Array(1)), { code: 'CONNECTION_CLOSED' });
    await turns(3);
    assert.deepEqual(
      connection.log.filter((entry) => entry === 'shutdown'),
      [],
      'a send still waits',
    );
    connection.room = 10;
    connection.wake?.();
    await waiting;
    connection.onShutdown = () => new Promise(() => {});
    await turns(3);
    assert.ok(connection.log.includes('shutdown'));
    assert.equal(connection.state, 'draining');
    assert.deepEqual(
      timers.map((timer) => timer.delayMs),
      [77],
    );
    timers[0]!.callback();
    await closing;
    assert.equal(connection.state, 'closed');
    assert.ok(timers[0]!.cancelled);
  });

  it('is destroyed with the cause when its transport fails in the duty cycle', async () => {
    const context = new Context();
    const connection = new Scripted(context);
    const waiting = connection.send(new Uint8Array(1));
    connection.onWrite = () => {
      throw new RangeError('a bug in the transport');
    };
    await assert.rejects(
      waiting,
      (error) => TendonError.is(error, 'PROTOCOL_ERROR') && error.cause instanceof RangeError,
    );
    assert.equal(connection.state, 'closed');
    assert.equal(context.poller.agents, 0);
  });

  it('lets an error of a consumer surface like that of any listener, and goes on', async () => {
    const context = new Context();
    const connection = new Scripted(context);
    const failure = new Error('a bug in the program');
    const seen: number[] = [];
    const caught: unknown[] = [];
    // The runner listens for these too; for the moment they are ours.
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => caught.push(error));
    try {
      connection.incoming.push(new Uint8Array([1]), new Uint8Array([2]));
      connection.consume((bytes) => {
        seen.push(bytes[0]!);
        if (bytes[0] === 1) throw failure;
      });
      await parked(context);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    }
    assert.deepEqual(seen, [1, 2]);
    assert.deepEqual(caught, [failure]);
    assert.equal(connection.state, 'open');
    connection.destroy();
    assert.equal(context.poller.agents, 0);
  });
});
