import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TendonError } from 'tendon/core';
import { closeFd, createMemfd } from 'tendon/os';
import { shmTransport } from 'tendon/transport/shm';
import { frame, Place, until } from './kit.ts';
import { hello, openRawChannel, RawPeer, rawMessage, TYPES, words } from './raw-peer.ts';

const { listen, connect } = shmTransport;

/** What greedy, hostile and unlucky peers cost: each was once a way to hurt the process. */
describe('a channel under pressure', () => {
  it('[CHANNEL-16] disconnects a peer that refuses memory again and again, and makes none for it', async () => {
    using place = new Place();
    const listener = await listen('shm:refuser', { context: place.context });
    const refused: TendonError[] = [];
    listener.events.on('refused', (reason) => refused.push(reason));
    const peer = RawPeer.connect(place.path('refuser'));
    peer.send(hello());
    await peer.expect(TYPES.welcome, 'WELCOME');
    await peer.expect(TYPES.memory, 'MEMORY');
    const refusal = rawMessage(TYPES.memoryRefused, words(1));
    peer.send(Buffer.concat([refusal, refusal]));
    await peer.untilEnd();
    await until(() => refused.length === 1, 'the listener tells of it');
    assert.ok(TendonError.is(refused[0], 'PROTOCOL_ERROR'));
    peer.close();
    await listener.close();
  });

  it('[CHANNEL-26] answers no PING of a peer that does not read the answers', async () => {
    using place = new Place();
    const listener = await listen('shm:pinger', { context: place.context });
    const accepting = listener.accept();
    const channel = await openRawChannel(place.path('pinger'));
    const accepted = await accepting;
    const pings = Buffer.concat(
      Array.from({ length: 1000 }, (_, token) => rawMessage(TYPES.ping, words(token))),
    );
    const before = process.memoryUsage().rss;
    let sent = 0;
    for (let rest = pings; sent < 12_000_000; ) {
      const count = channel.peer.send(rest);
      if (count > 0) {
        sent += count;
        rest = count === rest.length ? pings : rest.subarray(count);
      } else await new Promise((resolve) => setImmediate(resolve));
    }
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 150e6, `a million pings cost ${grown} bytes`);
    assert.equal(accepted.state, 'open');
    channel.close();
    await accepted.closed;
    await listener.close();
  });

  it('[CHANNEL-25] tells of a death also while it does not read, and after what had arrived', async () => {
    using place = new Place();
    const listener = await listen('shm:paused', { context: place.context });
    const peer = RawPeer.connect(place.path('paused'));
    peer.send(hello({ features: 0 }));
    await peer.expect(TYPES.welcome, 'WELCOME');
    const accepted = await listener.accept();
    let sent = 0;
    const message = rawMessage(TYPES.frame, frame(8192, 1));
    for (let idle = 0, rest: Uint8Array = message; idle < 50; ) {
      const count = peer.send(rest);
      if (count < 0) {
        idle++;
        await sleep(1);
        continue;
      }
      idle = 0;
      rest = rest.subarray(count);
      if (rest.length === 0) {
        rest = message;
        sent++;
      }
    }
    assert.ok(sent * 8192 > 1 << 20, 'reading rests: the socket took no more');
    peer.close();
    await until(() => accepted.state === 'draining', 'the death is seen though nobody reads');
    assert.equal(accepted.offer(frame(8, 1)), -2);
    let received = 0;
    await assert.rejects(
      async () => {
        for await (const batch of accepted.receive()) received += batch.length;
      },
      (error) => TendonError.is(error, 'CONNECTION_LOST'),
    );
    assert.equal(received, sent);
    await listener.close();
  });

  it('[CHANNEL-9] keeps broadcasts within the frame limit of every subscriber', async () => {
    using place = new Place();
    const listener = await listen('shm:limits', { context: place.context });
    const accepting = listener.accept();
    const client = await connect('shm:limits', { context: place.context, maxFrameBytes: 1024 });
    const accepted = await accepting;
    using broadcast = listener.broadcast();
    broadcast.add(accepted);
    assert.equal(broadcast.maxClaimBytes, 1024);
    const large = (error: unknown): boolean => TendonError.is(error, 'FRAME_TOO_LARGE');
    assert.throws(() => broadcast.offer(frame(1025, 1)), large);
    assert.throws(() => broadcast.tryClaim(1025), large);
    assert.equal(broadcast.offer(frame(1024, 1)), 0);
    let received = 0;
    client.consume((_bytes, _offset, length) => {
      received = length;
    });
    await until(() => received === 1024, 'the frame within the limit arrives');
    broadcast.remove(accepted);
    assert.ok(broadcast.maxClaimBytes > 1024);
    await client.close();
    await listener.close();
  });

  it('[CHANNEL-16] takes no BROADCAST from a client', async () => {
    using place = new Place();
    const listener = await listen('shm:reversed', { context: place.context });
    const accepting = listener.accept();
    const channel = await openRawChannel(place.path('reversed'));
    const accepted = await accepting;
    const fd = createMemfd('tendon-evil', 8192);
    channel.peer.send(rawMessage(0x50, words(1, 8192, 4096, 4096, 1 << 20)), [fd, fd]);
    closeFd(fd);
    assert.ok(TendonError.is(await accepted.closed, 'PROTOCOL_ERROR'));
    channel.close();
    await listener.close();
  });

  it('is ready when both ways go by ring: a client may poll without the event loop', async () => {
    using place = new Place();
    const listener = await listen('shm:ready', { context: place.context });
    for (let round = 0; round < 50; round++) {
      const accepting = listener.accept();
      const client = await connect('shm:ready', { context: place.context });
      const server = await accepting;
      server.offer(frame(16, round));
      let received = 0;
      const count = (): void => void received++;
      client.poll(count); // with no turn of the event loop since `connect`
      client.offer(frame(16, round));
      server.poll(count);
      assert.equal(received, 2, `round ${round}`);
      client.destroy();
      server.destroy();
    }
    await listener.close();
  });
});
