import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Connection } from '../../transport/index.ts';
import { assertNumbered, numberedFrame } from '../frames.ts';
import { turns, until, within } from '../wait.ts';
import { Collector, type Fixture, offerAll, pollFrames, rejects, throws } from './fixture.ts';

async function sendNumbered(connection: Connection, count: number, length = 50, first = 0): Promise<void> {
  for (let index = 0; index < count; index++)
    await offerAll(connection, numberedFrame(first + index, length));
}

/** Polling, consuming, iterating: who gets the frames, when, and whose they are. */
export function receivingTests(fixture: Fixture): void {
  it('hands over at most as many frames as the limit says', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    assert.equal(
      server.poll(() => {}),
      0,
    );
    await sendNumbered(client, 10);
    let next = 0;
    const check = (bytes: Uint8Array, offset: number, length: number): void =>
      assertNumbered(bytes, offset, length, next++);
    await until(() => server.poll(check, 1) === 1, 'the first frame');
    assert.equal(server.poll(check, 0), 0);
    for (const limit of [3, 1, 2]) {
      const before = next;
      await until(() => {
        const count = server.poll(check, limit);
        assert.ok(count <= limit, `poll handed over ${count} frames, its limit was ${limit}`);
        return next >= before + limit;
      }, `${limit} more frames`);
    }
    await until(() => {
      server.poll(check);
      return next === 10;
    }, 'ten frames');
    assert.equal(server.poll(check), 0);
  });

  it('has consumed the frame of a handler that throws', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    await sendNumbered(client, 3);
    const seen: number[] = [];
    const failing = (bytes: Uint8Array, offset: number): void => {
      seen.push(bytes[offset]!);
      if (seen.length === 2) throw new RangeError('this one I do not like');
    };
    let failures = 0;
    await until(() => {
      try {
        server.poll(failing);
      } catch (error) {
        assert.ok(error instanceof RangeError);
        failures++;
      }
      return seen.length === 3;
    }, 'three frames');
    assert.deepEqual(seen, [0, 1, 2]);
    assert.equal(failures, 1);
    assert.equal(server.stats.framesReceived, 3);
    assert.equal(server.state, 'open');
  });

  it('refuses to be polled by its own handler', async () => {
    await using pair = await fixture.pair();
    await sendNumbered(pair.client, 2);
    let tried = 0;
    await until(() => {
      pair.server.poll(() => {
        throws(() => pair.server.poll(() => {}), 'STATE_INVALID');
        tried++;
      });
      return tried === 2;
    }, 'two frames');
  });

  it('lets a handler answer on the connection that calls it', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    server.consume((bytes, offset, length) => {
      if (server.offer(bytes, offset, length) !== 0) assert.fail('no room for the answer');
    });
    const collector = new Collector(client);
    for (let sequence = 0; sequence < 200; sequence++) {
      await client.send(numberedFrame(sequence, 64));
      await collector.wait(sequence + 1);
    }
  });

  it('gives the receiving side to whoever comes first', async () => {
    await using polled = await fixture.pair();
    polled.server.poll(() => {});
    throws(() => polled.server.consume(() => {}), 'STATE_INVALID');
    throws(() => polled.server.receive()[Symbol.asyncIterator](), 'STATE_INVALID');
    polled.server.poll(() => {});

    polled.client.consume(() => {});
    throws(() => polled.client.poll(() => {}), 'STATE_INVALID');
    throws(() => polled.client.consume(() => {}), 'STATE_INVALID');
    throws(() => polled.client.receive()[Symbol.asyncIterator](), 'STATE_INVALID');

    await using iterated = await fixture.pair();
    const iterator = iterated.server.receive()[Symbol.asyncIterator]();
    throws(() => iterated.server.poll(() => {}), 'STATE_INVALID');
    throws(() => iterated.server.consume(() => {}), 'STATE_INVALID');
    throws(() => iterated.server.receive()[Symbol.asyncIterator](), 'STATE_INVALID');
    await iterator.return?.();
    iterated.server.poll(() => {});
  });

  it('receives batches of frames that stay as they are', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const total = 1000;
    const sending = (async () => {
      for (let sequence = 0; sequence < total; sequence++)
        await client.send(numberedFrame(sequence, 10 + (sequence % 100)));
    })();
    const frames: Uint8Array[] = [];
    const receiving = (async () => {
      for await (const batch of server.receive({ maxBatch: 16 })) {
        assert.ok(batch.length >= 1 && batch.length <= 16, `a batch of ${batch.length}`);
        frames.push(...batch);
        if (frames.length === total) break;
      }
    })();
    await within(Promise.all([sending, receiving]), 'a thousand frames in batches');
    for (const [sequence, frame] of frames.entries()) assertNumbered(frame, 0, frame.length, sequence);
  });

  it('leaves to the next loop what the last one did not take', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    await sendNumbered(client, 20);
    const seen: number[] = [];
    while (seen.length < 20) {
      for await (const batch of server.receive({ maxBatch: 3 })) {
        for (const frame of batch) seen.push(frame[0]!);
        break;
      }
    }
    assert.deepEqual(seen, [...new Array(20).keys()]);
    await sendNumbered(client, 1);
    await pollFrames(server, 1);
  });

  it('stops receiving when its signal is aborted', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const controller = new AbortController();
    const receiving = (async () => {
      for await (const batch of server.receive({ signal: controller.signal }))
        assert.fail(`${batch.length} frames came`);
    })();
    await turns(5);
    const reason = new Error('enough');
    controller.abort(reason);
    assert.equal((await rejects(receiving, 'ABORTED', 'an aborted receive')).cause, reason);
    const again = (async () => {
      for await (const _ of server.receive({ signal: controller.signal })) assert.fail('frames came');
    })();
    await rejects(again, 'ABORTED', 'a receive that was aborted before');
    await sendNumbered(client, 2);
    assert.equal((await pollFrames(server, 2)).length, 2, 'the receiving side is free again');
  });

  it('refuses options that it does not know', async () => {
    await using pair = await fixture.pair();
    throws(() => pair.server.receive({ batch: 3 } as object)[Symbol.asyncIterator](), 'OPTION_INVALID');
    throws(() => pair.server.receive({ maxBatch: 0 })[Symbol.asyncIterator](), 'OPTION_INVALID');
  });

  it('wakes a parked receiver, every time', async () => {
    const contexts = fixture.contexts();
    await using pair = await fixture.pair({
      listen: { context: contexts.server },
      connect: { context: contexts.client },
    });
    const { client, server } = pair;
    server.consume((bytes, offset, length) => void server.offer(bytes, offset, length));
    const collector = new Collector(client);
    for (let round = 0; round < 20; round++) {
      await until(
        () => contexts.server.poller.activeAgents === 0 && contexts.client.poller.activeAgents === 0,
        'idle connections to park',
      );
      await client.send(numberedFrame(round, 30));
      await collector.wait(round + 1);
    }
    for (let round = 20; round < 1000; round++) {
      await turns((round * 7) % 4);
      await client.send(numberedFrame(round, 30));
      await collector.wait(round + 1);
    }
  });

  it('leaves the event loop its turns under load', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const total = 50_000;
    const collector = new Collector(server);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    try {
      const sending = (async () => {
        for (let sequence = 0; sequence < total; sequence++) await client.send(numberedFrame(sequence, 64));
      })();
      let turnsTaken = 0;
      while (collector.count < total) {
        await turns(1);
        turnsTaken++;
        assert.ok(turnsTaken < 10_000_000);
      }
      await sending;
      await collector.wait(total);
      assert.ok(turnsTaken >= 10, `only ${turnsTaken} turns while ${total} frames arrived`);
      assert.ok(ticks >= 1, 'no timer fired while frames arrived');
    } finally {
      clearInterval(timer);
    }
  });
}
