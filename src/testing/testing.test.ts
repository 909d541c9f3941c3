import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context, TendonError } from '../core/index.ts';
import { inprocTransport } from '../transport/inproc/index.ts';
import { FaultyLink, type FaultyLinkOptions } from './faulty-link.ts';
import { assertNumbered, numberedFrame } from './frames.ts';
import { SeededRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';
import { until, within } from './wait.ts';

describe('VirtualClock', () => {
  it('moves only when told, and fires timers in the order they are due', () => {
    const clock = new VirtualClock(100);
    const fired: [string, number][] = [];
    const note = (name: string) => () => fired.push([name, clock.nowMs()]);
    clock.setTimer(note('late'), 30);
    clock.setTimer(note('early'), 10);
    clock.setTimer(note('same'), 10);
    const cancelled = clock.setTimer(note('never'), 5);
    clock.setTimer(() => void clock.setTimer(note('nested'), 5), 12);
    cancelled.cancel();
    clock.advance(9);
    assert.deepEqual(fired, []);
    clock.advance(20);
    assert.deepEqual(fired, [
      ['early', 110],
      ['same', 110],
      ['nested', 117],
    ]);
    assert.equal(clock.nowMs(), 129);
    assert.equal(clock.timers, 1);
    clock.advance(1);
    assert.deepEqual(fired.at(-1), ['late', 130]);
  });
});

describe('SeededRandom', () => {
  it('repeats itself for a seed and differs between seeds', () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 100 }, () => random.integer(3, 7));
    };
    assert.deepEqual(draw(1), draw(1));
    assert.notDeepEqual(draw(1), draw(2));
    assert.deepEqual([...new Set(draw(5))].sort(), [3, 4, 5, 6, 7]);
  });
});

describe('numbered frames', () => {
  it('tell one from another and any changed byte', () => {
    const frame = numberedFrame(7, 50);
    assertNumbered(frame, 0, 50, 7);
    assert.throws(() => assertNumbered(frame, 0, 50, 8));
    frame[49]! ^= 1;
    assert.throws(() => assertNumbered(frame, 0, 50, 7), /byte 49 of 50/);
  });
});

describe('waiting', () => {
  it('fails with what was waited for', async () => {
    await assert.rejects(
      until(() => false, 'the impossible', 5),
      /the impossible/,
    );
    await assert.rejects(within(new Promise(() => {}), 'a promise that never settles', 5), /never settles/);
    await assert.rejects(within(Promise.reject(new Error('its own')), 'x'), /its own/);
    assert.equal(await within(Promise.resolve(3), 'x'), 3);
  });
});

async function through(
  options: FaultyLinkOptions,
  count: number,
): Promise<{ link: FaultyLink; received: Uint8Array[] }> {
  const context = new Context();
  await using listener = await inprocTransport.listen('inproc:faulty', { context });
  const accepting = listener.accept();
  const link = new FaultyLink(await inprocTransport.connect('inproc:faulty', { context }), options);
  const server = await accepting;
  const received: Uint8Array[] = [];
  const receiving = (async () => {
    for await (const batch of server.receive()) received.push(...batch);
  })();
  for (let sequence = 0; sequence < count; sequence++) await link.send(numberedFrame(sequence, 20));
  await link.close();
  await within(receiving, 'the end of the link');
  return { link, received };
}

const numberOf = (frame: Uint8Array): number => frame[0]! | (frame[1]! << 8);

describe('FaultyLink', () => {
  it('passes everything on when it is told of no faults', async () => {
    const { link, received } = await through({}, 200);
    assert.deepEqual(received.map(numberOf), [...new Array(200).keys()]);
    assert.equal(link.capabilities.reliable, true);
  });

  it('loses, repeats, damages and swaps as often as it says, the same for the same seed', async () => {
    const options = { seed: 9, drop: 0.1, duplicate: 0.1, corrupt: 0.1, reorder: 0.1, delay: 0.05 };
    const first = await through(options, 1000);
    const again = await through(options, 1000);
    assert.deepEqual(first.received, again.received);
    const { counts } = first.link;
    assert.equal(first.received.length, counts.passed);
    assert.equal(counts.passed, 1000 - counts.dropped + counts.duplicated);
    for (const fault of ['dropped', 'duplicated', 'corrupted', 'reordered', 'delayed'] as const) {
      assert.ok(counts[fault] > 20 && counts[fault] < 180, `${counts[fault]} ${fault} of 1000`);
    }
    assert.equal(first.link.capabilities.reliable, false);
    assert.equal(first.link.capabilities.ordered, false);
    assert.notDeepEqual((await through({ ...options, seed: 10 }, 1000)).received, first.received);
  });

  it('damages one bit', async () => {
    const { received } = await through({ corrupt: 1 }, 10);
    for (const [sequence, frame] of received.entries()) {
      const sound = numberedFrame(sequence, 20);
      let bits = 0;
      for (const [index, byte] of frame.entries())
        bits += (byte ^ sound[index]!).toString(2).replaceAll('0', '').length;
      assert.equal(bits, 1);
    }
  });

  it('lets what is held back overtake nothing twice, and go at the end', async () => {
    const { received } = await through({ delay: 1, delayFrames: 5 }, 10);
    assert.deepEqual(
      received.map(numberOf),
      [...new Array(10).keys()],
      'all are held back, so none overtakes',
    );
    const { received: swapped } = await through({ reorder: 0.3, seed: 4 }, 100);
    assert.deepEqual(
      swapped.map(numberOf).sort((one, other) => one - other),
      [...new Array(100).keys()],
    );
    assert.notDeepEqual(swapped.map(numberOf), [...new Array(100).keys()]);
  });

  it('keeps to the contract of claims, and refuses bad shares', async () => {
    const context = new Context();
    await using listener = await inprocTransport.listen('inproc:claims', { context });
    await using link = new FaultyLink(await inprocTransport.connect('inproc:claims', { context }));
    const server = await listener.accept();
    const offset = link.tryClaim(4);
    assert.throws(() => link.tryClaim(4), { code: 'STATE_INVALID' });
    link.claimBuffer.set([1, 2, 3, 4], offset);
    link.commit();
    assert.throws(() => link.commit(), { code: 'STATE_INVALID' });
    assert.equal(link.offer(new Uint8Array([9, 5, 9]), 1, 1), 0);
    const seen: number[][] = [];
    await until(() => {
      server.poll((bytes, at, length) => seen.push([...bytes.subarray(at, at + length)]));
      return seen.length === 2;
    }, 'two frames');
    assert.deepEqual(seen, [[1, 2, 3, 4], [5]]);
    for (const options of [{ drop: 2 }, { drop: -1 }, { lose: 1 }]) {
      assert.throws(
        () => new FaultyLink(link, options),
        (error) => TendonError.is(error, 'OPTION_INVALID'),
      );
    }
  });
});
