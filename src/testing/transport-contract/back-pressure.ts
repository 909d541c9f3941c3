import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BACK_PRESSURED } from '../../core/index.ts';
import { fillNumbered, numberedFrame } from '../frames.ts';
import { turns, within } from '../wait.ts';
import { Collector, type Fixture, fill, offerAll, rejects } from './fixture.ts';

const LENGTH = 1000;

/** A peer that does not read costs a bounded amount of memory, and nothing is lost when it reads again. */
export function backPressureTests(fixture: Fixture): void {
  it('[shm-transport 69] answers BACK_PRESSURED while nobody reads, and loses nothing', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const taken = await fill(client, LENGTH, fixture.maxBufferedBytes);
    assert.ok(taken > 0);
    assert.ok(client.stats.backPressured > 0);
    assert.equal(client.tryClaim(LENGTH), BACK_PRESSURED);
    const collector = new Collector(server);
    for (let sequence = taken; sequence < taken + 500; sequence++)
      await offerAll(client, numberedFrame(sequence, LENGTH));
    await collector.wait(taken + 500);
  });

  it('serves waiting sends in order, before anything that is offered', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const taken = await fill(client, LENGTH, fixture.maxBufferedBytes);
    const sends: Promise<void>[] = [];
    for (let index = 0; index < 100; index++)
      sends.push(client.send(numberedFrame(taken + index, LENGTH + index)));
    assert.equal(
      client.offer(numberedFrame(0, 1)),
      BACK_PRESSURED,
      'an offer may not overtake a waiting send',
    );
    assert.equal(client.tryClaim(1), BACK_PRESSURED, 'a claim may not overtake a waiting send');
    const collector = new Collector(server);
    await within(Promise.all(sends), 'a hundred waiting sends');
    await offerAll(client, numberedFrame(taken + 100, 5));
    await collector.wait(taken + 101);
  });

  it('keeps the order of sends that nobody awaited', async () => {
    await using pair = await fixture.pair();
    const collector = new Collector(pair.server);
    const sends: Promise<void>[] = [];
    for (let index = 0; index < 1000; index++)
      sends.push(pair.client.send(numberedFrame(index, (index * 37) % 3000)));
    await within(Promise.all(sends), 'a thousand sends');
    await collector.wait(1000);
  });

  it('refuses more waiting sends than maxQueuedSends with QUEUE_FULL, and sends the others', async () => {
    await using pair = await fixture.pair({ connect: { maxQueuedSends: 4 } });
    const { client, server } = pair;
    const taken = await fill(client, LENGTH, fixture.maxBufferedBytes);
    const waiting: Promise<void>[] = [];
    for (let index = 0; index < 4; index++) waiting.push(client.send(numberedFrame(taken + index, LENGTH)));
    const error = await rejects(client.send(new Uint8Array(1)), 'QUEUE_FULL', 'the fifth waiting send');
    assert.deepEqual(error.details, { queue: 'send', limit: 4 });
    const collector = new Collector(server);
    await within(Promise.all(waiting), 'four waiting sends');
    await collector.wait(taken + 4);
  });

  it('takes a waiting send back when it is aborted', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const taken = await fill(client, LENGTH, fixture.maxBufferedBytes);
    const before = client.send(numberedFrame(taken, LENGTH));
    const controller = new AbortController();
    const aborted = client.send(new Uint8Array(LENGTH), { signal: controller.signal });
    const after = client.send(numberedFrame(taken + 1, LENGTH));
    const reason = new Error('changed my mind');
    controller.abort(reason);
    const error = await rejects(aborted, 'ABORTED', 'an aborted send');
    assert.equal(error.cause, reason);
    await rejects(
      client.send(new Uint8Array(1), { signal: controller.signal }),
      'ABORTED',
      'a send aborted before',
    );
    const collector = new Collector(server);
    await within(Promise.all([before, after]), 'the sends around the aborted one');
    await collector.wait(taken + 2);
  });

  it('never sends half a frame when a large send is aborted', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const controller = new AbortController();
    const bytes = numberedFrame(0, 8_000_000);
    const aborted = client.send(bytes, { signal: controller.signal });
    await turns(5);
    controller.abort();
    const wasSent = await aborted.then(
      () => true,
      () => false,
    );
    bytes.fill(0xff); // it is ours again, whatever became of it
    await turns(5);
    const lengths: number[] = [];
    server.consume((received, offset, length) => {
      if (length === bytes.length) {
        const expected = numberedFrame(0, length);
        assert.ok(
          Buffer.from(expected.buffer).equals(received.subarray(offset, offset + length)),
          'the frame was torn',
        );
      }
      lengths.push(length);
    });
    await within(client.send(numberedFrame(1, 10)), 'a send after the aborted one');
    const expected = wasSent ? [bytes.length, 10] : undefined;
    await within(
      (async () => {
        while (lengths.at(-1) !== 10) await turns(1);
      })(),
      'the frame after the aborted one',
    );
    if (expected !== undefined) assert.deepEqual(lengths, expected);
    else assert.ok(lengths.length === 1 || lengths[0] === bytes.length, `frames of ${lengths} bytes came`);
  });

  it('lets a claim through again when there is room', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const taken = await fill(client, LENGTH, fixture.maxBufferedBytes);
    const collector = new Collector(server);
    let offset = client.tryClaim(LENGTH);
    for (let turn = 0; offset === BACK_PRESSURED; turn++) {
      assert.ok(turn < 100_000, 'no claim for a hundred thousand turns though the peer reads');
      await turns(1);
      offset = client.tryClaim(LENGTH);
    }
    fillNumbered(client.claimBuffer, offset, LENGTH, taken);
    client.commit();
    await collector.wait(taken + 1);
  });
}
