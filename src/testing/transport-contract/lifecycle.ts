import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CLOSED, TendonError } from '../../core/index.ts';
import type { Connection, ConnectionState } from '../../transport/index.ts';
import { assertNumbered, numberedFrame } from '../frames.ts';
import { turns, until, within } from '../wait.ts';
import { Collector, closed, ended, type Fixture, fill, offerAll, rejects } from './fixture.ts';

function record(connection: Connection): { state: ConnectionState; code: string | undefined }[] {
  const states: { state: ConnectionState; code: string | undefined }[] = [];
  connection.events.on('state', (state, reason) => states.push({ state, code: reason?.code }));
  return states;
}

async function receiveAll(connection: Connection): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const batch of connection.receive()) frames.push(...batch);
  return frames;
}

function assertAllNumbered(frames: readonly Uint8Array[], count: number): void {
  assert.equal(frames.length, count);
  for (const [sequence, frame] of frames.entries()) assertNumbered(frame, 0, frame.length, sequence);
}

/** How connections end: orderly, by destruction, under load, from within a handler. */
export function lifecycleTests(fixture: Fixture): void {
  it('tells who asked for `closed`, before and after', async () => {
    await using pair = await fixture.pair();
    const before = pair.client.closed;
    pair.client.destroy();
    assert.equal(await within(before, 'closed'), undefined);
    assert.equal(await within(pair.client.closed, 'closed, asked afterwards'), undefined);
    await within(pair.server.closed, 'the other end closes too');
  });

  it('ends orderly on both sides, with everything delivered', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const [ours, theirs] = [record(client), record(server)];
    for (let sequence = 0; sequence < 500; sequence++) await offerAll(client, numberedFrame(sequence, 700));
    const receiving = receiveAll(server);
    const closing = client.close();
    assert.equal(client.close(), closing, 'every call returns the same promise');
    await within(closing, 'close');
    assertAllNumbered(await within(receiving, 'the loop to end'), 500);
    assert.equal(await closed(server), undefined);
    assert.equal(client.closeReason, undefined);
    const orderly = [
      { state: 'draining', code: undefined },
      { state: 'closed', code: undefined },
    ];
    assert.deepEqual(ours, orderly);
    assert.deepEqual(theirs, orderly);
  });

  it('[shm-transport 14] takes nothing after it was closed, and does not mind being closed again', async () => {
    await using pair = await fixture.pair();
    const { client } = pair;
    const closing = client.close();
    assert.equal(client.offer(new Uint8Array(1)), CLOSED, 'from the call on, not from its end');
    await within(closing, 'close');
    assert.equal(client.tryClaim(1), CLOSED);
    assert.equal(client.offer(new Uint8Array(1)), CLOSED);
    await rejects(client.send(new Uint8Array(1)), 'CONNECTION_CLOSED', 'a send on a closed connection');
    assert.equal(
      client.poll(() => {}),
      0,
    );
    client.destroy();
    client.uncork();
    await client.close();
    await client[Symbol.asyncDispose]();
    assert.equal(client.state, 'closed');
    assert.equal(client.closeReason, undefined);
  });

  it('ends a loop that waits when it is closed on this side', async () => {
    await using pair = await fixture.pair();
    const receiving = receiveAll(pair.client);
    await turns(3);
    await within(pair.client.close(), 'close');
    assert.deepEqual(await within(receiving, 'the loop to end'), []);
  });

  it('tells who sends to a peer that has closed', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    server.consume(() => {});
    await within(client.close(), 'close');
    await ended(server);
    assert.equal(server.offer(new Uint8Array(1)), CLOSED);
    assert.equal(server.tryClaim(1), CLOSED);
    await rejects(server.send(new Uint8Array(1)), 'CONNECTION_CLOSED', 'a send to a peer that closed');
  });

  it('sends what waits before it closes', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const taken = await fill(client, 1000, fixture.maxBufferedBytes);
    const sends: Promise<void>[] = [];
    for (let index = 0; index < 50; index++) sends.push(client.send(numberedFrame(taken + index, 1000)));
    const closing = client.close();
    const receiving = receiveAll(server);
    await within(Promise.all([closing, ...sends]), 'close with waiting sends');
    assertAllNumbered(await within(receiving, 'the loop to end'), taken + 50);
    assert.equal(client.closeReason, undefined);
  });

  it('gives up on a peer that does not read when it has lingered', async () => {
    await using pair = await fixture.pair({ connect: { lingerMs: 20 } });
    const { client } = pair;
    await fill(client, 1000, fixture.maxBufferedBytes);
    const waiting = rejects(
      client.send(new Uint8Array(1000)),
      ['CONNECTION_CLOSED', 'CONNECTION_LOST'],
      'the waiting send',
    );
    await within(client.close(), 'close with a peer that does not read');
    await waiting;
    assert.equal(client.state, 'closed');
  });

  it('both sides may close at once', async () => {
    await using pair = await fixture.pair();
    await within(Promise.all([pair.client.close(), pair.server.close()]), 'both sides to close');
    assert.deepEqual([pair.client.closeReason, pair.server.closeReason], [undefined, undefined]);
  });

  it('closes orderly while the peer floods it', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    for (let sequence = 0; sequence < 300; sequence++) await offerAll(client, numberedFrame(sequence, 100));
    await fill(server, 1000, fixture.maxBufferedBytes);
    const receiving = receiveAll(server);
    await within(client.close(), 'close under a flood');
    assertAllNumbered(await within(receiving, 'the loop to end'), 300);
    assert.equal(await closed(server), undefined);
  });

  it('rejects everybody who waits with the reason of destroy', async () => {
    await using pair = await fixture.pair();
    const { client } = pair;
    await fill(client, 1000, fixture.maxBufferedBytes);
    const reason = new TendonError('CANCELLED', 'the test has had enough', {});
    const sending = client.send(new Uint8Array(1000));
    const receiving = receiveAll(client);
    await turns(2);
    const states = record(client);
    client.destroy(reason);
    assert.equal(await rejects(sending, 'CANCELLED', 'a send on a destroyed connection'), reason);
    assert.equal(await rejects(receiving, 'CANCELLED', 'a loop on a destroyed connection'), reason);
    assert.equal(client.closeReason, reason);
    assert.deepEqual(states, [{ state: 'closed', code: 'CANCELLED' }]);
    assert.equal(client.offer(new Uint8Array(1)), CLOSED);
    await rejects(client.send(new Uint8Array(1)), 'CANCELLED', 'a send after destroy');
  });

  it('reports a peer that vanished as CONNECTION_LOST, after what it had committed', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    for (let sequence = 0; sequence < 50; sequence++) await offerAll(client, numberedFrame(sequence, 200));
    await turns(2);
    client.destroy();
    const frames: Uint8Array[] = [];
    const receiving = (async () => {
      for await (const batch of server.receive()) frames.push(...batch);
    })();
    await rejects(receiving, 'CONNECTION_LOST', 'a loop whose peer vanished');
    assertAllNumbered(frames, 50);
    assert.equal((await closed(server))?.code, 'CONNECTION_LOST');
    await rejects(server.send(new Uint8Array(1)), 'CONNECTION_LOST', 'a send to a peer that vanished');
  });

  it('delivers what a vanished peer had committed also while this side was sending to it', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    for (let sequence = 0; sequence < 50; sequence++) await offerAll(client, numberedFrame(sequence, 1000));
    await turns(2);
    await fill(server, 1000, fixture.maxBufferedBytes);
    const sending = rejects(
      server.send(new Uint8Array(1000)),
      'CONNECTION_LOST',
      'a send to a peer that vanished',
    );
    client.destroy();
    const frames: Uint8Array[] = [];
    const receiving = (async () => {
      for await (const batch of server.receive()) frames.push(...batch);
    })();
    await rejects(receiving, 'CONNECTION_LOST', 'a loop whose peer vanished');
    await sending;
    assertAllNumbered(frames, 50);
  });

  it('tells its state to those who listen when the peer vanishes', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const states = record(server);
    server.consume(() => {});
    client.destroy();
    await closed(server);
    assert.deepEqual(states, [
      { state: 'draining', code: 'CONNECTION_LOST' },
      { state: 'closed', code: 'CONNECTION_LOST' },
    ]);
  });

  it('may be destroyed by its own handler, which then gets nothing more', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    client.cork();
    for (let sequence = 0; sequence < 10; sequence++) client.offer(numberedFrame(sequence, 20));
    client.uncork();
    let seen = 0;
    server.consume((bytes, offset, length) => {
      assertNumbered(bytes, offset, length, seen);
      if (++seen === 3) {
        server.destroy();
        assertNumbered(bytes, offset, length, 2);
      }
    });
    await closed(server);
    await turns(5);
    assert.equal(seen, 3);
    assert.equal(server.stats.framesReceived, 3);
  });

  it('may be closed by its own handler', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    let closing: Promise<void> | undefined;
    server.consume(() => {
      closing ??= server.close();
    });
    await client.send(new Uint8Array(10));
    client.consume(() => {});
    await until(() => closing !== undefined, 'the handler');
    await within(closing!, 'close from within a handler');
    assert.equal(await closed(client), undefined);
  });

  it('goes on with others when one is destroyed', async () => {
    await using pair = await fixture.pair();
    const contexts = fixture.contexts();
    const other = await fixture.pair({
      listen: { context: contexts.server },
      connect: { context: contexts.client },
    });
    other.client.destroy();
    await other[Symbol.asyncDispose]();
    const collector = new Collector(pair.server);
    await pair.client.send(numberedFrame(0, 10));
    await collector.wait(1);
  });
}
