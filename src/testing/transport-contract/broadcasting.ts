import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BACK_PRESSURED, Closer } from '../../core/index.ts';
import type { Broadcast, BroadcastOptions, Connection, Listener } from '../../transport/index.ts';
import { assertNumbered, fillNumbered, numberedFrame } from '../frames.ts';
import { turns, until, within } from '../wait.ts';
import { Collector, closed, type Fixture, throws } from './fixture.ts';

interface Audience extends AsyncDisposable {
  readonly listener: Listener;
  readonly broadcast: Broadcast;
  readonly readers: readonly Connection[];
  readonly servers: readonly Connection[];
}

async function gather(fixture: Fixture, readers: number, options: BroadcastOptions): Promise<Audience> {
  const closer = new Closer();
  const contexts = fixture.contexts();
  const listener = closer.use(
    await fixture.listen(fixture.subject.freshEndpoint(), { context: contexts.server }),
  );
  const broadcast = closer.use(listener.broadcast(options));
  const clients: Connection[] = [];
  const servers: Connection[] = [];
  for (let index = 0; index < readers; index++) {
    const accepting = listener.accept();
    const client = await fixture.connect(listener.endpoint, { context: contexts.client });
    closer.defer(() => client.destroy());
    const server = await within(accepting, 'accept');
    closer.defer(() => server.destroy());
    broadcast.add(server);
    clients.push(client);
    servers.push(server);
  }
  return { listener, broadcast, readers: clients, servers, [Symbol.asyncDispose]: () => closer.close() };
}

async function publish(broadcast: Broadcast, bytes: Uint8Array): Promise<void> {
  for (let turn = 0; broadcast.offer(bytes) === BACK_PRESSURED; turn++) {
    assert.ok(turn < 1_000_000, 'a broadcast was answered with BACK_PRESSURED for a million turns');
    await turns(1);
  }
}

/** One writer, many readers, and the three ways of treating the slow. */
export function broadcastTests(fixture: Fixture): void {
  it('broadcasts each frame to each subscriber, in order', async () => {
    await using audience = await gather(fixture, 3, {});
    const { broadcast } = audience;
    assert.equal(broadcast.writtenOnce, fixture.subject.broadcastWritesOnce ?? false);
    assert.equal(broadcast.subscribers, 3);
    const collectors = audience.readers.map((reader) => new Collector(reader));
    for (let sequence = 0; sequence < 500; sequence++) {
      if (sequence % 2 === 0) await publish(broadcast, numberedFrame(sequence, 100));
      else {
        let offset = broadcast.tryClaim(200);
        for (; offset === BACK_PRESSURED; offset = broadcast.tryClaim(200)) await turns(1);
        fillNumbered(broadcast.claimBuffer, offset, 200, sequence);
        broadcast.commit();
      }
    }
    for (const collector of collectors) await collector.wait(500);
    assert.equal(broadcast.dropped, 0);
  });

  it('broadcasts nothing of an aborted claim, and has one claim at a time', async () => {
    await using audience = await gather(fixture, 1, {});
    const { broadcast } = audience;
    throws(() => broadcast.commit(), 'STATE_INVALID');
    assert.ok(broadcast.tryClaim(10) >= 0);
    throws(() => broadcast.tryClaim(10), 'STATE_INVALID');
    throws(() => broadcast.offer(new Uint8Array(1)), 'STATE_INVALID');
    broadcast.abort();
    await publish(broadcast, numberedFrame(0, 10));
    await new Collector(audience.readers[0]!).wait(1);
  });

  it('broadcasts to nobody without minding, and not to who was removed', async () => {
    await using audience = await gather(fixture, 2, {});
    const { broadcast, servers, readers } = audience;
    const collectors = readers.map((reader) => new Collector(reader));
    await publish(broadcast, numberedFrame(0, 10));
    for (const collector of collectors) await collector.wait(1);
    broadcast.remove(servers[0]!);
    assert.equal(broadcast.subscribers, 1);
    await publish(broadcast, numberedFrame(1, 10));
    await collectors[1]!.wait(2);
    assert.equal(collectors[0]!.count, 1);
    broadcast.remove(servers[1]!);
    await publish(broadcast, numberedFrame(2, 10));
    assert.equal(broadcast.subscribers, 0);
  });

  it('waits for the slow under "wait": everybody gets everything', async () => {
    await using audience = await gather(fixture, 2, { slow: 'wait' });
    const { broadcast, readers } = audience;
    const quick = new Collector(readers[0]!);
    let sequence = 0;
    for (let refusals = 0; refusals < 20; ) {
      if (broadcast.offer(numberedFrame(sequence, 1000)) === BACK_PRESSURED) {
        refusals++;
        await turns(1);
      } else sequence++;
      assert.ok(
        sequence * 1000 < fixture.maxBufferedBytes,
        'nothing stops the writer though a subscriber does not read',
      );
    }
    const slow = new Collector(readers[1]!);
    for (let more = 0; more < 50; more++) await publish(broadcast, numberedFrame(sequence++, 1000));
    for (const collector of [quick, slow]) await collector.wait(sequence);
    assert.equal(broadcast.dropped, 0);
  });

  it('drops for the slow under "drop", counts it, and the quick miss nothing', async () => {
    await using audience = await gather(fixture, 2, { slow: 'drop' });
    const { broadcast, readers } = audience;
    const quick = new Collector(readers[0]!);
    let sequence = 0;
    for (; broadcast.dropped < 10; sequence++) {
      await publish(broadcast, numberedFrame(sequence, 1000));
      await until(
        () => quick.count === sequence + 1,
        () => `frame ${sequence} at the quick one, ${quick.count} came`,
      );
      assert.ok(
        sequence * 1000 < fixture.maxBufferedBytes,
        'nothing was dropped though a subscriber does not read',
      );
    }
    await quick.wait(sequence);
    let previous = -1;
    let received = 0;
    readers[1]!.consume((bytes, offset, length) => {
      const number = bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16);
      assertNumbered(bytes, offset, length, number);
      assert.ok(number > previous, 'repeated or out of order');
      previous = number;
      received++;
    });
    await until(
      () => received + broadcast.dropped >= sequence,
      () => `${received} received, ${broadcast.dropped} dropped of ${sequence}`,
    );
    assert.equal(received + broadcast.dropped, sequence);
  });

  it('disconnects the slow under "disconnect", and the quick miss nothing', async () => {
    await using audience = await gather(fixture, 2, { slow: 'disconnect' });
    const { broadcast, readers, servers } = audience;
    const quick = new Collector(readers[0]!);
    let sequence = 0;
    for (; broadcast.subscribers > 1; sequence++) {
      await publish(broadcast, numberedFrame(sequence, 1000));
      await until(
        () => quick.count === sequence + 1,
        () => `frame ${sequence} at the quick one, ${quick.count} came`,
      );
      assert.ok(
        sequence * 1000 < fixture.maxBufferedBytes,
        'nobody was disconnected though a subscriber does not read',
      );
    }
    assert.equal((await closed(servers[1]!))?.code, 'QUEUE_FULL');
    assert.equal(servers[0]!.state, 'open');
    await quick.wait(sequence);
  });

  it('forgets a subscriber that is gone', async () => {
    await using audience = await gather(fixture, 2, {});
    const { broadcast, readers, servers } = audience;
    const collector = new Collector(readers[0]!);
    servers[1]!.consume(() => {});
    readers[1]!.destroy();
    await closed(servers[1]!);
    for (let sequence = 0; sequence < 10; sequence++) await publish(broadcast, numberedFrame(sequence, 10));
    await collector.wait(10);
    assert.equal(broadcast.subscribers, 1);
  });
}
