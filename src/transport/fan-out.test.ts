import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BACK_PRESSURED, CLOSED, TendonError } from '../core/index.ts';
import type { Connection } from './contract.ts';
import { FanOut } from './fan-out.ts';

/** As much of a connection as a broadcast touches. */
class Subscriber {
  readonly endpoint = 'fake:1';
  readonly maxFrameBytes: number;
  got: string[] = [];
  room = 1000;
  gone = false;
  corked = 0;
  reason: TendonError | undefined;
  constructor(maxFrameBytes = 1000) {
    this.maxFrameBytes = maxFrameBytes;
  }
  offer(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.gone) return CLOSED;
    if (this.room === 0) return BACK_PRESSURED;
    this.room--;
    this.got.push(Buffer.from(bytes.subarray(offset, offset + length)).toString());
    return 0;
  }
  /** a send that waits for room */
  waiting: { bytes: Uint8Array; resolve: () => void; reject: (error: Error) => void } | undefined;
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { bytes, resolve, reject };
    });
  }
  async makeRoom(): Promise<void> {
    this.room = 1000;
    this.offer(this.waiting!.bytes);
    this.waiting!.resolve();
    await Promise.resolve();
  }
  async fail(): Promise<void> {
    this.gone = true;
    this.waiting!.reject(new Error('gone'));
    await Promise.resolve();
  }
  cork(): void {
    this.corked++;
  }
  uncork(): void {
    this.corked--;
  }
  destroy(reason: TendonError): void {
    this.reason = reason;
    this.gone = true;
  }
  get connection(): Connection {
    return this as unknown as Connection; // the broadcast touches nothing else
  }
}

function audience(slow: 'wait' | 'drop' | 'disconnect', ...subscribers: Subscriber[]): FanOut {
  const broadcast = new FanOut({ slow });
  for (const subscriber of subscribers) broadcast.add(subscriber.connection);
  return broadcast;
}

describe('FanOut', () => {
  it('keeps a frame for the slow, from a copy, and gives it to nobody twice', async () => {
    const [quick, slow] = [new Subscriber(), new Subscriber()];
    const broadcast = audience('wait', quick, slow);
    slow.room = 0;
    const bytes = Buffer.from('-one-');
    assert.equal(broadcast.offer(bytes, 1, 3), 0);
    bytes.fill(0x78);
    assert.equal(broadcast.offer(Buffer.from('two')), BACK_PRESSURED);
    assert.equal(broadcast.tryClaim(3), BACK_PRESSURED);
    assert.deepEqual([quick.got, slow.got], [['one'], []]);
    await slow.makeRoom();
    assert.deepEqual(slow.got, ['one'], 'without another call');
    assert.equal(broadcast.offer(Buffer.from('two')), 0);
    assert.deepEqual(
      [quick.got, slow.got],
      [
        ['one', 'two'],
        ['one', 'two'],
      ],
    );
  });

  it('waits for nobody who left', async () => {
    const [quick, slow, dead] = [new Subscriber(), new Subscriber(), new Subscriber()];
    const broadcast = audience('wait', quick, slow, dead);
    slow.room = 0;
    dead.room = 0;
    broadcast.offer(Buffer.from('one'));
    broadcast.remove(slow.connection);
    await dead.fail();
    assert.equal(broadcast.offer(Buffer.from('two')), 0);
    assert.deepEqual(quick.got, ['one', 'two']);
    assert.equal(broadcast.subscribers, 1);
  });

  it('drops and counts under "drop", and disconnects under "disconnect"', () => {
    const [slow, other] = [new Subscriber(), new Subscriber()];
    slow.room = 0;
    const dropping = audience('drop', slow, other);
    assert.equal(dropping.offer(Buffer.from('one')), 0);
    assert.equal(dropping.offer(Buffer.from('two')), 0);
    assert.deepEqual([dropping.dropped, dropping.subscribers, other.got.length], [2, 2, 2]);
    const strict = audience('disconnect', slow, other);
    assert.equal(strict.offer(Buffer.from('three')), 0);
    assert.deepEqual([strict.dropped, strict.subscribers, other.got.length], [1, 1, 3]);
    assert.ok(TendonError.is(slow.reason, 'QUEUE_FULL'));
  });

  it('claims what fits every subscriber', () => {
    const [small, large] = [new Subscriber(100), new Subscriber(10_000)];
    const broadcast = audience('wait', large, small);
    assert.equal(broadcast.maxClaimBytes, 100);
    assert.throws(() => broadcast.tryClaim(101), { code: 'FRAME_TOO_LARGE' });
    assert.throws(() => broadcast.offer(new Uint8Array(101)), { code: 'FRAME_TOO_LARGE' });
    assert.deepEqual([small.got, large.got], [[], []]);
    broadcast.remove(small.connection);
    const offset = broadcast.tryClaim(9_000);
    broadcast.claimBuffer.fill(0x61, offset, offset + 9_000);
    broadcast.commit();
    assert.equal(large.got[0], 'a'.repeat(9_000));
    assert.equal(broadcast.tryClaim(0), 0);
    broadcast.commit();
    assert.equal(large.got[1], '');
  });

  it('corks whom it has, and lets everybody go', () => {
    const one = new Subscriber();
    const broadcast = audience('wait', one);
    broadcast.cork();
    assert.equal(one.corked, 1);
    broadcast.uncork();
    assert.equal(one.corked, 0);
    broadcast[Symbol.dispose]();
    assert.equal(broadcast.subscribers, 0);
    assert.equal(broadcast.offer(Buffer.from('x')), 0);
    assert.deepEqual(one.got, []);
  });

  it('refuses options that it does not know', () => {
    for (const options of [{ slow: 'sometimes' }, { ringBytes: 5000 }, { rings: 1 }]) {
      assert.throws(() => new FanOut(options as object), { code: 'OPTION_INVALID' });
    }
  });
});
