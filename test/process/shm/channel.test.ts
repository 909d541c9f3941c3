import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TendonError } from 'tendon/core';
import {
  addSeals,
  createMemfd,
  getSeals,
  Mapping,
  pageSize,
  SEAL_GROW,
  SEAL_SEAL,
  SEAL_SHRINK,
} from 'tendon/os';
import type { Connection } from 'tendon/transport';
import { type ShmConnection, shmTransport } from 'tendon/transport/shm';
import { channelMappings, frame, openDescriptors, Place, until } from './kit.ts';
import {
  CONSUMER_PARKED,
  DATA,
  HEAD,
  hello,
  KINDS,
  openRawChannel,
  PRODUCER_PARKED,
  type RawChannel,
  RawListener,
  RawPeer,
  rawMessage,
  TAIL,
  TYPES,
  words,
} from './raw-peer.ts';

const { listen, connect } = shmTransport;
const ignore = (): void => {};

function is(code: TendonError['code'], pattern = /./) {
  return (error: unknown) => {
    assert.ok(TendonError.is(error, code), `expected ${code}, got ${String(error)}`);
    assert.match(error.message, pattern);
    return true;
  };
}

async function closed(connection: Connection): Promise<TendonError | undefined> {
  await until(() => connection.state === 'closed', `${connection.endpoint} is closed`);
  return connection.closeReason;
}

/** A listener, an accepted connection, and a peer by hand at the other end. */
async function withRawClient(
  action: (channel: RawChannel, accepted: Connection, place: Place) => Promise<void>,
  overrides: Parameters<typeof hello>[0] = {},
): Promise<void> {
  using place = new Place();
  const listener = await listen('shm:raw', { context: place.context, ringBytes: 4096 });
  const accepting = listener.accept();
  const channel = await openRawChannel(place.path('raw'), overrides);
  const accepted = await accepting;
  try {
    await action(channel, accepted, place);
    // Whatever this peer did, the listener serves the next one.
    const other = await connect('shm:raw', { context: place.context });
    const served = await listener.accept();
    await other.send(frame(10, 1));
    let got = 0;
    served.consume((_bytes, _offset, length) => {
      got = length;
    });
    await until(() => got === 10, 'the next client is served');
    await other.close();
    await served.close();
  } finally {
    channel.close();
    accepted.destroy();
    await listener.close();
  }
}

describe('the channel against a peer written from its specification', () => {
  it('[CHANNEL-7] [CHANNEL-12] [CHANNEL-20] [CHANNEL-24] shakes hands, carries frames of any size both ways and says goodbye [shm-transport 6]', () =>
    withRawClient(async (channel, accepted) => {
      const received: number[][] = [];
      accepted.consume((bytes, offset, length) => received.push([...bytes.slice(offset, offset + length)]));
      channel.up.write(KINDS.frame, frame(0, 1));
      channel.up.write(KINDS.frame, frame(100, 2));
      const large = frame(1500, 3);
      channel.up.write(KINDS.first, Buffer.concat([words(1500, 0), large.subarray(0, 700)]));
      channel.up.write(KINDS.middle, large.subarray(700, 1400));
      channel.up.write(KINDS.last, large.subarray(1400));
      channel.peer.send(Buffer.of(1));
      await until(() => received.length === 3, 'three frames arrived');
      assert.deepEqual(received, [[], [...frame(100, 2)], [...large]]);

      assert.equal(accepted.offer(frame(64, 4)), 0);
      assert.deepEqual(channel.down.read(), { kind: KINDS.frame, body: Buffer.from(frame(64, 4)) });
      await accepted.send(frame(2000, 5));
      const first = channel.down.read();
      const last = channel.down.read();
      assert.deepEqual(
        [first?.kind, last?.kind, first?.body.readUInt32LE(0)],
        [KINDS.first, KINDS.last, 2000],
      );
      assert.deepEqual(Buffer.concat([first!.body.subarray(8), last!.body]), Buffer.from(frame(2000, 5)));

      channel.up.write(KINDS.frame, frame(7, 6));
      channel.peer.send(rawMessage(TYPES.goodbye));
      assert.equal(await closed(accepted), undefined);
      assert.equal(received.length, 4, 'what was committed before the goodbye is delivered');
    }));

  it('[CHANNEL-22] rings once for a side that parked, and never for one that did not', () =>
    withRawClient(async (channel, accepted) => {
      accepted.offer(frame(8, 1));
      channel.down.set(CONSUMER_PARKED, 1);
      accepted.offer(frame(8, 2));
      accepted.offer(frame(8, 3));
      await channel.peer.untilDoorbell();
      assert.equal(channel.peer.doorbells, 1);
      assert.equal(channel.down.get(CONSUMER_PARKED), 0);
      // The other way: an idle consumer parks, and our doorbell wakes it.
      let received = 0;
      accepted.consume(() => received++);
      await until(() => channel.up.get(CONSUMER_PARKED) === 1, 'the idle consumer parked');
      channel.up.write(KINDS.frame, frame(8, 4));
      channel.up.set(CONSUMER_PARKED, 0);
      channel.peer.send(Buffer.of(1));
      await until(() => received === 1, 'the doorbell woke it');
    }));

  it('[CHANNEL-23] waits for room in a full ring and is woken when it is there', () =>
    withRawClient(async (channel, accepted) => {
      let sent = 0;
      const all = Promise.all(
        Array.from({ length: 20 }, (_, index) => accepted.send(frame(500, index)).then(() => sent++)),
      );
      await until(() => channel.down.get(PRODUCER_PARKED) > 0, 'the writer parked');
      assert.ok(sent < 20);
      for (let index = 0; index < 20; ) {
        const record = channel.down.read();
        if (record !== undefined) {
          assert.deepEqual(record.body, Buffer.from(frame(500, index)));
          index++;
          continue;
        }
        if (channel.down.get(PRODUCER_PARKED) > 0) {
          channel.down.set(PRODUCER_PARKED, 0);
          channel.peer.send(Buffer.of(1));
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      await all;
    }));

  it('[CHANNEL-17] [CHANNEL-18] changes the way in order, on request, both ways', () =>
    withRawClient(async (channel, accepted) => {
      const received: number[] = [];
      accepted.consume((bytes, offset) => received.push(bytes[offset] as number));
      channel.up.write(KINDS.frame, Buffer.of(1));
      channel.peer.send(rawMessage(TYPES.frame, Buffer.of(3))); // comes early: its turn is after the marker
      channel.up.write(KINDS.frame, Buffer.of(2));
      channel.up.write(KINDS.marker, Buffer.alloc(0));
      channel.peer.send(rawMessage(TYPES.frame, Buffer.of(4)));
      channel.peer.send(rawMessage(TYPES.switchToMemory));
      channel.up.write(KINDS.frame, Buffer.of(5));
      await until(() => received.length === 5, 'five frames arrived');
      assert.deepEqual(received, [1, 2, 3, 4, 5]);

      accepted.offer(Buffer.of(10));
      channel.peer.send(rawMessage(TYPES.askSocket));
      await until(() => accepted.stats.active === 'unix', 'the listener sends by socket');
      accepted.offer(Buffer.of(11));
      assert.deepEqual([channel.down.read()?.body[0], channel.down.read()?.kind], [10, KINDS.marker]);
      assert.equal((await channel.peer.expect(TYPES.frame, 'the frame by socket')).body[0], 11);
      channel.peer.send(rawMessage(TYPES.askMemory));
      await channel.peer.expect(TYPES.switchToMemory, 'the way back');
      accepted.offer(Buffer.of(12));
      assert.equal(channel.down.read()?.body[0], 12);
      assert.equal(accepted.stats.fallbackCount, 1);
    }));

  it('[CHANNEL-26] becomes degraded when a peer with work does not even answer, and recovers', () =>
    withRawClient(async (channel, accepted) => {
      channel.down.set(CONSUMER_PARKED, 1);
      accepted.offer(frame(8, 1));
      const ping = await channel.peer.expect(TYPES.ping, 'PING');
      await until(() => accepted.state === 'degraded', 'the connection is degraded');
      channel.peer.send(rawMessage(TYPES.pong, ping.body));
      await until(() => accepted.state === 'open', 'the connection is open again');
    }));

  it('[CHANNEL-25] tells how many committed bytes a dead peer may not have seen, after delivering what it had sent', () =>
    withRawClient(async (channel, accepted) => {
      accepted.offer(frame(8, 1));
      accepted.offer(frame(8, 2));
      channel.up.write(KINDS.frame, frame(5, 3));
      channel.peer.close();
      const received: number[] = [];
      await until(() => accepted.state === 'draining', 'the end is seen');
      accepted.poll((_bytes, _offset, length) => received.push(length));
      const reason = await closed(accepted);
      assert.deepEqual(received, [5]);
      assert.ok(TendonError.is(reason, 'CONNECTION_LOST'));
      assert.equal(reason.details.unknownBytes, 32);
    }));

  it('[CHANNEL-8] serves a peer without memory over the socket', async () => {
    using place = new Place();
    const listener = await listen('shm:plain', { context: place.context });
    const peer = RawPeer.connect(place.path('plain'));
    peer.send(hello({ features: 0 }));
    assert.equal((await peer.expect(TYPES.welcome, 'WELCOME')).body.readUInt32LE(4), 0);
    const accepted = await listener.accept();
    assert.equal(accepted.stats.active, 'unix');
    assert.equal(accepted.stats.fallbackCount, 1);
    peer.send(rawMessage(TYPES.frame, frame(9, 1)));
    let received = 0;
    accepted.consume((_bytes, _offset, length) => {
      received = length;
    });
    await until(() => received === 9, 'the frame arrived');
    accepted.offer(frame(4, 2));
    assert.deepEqual((await peer.expect(TYPES.frame, 'the answer')).body, Buffer.from(frame(4, 2)));
    await accepted.close();
    assert.deepEqual(
      (await peer.untilEnd()).map((message) => message.type),
      [TYPES.goodbye],
    );
    peer.close();
    await listener.close();
  });

  it('[CHANNEL-7] refuses versions that do not meet, with a reason', async () => {
    using place = new Place();
    const listener = await listen('shm:old', { context: place.context });
    const refused: TendonError[] = [];
    listener.events.on('refused', (reason) => refused.push(reason));
    const peer = RawPeer.connect(place.path('old'));
    peer.send(hello({ min: 2, max: 9 }));
    const { body } = await peer.expect(TYPES.refuse, 'REFUSE');
    assert.equal(body.readUInt32LE(0), 1);
    await peer.untilEnd();
    assert.ok(TendonError.is(refused[0], 'VERSION_UNSUPPORTED'));
    peer.close();
    const newer = RawPeer.connect(place.path('old'));
    newer.send(hello({ min: 1, max: 9 }));
    assert.equal((await newer.expect(TYPES.welcome, 'WELCOME')).body.readUInt32LE(0), 1, 'the older decides');
    newer.close();
    await listener.close();
  });

  it('[CHANNEL-9] [CHANNEL-11] agrees on the smaller frame limit and grants a larger ring, of whole pages [shm-transport 3]', async () => {
    using place = new Place();
    const listener = await listen('shm:agree', {
      context: place.context,
      ringBytes: 8192,
      maxFrameBytes: 1000,
    });
    const larger = await openRawChannel(place.path('agree'), { ring: 65_536, frame: 2000 });
    assert.equal(larger.up.capacity, 65_536);
    assert.equal(larger.mapping.bytes % pageSize(), 0);
    assert.equal((await listener.accept()).maxFrameBytes, 1000);
    const smaller = await openRawChannel(place.path('agree'), { ring: 4096, frame: 500 });
    assert.equal(smaller.up.capacity, 8192);
    const accepted = await listener.accept();
    assert.equal(accepted.maxFrameBytes, 500);
    smaller.peer.send(rawMessage(TYPES.frame, Buffer.alloc(501)));
    assert.ok(TendonError.is(await closed(accepted), 'PROTOCOL_ERROR'));
    larger.close();
    smaller.close();
    await listener.close();
  });
});

describe('a hostile client', () => {
  /** What it does to the ring that the victim reads, or to the words that the victim looks at. */
  const attacks: Record<string, (channel: RawChannel) => void> = {
    'a tail that is not aligned': ({ up }) => up.set(TAIL, 3),
    'a tail beyond the capacity': ({ up }) => up.set(TAIL, 4096 + 8),
    'a tail that runs backwards': ({ up }) => up.set(TAIL, -8),
    'a tail of 2^31': ({ up }) => up.set(TAIL, -(2 ** 31)),
    'a record longer than the ring': ({ up }) => up.write(KINDS.frame, Buffer.alloc(8), 1 << 20),
    'a record of negative length': ({ up }) => up.write(KINDS.frame, Buffer.alloc(8), -1),
    'a record that reaches beyond the tail': ({ up }) => up.write(KINDS.frame, Buffer.alloc(8), 512),
    'a record of unknown kind': ({ up }) => up.write(99, Buffer.alloc(8)),
    'padding that leads nowhere': ({ up }) => up.write(KINDS.pad, Buffer.alloc(8)),
    'a part without a first': ({ up }) => up.write(KINDS.last, Buffer.alloc(8)),
    'a frame beyond the limit': ({ up }) => up.write(KINDS.first, words(2 ** 31, 0, 1, 1)),
  };
  for (const [name, attack] of Object.entries(attacks)) {
    it(`[CHANNEL-21] is disconnected for ${name} [shm-transport 18]`, () =>
      withRawClient(async (channel, accepted) => {
        accepted.consume(ignore);
        attack(channel);
        channel.peer.send(Buffer.of(1));
        is('REGION_CORRUPT', /./)(await closed(accepted));
      }));
  }

  for (const [name, position] of [
    ['ahead of the tail', 1 << 20],
    ['not aligned', 5],
    ['behind where it was', -64],
  ] as const) {
    it(`[CHANNEL-21] is disconnected for a head ${name}`, () =>
      withRawClient(async (channel, accepted) => {
        channel.down.set(HEAD, position);
        const offered = Array.from({ length: 100 }, () => accepted.offer(frame(200, 1)));
        assert.ok(offered.includes(-2), 'the writer noticed when it looked');
        is('REGION_CORRUPT', /./)(await closed(accepted));
      }));
  }

  it('[CHANNEL-21] scribbles over everything for a while and gets itself disconnected, nothing worse', async () => {
    let disconnected = 0;
    for (let seed = 1; seed <= 20; seed++) {
      await withRawClient(async (channel, accepted) => {
        accepted.consume(ignore);
        let state = seed * 2654435761;
        const random = (): number => {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          return state;
        };
        const everything = new Int32Array(channel.mapping.buffer);
        const controls = [TAIL, HEAD, CONSUMER_PARKED, PRODUCER_PARKED, DATA, DATA + 4];
        for (let round = 0; round < 200 && accepted.state !== 'closed'; round++) {
          for (let n = 0; n < 4; n++) everything[(random() >>> 0) % everything.length] = random();
          const ring = round & 1 ? channel.up : channel.down;
          const word = controls[(random() >>> 0) % controls.length] as number;
          ring.set(word, round % 3 === 0 ? random() : (random() >>> 0) % 8192);
          if (accepted.state === 'open') accepted.offer(frame((random() >>> 0) % 900, round));
          channel.peer.send(Buffer.of(1));
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (accepted.state === 'closed') {
          disconnected++;
          is('REGION_CORRUPT')(accepted.closeReason);
        }
      });
    }
    assert.ok(disconnected > 10, `${disconnected} of 20 were noticed`);
  });

  const garbage: Record<string, Buffer> = {
    zeros: Buffer.alloc(64),
    text: Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    'reserved bytes': Buffer.from([0x33, 1, 0, 0, 0, 0, 0, 0]),
    'an unknown type': rawMessage(0x7f),
    'a control message that is too long': rawMessage(TYPES.ping, Buffer.alloc(1025)),
    'a body of four gigabytes': Buffer.from([TYPES.ping, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    'a PING without its token': rawMessage(TYPES.ping),
    'MEMORY from the client': rawMessage(TYPES.memory, words(8192, 0, 4096, 4736, 4096)),
    'MEMORY_READY twice': rawMessage(TYPES.memoryReady),
    'MEMORY_REFUSED for memory in use': rawMessage(TYPES.memoryRefused, words(1)),
    'a second HELLO': hello(),
  };
  for (const [name, bytes] of Object.entries(garbage)) {
    it(`[CHANNEL-6] [CHANNEL-16] is disconnected for ${name} on the socket`, () =>
      withRawClient(async (channel, accepted) => {
        channel.peer.send(bytes);
        is('PROTOCOL_ERROR', /no Tendon channel/)(await closed(accepted));
      }));
    it(`[CHANNEL-6] is refused for ${name} instead of HELLO`, async () => {
      if (name === 'a second HELLO') return;
      using place = new Place();
      const listener = await listen('shm:garbage', { context: place.context });
      const refused: TendonError[] = [];
      listener.events.on('refused', (reason) => refused.push(reason));
      const peer = RawPeer.connect(place.path('garbage'));
      peer.send(bytes);
      await peer.untilEnd();
      is('PROTOCOL_ERROR')(refused[0]);
      peer.close();
      await listener.close();
    });
  }

  it('[CHANNEL-19] is disconnected for SWITCH_TO_MEMORY without memory', async () => {
    using place = new Place();
    const listener = await listen('shm:switch', { context: place.context });
    const refused: TendonError[] = [];
    listener.events.on('refused', (reason) => refused.push(reason));
    const peer = RawPeer.connect(place.path('switch'));
    peer.send(Buffer.concat([hello({ features: 0 }), rawMessage(TYPES.switchToMemory)]));
    await peer.untilEnd();
    is('PROTOCOL_ERROR', /without memory/)(refused[0]);
    peer.close();
    await listener.close();
  });

  it('[CHANNEL-16] is disconnected for descriptors that nothing claims, and they are closed', () =>
    withRawClient(async (channel, accepted) => {
      const before = openDescriptors().filter((name) => name.includes('stray')).length;
      const stray = createMemfd('stray', 4096);
      for (let n = 0; n < 3; n++) channel.peer.send(rawMessage(TYPES.ping, words(n)), [stray, stray]);
      is('PROTOCOL_ERROR', /descriptors/)(await closed(accepted));
      (await import('tendon/os')).closeFd(stray);
      assert.equal(openDescriptors().filter((name) => name.includes('stray')).length, before);
    }));

  it('[CHANNEL-10] keeps nobody out with ten thousand half-open connections', async () => {
    using place = new Place();
    const listener = await listen('shm:flood', {
      context: place.context,
      backlog: 511,
      handshakeTimeoutMs: 300,
    });
    let refused = 0;
    listener.events.on('refused', () => refused++);
    const open: RawPeer[] = [];
    let served = 0;
    for (let n = 1; n <= 10_000; n++) {
      try {
        open.push(RawPeer.connect(place.path('flood')));
      } catch (error) {
        if (!TendonError.is(error, 'OVERLOADED')) throw error;
        await new Promise((resolve) => setImmediate(resolve));
        n--;
        continue;
      }
      if (open.length > 1500) for (const peer of open.splice(0, 1000)) peer.close();
      if (n % 2000 === 0) {
        const client = await connect('shm:flood', { context: place.context });
        const accepted = await listener.accept();
        await client.close();
        accepted.destroy();
        served++;
      }
    }
    assert.equal(served, 5);
    await until(() => refused >= 9_900, 'the half-open ones were turned away');
    for (const peer of open) peer.close();
    await listener.close();
  });
});

describe('a hostile listener', () => {
  const PLAN = [12_288, 0, 4096, 4736, 4096] as const;

  /** Offers `fd` as the memory of a channel; the client's answer is the result. */
  async function offer(fd: number | undefined, plan: readonly number[], stray?: Buffer): Promise<unknown> {
    using place = new Place();
    const listener = new RawListener(place.path('evil'));
    const connecting = connect('shm:evil', { context: place.context, timeoutMs: 5_000 }).then(
      (connection: ShmConnection) => {
        connection.destroy();
        return connection;
      },
      (error: unknown) => error,
    );
    const peer = await listener.accept();
    await peer.expect(TYPES.hello, 'HELLO');
    peer.send(rawMessage(TYPES.welcome, words(1, 1, 1 << 20)));
    peer.send(rawMessage(TYPES.memory, words(...plan)), fd === undefined ? [] : [fd]);
    if (stray !== undefined) peer.send(stray);
    const result = await connecting;
    peer.close();
    listener.close();
    return result;
  }

  it('[CHANNEL-13] cannot hand over memory that it could take away: no seals', async () => {
    const fd = createMemfd('evil', PLAN[0], { seal: 'none' });
    is('REGION_UNSAFE', /seal/i)(await offer(fd, PLAN));
  });

  it('[CHANNEL-13] cannot hand over memory of another size', async () => {
    const fd = createMemfd('evil', 8192, { seal: 'size' });
    is('REGION_UNSAFE', /8192|bytes/)(await offer(fd, PLAN));
  });

  it('[CHANNEL-13] cannot hand over memory with one seal missing', async () => {
    const fd = createMemfd('evil', PLAN[0], { seal: 'none' });
    addSeals(fd, SEAL_SHRINK | SEAL_GROW);
    is('REGION_UNSAFE')(await offer(fd, PLAN));
  });

  it('[CHANNEL-13] cannot hand over huge pages, whose absence kills', async (test) => {
    let fd: number;
    try {
      fd = createMemfd('evil', 2 << 20, { seal: 'size', hugePages: true });
    } catch (error) {
      test.skip(`this host makes no huge page memfd: ${(error as Error).message}`);
      return;
    }
    is('REGION_UNSAFE', /tmpfs|huge/i)(await offer(fd, [2 << 20, 0, 4096, 4736, 4096]));
  });

  it('[CHANNEL-12] formats the rings: memory without them is refused as corrupt [shm-transport 5]', async () => {
    const fd = createMemfd('evil', PLAN[0], { seal: 'size' });
    is('REGION_CORRUPT', /magic/)(await offer(fd, PLAN));
  });

  const layouts: Record<string, readonly number[]> = {
    'rings that overlap': [12_288, 0, 4096, 64, 4096],
    'a ring beyond the end': [12_288, 0, 4096, 8192, 8192],
    'a ring size that is no power of two': [12_288, 0, 5000, 6080, 4096],
    'a ring that is not aligned': [12_288, 4, 4096, 4800, 4096],
    'sizes that wrap': [12_288, 0, 4096, 0xffff_ffc0, 4096],
    'no size': [0, 0, 0, 0, 0],
  };
  for (const [name, plan] of Object.entries(layouts)) {
    it(`[CHANNEL-14] cannot describe ${name}`, async () => {
      is('PROTOCOL_ERROR', /layout/)(await offer(createMemfd('evil', 12_288, { seal: 'size' }), plan));
    });
  }

  it('[CHANNEL-16] cannot send MEMORY without a descriptor [shm-transport 5]', async () => {
    is('PROTOCOL_ERROR', /descriptor/)(await offer(undefined, PLAN));
  });

  it('has its refusal shown, harmlessly', async () => {
    using place = new Place();
    const listener = new RawListener(place.path('no'));
    const connecting = connect('shm:no', { context: place.context });
    const peer = await listener.accept();
    peer.send(rawMessage(TYPES.refuse, Buffer.concat([words(2), Buffer.from('go \x1b[31maway')])));
    await assert.rejects(connecting, is('PERMISSION_DENIED', /go \?\[31maway/));
    peer.close();
    listener.close();
  });

  it('cannot hold a client for ever by saying nothing', async () => {
    using place = new Place();
    const listener = new RawListener(place.path('mute'));
    await assert.rejects(
      connect('shm:mute', { context: place.context, timeoutMs: 50 }),
      is('CONNECT_TIMEOUT', /50 ms/),
    );
    const abort = new AbortController();
    const connecting = connect('shm:mute', { context: place.context, signal: abort.signal });
    abort.abort('changed my mind');
    await assert.rejects(
      connecting,
      (error: TendonError) => error.code === 'ABORTED' && error.cause === 'changed my mind',
    );
    listener.close();
  });
});

describe('memory of a channel', () => {
  it('[CHANNEL-12] is sealed and close-on-exec, and goes with its last holder [shm-transport 15, 16, 17]', async () => {
    using place = new Place();
    const before = { descriptors: openDescriptors(), mappings: channelMappings() };
    const listener = await listen('shm:leak', { context: place.context, ringBytes: 4096 });
    const peer = RawPeer.connect(place.path('leak'));
    peer.send(hello());
    await peer.expect(TYPES.welcome, 'WELCOME');
    await peer.expect(TYPES.memory, 'MEMORY');
    const seals = SEAL_SHRINK | SEAL_GROW | SEAL_SEAL;
    assert.equal(getSeals(peer.fds[0] as number) & seals, seals);
    assert.throws(() => addSeals(peer.fds[0] as number, SEAL_SHRINK), is('PERMISSION_DENIED'));
    peer.close();
    for (let cycle = 0; cycle < 300; cycle++) {
      const connecting = connect('shm:leak', { context: place.context });
      const accepted = await listener.accept();
      const client = await connecting;
      await client.send(frame(20, cycle));
      if (cycle % 3 === 0) client.destroy();
      else await client.close();
      if (cycle % 2 === 0) await accepted.close();
      accepted.destroy();
    }
    await listener.close();
    await until(() => openDescriptors().length <= before.descriptors.length, 'all descriptors are closed');
    assert.equal(channelMappings(), before.mappings);
    assert.deepEqual(place.leftovers(), []);
  });

  it('[CHANNEL-3] has a door of mode 0600 in a directory of mode 0700 [shm-transport 58]', async () => {
    using place = new Place();
    const listener = await listen('shm:door', { context: place.context });
    assert.equal(statSync(place.path('door')).mode & 0o777, 0o600);
    await listener.close();
    assert.deepEqual(place.leftovers(), []);
  });

  it('maps what it says: the two ends see the same bytes', async () => {
    const fd = createMemfd('same', 4096, { seal: 'size' });
    using a = Mapping.map(fd, { bytes: 4096, writable: true });
    using b = Mapping.map(fd, { bytes: 4096, writable: true });
    new Uint8Array(a.buffer)[100] = 7;
    assert.equal(new Uint8Array(b.buffer)[100], 7);
    (await import('tendon/os')).closeFd(fd);
  });
});
