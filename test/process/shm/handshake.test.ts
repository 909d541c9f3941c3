import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TendonError } from 'tendon/core';
import { createMemfd } from 'tendon/os';
import { shmTransport } from 'tendon/transport/shm';
import { leavingNothing, Place, until } from './kit.ts';
import { hello, openRawChannel, RawListener, RawPeer, rawMessage, TYPES, words } from './raw-peer.ts';

const { listen, connect } = shmTransport;

describe('the handshake of a channel', () => {
  it('[CHANNEL-1] takes names of 1 to 63 of the allowed characters, and makes NAME.sock of them', () =>
    leavingNothing(async () => {
      using place = new Place();
      for (const name of ['a', 'A-1_b.c', '_', '9', 'x'.repeat(63)]) {
        const listener = await listen(`shm:${name}`, { context: place.context });
        assert.deepEqual(place.leftovers(), [`${name}.sock`]);
        await listener.close();
      }
      for (const name of ['', '.', '..', '.a', '-a', 'a/b', 'a b', 'ä', '../a', 'a\0', 'x'.repeat(64)]) {
        const wrong = (error: unknown): boolean => TendonError.is(error) && error.code === 'ENDPOINT_INVALID';
        await assert.rejects(listen(`shm:${name}`, { context: place.context }), wrong, name);
        await assert.rejects(connect(`shm:${name}`, { context: place.context }), wrong, name);
      }
      assert.deepEqual(place.leftovers(), []);
    }));

  it('[CHANNEL-10] tells a peer that is too slow that it was too slow', () =>
    leavingNothing(async () => {
      using place = new Place();
      await using listener = await listen('shm:slow', { context: place.context, handshakeTimeoutMs: 30 });
      const refused: TendonError[] = [];
      listener.events.on('refused', (reason) => refused.push(reason));
      const mute = RawPeer.connect(place.path('slow'));
      assert.equal((await mute.expect(TYPES.refuse, 'REFUSE')).body.readUInt32LE(0), 3);
      await mute.untilEnd();
      mute.close();
      const halfway = RawPeer.connect(place.path('slow'));
      halfway.send(hello());
      await halfway.expect(TYPES.welcome, 'WELCOME');
      await halfway.expect(TYPES.memory, 'MEMORY');
      assert.equal((await halfway.expect(TYPES.refuse, 'REFUSE')).body.readUInt32LE(0), 3);
      await halfway.untilEnd();
      halfway.close();
      assert.deepEqual(
        refused.map((reason) => [reason.code, reason.details]),
        [1, 2].map(() => ['CONNECT_TIMEOUT', { endpoint: 'shm:slow', timeoutMs: 30 }]),
      );
    }));

  it('[CHANNEL-10] turns the oldest handshake away when too many are under way, and says that it is busy', () =>
    leavingNothing(async () => {
      using place = new Place();
      await using listener = await listen('shm:busy', { context: place.context, maxHandshakes: 2 });
      const refused: TendonError[] = [];
      listener.events.on('refused', (reason) => refused.push(reason));
      const peers = [1, 2, 3].map(() => RawPeer.connect(place.path('busy')));
      assert.equal((await peers[0]!.expect(TYPES.refuse, 'REFUSE')).body.readUInt32LE(0), 3);
      await until(() => refused.length === 1, 'one was turned away');
      assert.ok(TendonError.is(refused[0], 'QUEUE_FULL'));
      assert.deepEqual(refused[0].details, { queue: 'handshakes', limit: 2 });
      for (const peer of peers) peer.close();
      await until(() => refused.length === 3, 'the others hung up');
    }));

  it('[CHANNEL-10] a client that the listener gave up on learns why, also after WELCOME', () =>
    leavingNothing(async () => {
      using place = new Place();
      const listener = new RawListener(place.path('late'));
      const connecting = connect('shm:late', { context: place.context });
      const failed = assert.rejects(connecting, (error: unknown) => {
        assert.ok(TendonError.is(error, 'CONNECTION_REFUSED'), String(error));
        assert.match(error.message, /no complete handshake/);
        return true;
      });
      const peer = await listener.accept();
      await peer.expect(TYPES.hello, 'HELLO');
      peer.send(
        Buffer.concat([
          rawMessage(TYPES.welcome, words(1, 1, 1 << 20)),
          rawMessage(TYPES.refuse, Buffer.concat([words(3), Buffer.from('no complete handshake')])),
        ]),
      );
      await failed;
      peer.close();
      listener.close();
    }));

  it('[CHANNEL-5] refuses whom its policy refuses, also when the policy itself fails, and serves the next', () =>
    leavingNothing(async () => {
      using place = new Place();
      let policy = (): boolean => {
        throw new Error('no such table');
      };
      await using listener = await listen('shm:policy', {
        context: place.context,
        authorize: () => policy(),
        handshakeTimeoutMs: 50,
      });
      const refused: TendonError[] = [];
      listener.events.on('refused', (reason) => refused.push(reason));
      const denied = (error: unknown): boolean => TendonError.is(error, 'PERMISSION_DENIED');
      await assert.rejects(connect('shm:policy', { context: place.context }), denied);
      assert.match(String(refused[0]?.cause), /no such table/);
      policy = () => false;
      await assert.rejects(connect('shm:policy', { context: place.context }), denied);
      await new Promise((resolve) => setTimeout(resolve, 100)); // beyond the time of the handshakes that failed
      policy = () => true;
      const client = await connect('shm:policy', { context: place.context });
      const accepted = await listener.accept();
      assert.equal(refused.length, 2);
      await client.close();
      await accepted.close();
    }));

  it('[CHANNEL-27] a client whose listener dies in the handshake removes the socket that it left', () =>
    leavingNothing(async () => {
      using place = new Place();
      const listener = new RawListener(place.path('dying'));
      const connecting = connect('shm:dying', { context: place.context });
      const failed = assert.rejects(connecting, (error: unknown) => TendonError.is(error, 'CONNECTION_LOST'));
      const peer = await listener.accept();
      await peer.expect(TYPES.hello, 'HELLO');
      listener.close(); // the socket file stays, as after kill -9
      peer.close();
      await failed;
      await until(() => place.leftovers().length === 0, 'the stale socket is removed');
    }));

  it('[CHANNEL-25] a client whose listener sent frames and died before it offered memory gets them, and the loss', () =>
    leavingNothing(async () => {
      using place = new Place();
      const listener = new RawListener(place.path('brief'));
      const connecting = connect('shm:brief', { context: place.context });
      const peer = await listener.accept();
      await peer.expect(TYPES.hello, 'HELLO');
      peer.send(
        Buffer.concat([
          rawMessage(TYPES.welcome, words(1, 1, 1 << 20)),
          rawMessage(TYPES.frame, Buffer.of(7)),
        ]),
      );
      peer.close();
      listener.close();
      const connection = await connecting;
      const received: number[] = [];
      connection.consume((bytes, offset) => received.push(bytes[offset] as number));
      await until(() => connection.state === 'closed', 'the loss is reported');
      assert.ok(TendonError.is(connection.closeReason, 'CONNECTION_LOST'));
      assert.deepEqual(received, [7]);
      await until(() => place.leftovers().length === 0, 'the stale socket is removed');
    }));

  it('[CHANNEL-6] a client is told a protocol error for a broadcast of impossible sizes', () =>
    leavingNothing(async () => {
      using place = new Place();
      const listener = new RawListener(place.path('sizes'));
      const connecting = connect('shm:sizes', { context: place.context });
      const peer = await listener.accept();
      await peer.expect(TYPES.hello, 'HELLO');
      peer.send(rawMessage(TYPES.welcome, words(1, 3, 1 << 20)));
      peer.send(rawMessage(TYPES.memoryRefused, words(2)));
      const connection = await connecting;
      const data = createMemfd('broadcast', 8192, { seal: 'size' });
      peer.send(rawMessage(0x50, words(1, 8192, 512, 255, 64)), [data, data]);
      await until(() => connection.state === 'closed', 'the client disconnects');
      assert.ok(TendonError.is(connection.closeReason, 'PROTOCOL_ERROR'), String(connection.closeReason));
      (await import('tendon/os')).closeFd(data);
      peer.close();
      listener.close();
    }));

  it('[CHANNEL-4] leaves a file alone that is no socket', () =>
    leavingNothing(async () => {
      using place = new Place();
      writeFileSync(place.path('file'), 'mine');
      await assert.rejects(listen('shm:file', { context: place.context }), (error: unknown) => {
        assert.ok(TendonError.is(error, 'ENDPOINT_IN_USE'));
        assert.match(error.message, /no socket; remove it/);
        return true;
      });
      assert.deepEqual(place.leftovers(), ['file.sock']);
    }));
});

describe('the two ways of a channel', () => {
  /** A client without memory yet, and the listener by hand that will give it some. */
  async function withoutMemory() {
    const place = new Place();
    const listener = new RawListener(place.path('later'));
    const connecting = connect('shm:later', { context: place.context });
    const peer = await listener.accept();
    await peer.expect(TYPES.hello, 'HELLO');
    peer.send(rawMessage(TYPES.welcome, words(1, 1, 1 << 20)));
    const refusal = rawMessage(TYPES.memoryRefused, Buffer.concat([words(1), Buffer.from('no room')]));
    peer.send(refusal);
    const connection = await connecting;
    const close = (): void => {
      connection.destroy();
      peer.close();
      listener.close();
      place[Symbol.dispose]();
    };
    return { peer, connection, refusal, close };
  }

  it('[CHANNEL-15] memory that still cannot be had is one fall, however often it is offered', () =>
    leavingNothing(async () => {
      const { peer, connection, refusal, close } = await withoutMemory();
      peer.send(refusal);
      peer.send(Buffer.concat([refusal, rawMessage(TYPES.ping, words(7))]));
      await peer.expect(TYPES.pong, 'PONG');
      assert.equal(connection.stats.fallbackCount, 1);
      assert.match(connection.stats.fallbackReason ?? '', /no room/);
      assert.equal(connection.stats.active, 'unix');
      close();
    }));

  it('[CHANNEL-17] a frame claimed for the socket goes by socket, before the switch to memory that came meanwhile', () =>
    leavingNothing(async () => {
      using place = new Place();
      await using listener = await listen('shm:claim', { context: place.context, ringBytes: 1 << 20 });
      const accepting = listener.accept();
      const raw = await openRawChannel(place.path('claim'));
      const connection = await accepting;
      raw.peer.send(rawMessage(TYPES.askSocket));
      await until(() => connection.stats.active === 'unix', 'frames go by socket');
      for (const end of ['commit', 'abort'] as const) {
        const at = connection.tryClaim(5);
        connection.claimBuffer.set([1, 2, 3, 4, 5], at);
        raw.peer.send(Buffer.concat([rawMessage(TYPES.askMemory), rawMessage(TYPES.ping, words(9))]));
        await raw.peer.expect(TYPES.pong, 'PONG, and no SWITCH_TO_MEMORY before it');
        connection[end]();
        if (end === 'commit') {
          const { body } = await raw.peer.expect(TYPES.frame, 'the claimed frame');
          assert.deepEqual([...body], [1, 2, 3, 4, 5]);
        }
        await raw.peer.expect(TYPES.switchToMemory, 'SWITCH_TO_MEMORY');
        connection.offer(Buffer.of(6));
        let record = raw.down.read();
        while (record?.kind === 5) record = raw.down.read(); // markers of the way out
        assert.deepEqual(record, { kind: 1, body: Buffer.of(6) });
        raw.peer.send(rawMessage(TYPES.askSocket));
        await until(() => connection.stats.active === 'unix', 'frames go by socket again');
      }
      raw.close();
      connection.destroy();
    }));

  it('[CHANNEL-17] what is claimed before memory is there survives its arrival', () =>
    leavingNothing(async () => {
      using place = new Place();
      const listener = new RawListener(place.path('grow'));
      const connecting = connect('shm:grow', { context: place.context });
      const peer = await listener.accept();
      await peer.expect(TYPES.hello, 'HELLO');
      peer.send(rawMessage(TYPES.welcome, words(1, 1, 1 << 20)));
      peer.send(rawMessage(TYPES.memoryRefused, words(1)));
      const connection = await connecting;
      const before = connection.maxClaimBytes;
      const at = connection.tryClaim(3);
      connection.claimBuffer.set([7, 8, 9], at);
      const ring = 1 << 20;
      const plan = [2 * (640 + ring), 0, ring, 640 + ring, ring] as const;
      const fd = createMemfd('later', plan[0], { seal: 'size' });
      const { Mapping, closeFd } = await import('tendon/os');
      const mapping = Mapping.map(fd, { bytes: plan[0], writable: true });
      for (const offset of [0, 640 + ring])
        new Int32Array(mapping.buffer, offset, 4).set([0x474e5254, 1, 1, ring]);
      peer.send(rawMessage(TYPES.memory, words(...plan)), [fd]);
      await peer.expect(TYPES.memoryReady, 'MEMORY_READY');
      assert.ok(connection.maxClaimBytes > before, 'larger claims are possible now');
      connection.commit();
      assert.deepEqual([...(await peer.expect(TYPES.frame, 'the claimed frame')).body], [7, 8, 9]);
      await peer.expect(TYPES.switchToMemory, 'SWITCH_TO_MEMORY');
      connection.destroy();
      closeFd(fd);
      mapping.close();
      peer.close();
      listener.close();
    }));

  it('[CHANNEL-23] a writer goes on though its doorbell lies behind frames by socket that nobody reads', () =>
    leavingNothing(async () => {
      using place = new Place();
      await using listener = await listen('shm:behind', { context: place.context, ringBytes: 4096 });
      const accepting = listener.accept();
      const raw = await openRawChannel(place.path('behind'));
      const connection = await accepting;
      let settled = 0;
      for (let n = 0; n < 12; n++) void connection.send(Buffer.alloc(900)).then(() => settled++);
      await until(() => raw.down.get(512) > 0, 'the writer parked');
      // The peer sends by socket what the program here does not poll for: the line is not read any more.
      const frame = rawMessage(TYPES.frame, Buffer.alloc(64 * 1024));
      raw.up.write(5, Buffer.alloc(0));
      let rest = Buffer.concat(Array.from({ length: 40 }, () => frame));
      for (let idle = 0; idle < 50 && rest.length > 0; ) {
        const sent = raw.peer.send(rest);
        rest = rest.subarray(Math.max(sent, 0));
        idle = sent > 0 ? 0 : idle + 1;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.ok(rest.length > 0, 'the socket is full');
      const giveUp = performance.now() + 20_000;
      while (settled < 12 && performance.now() < giveUp) {
        while (raw.down.read() !== undefined); // without a doorbell: it could not be sent
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(settled, 12);
      raw.close();
      connection.destroy();
    }));

  it('[CHANNEL-18] ASK_MEMORY is ignored where there is no memory [shm-transport 46]', () =>
    leavingNothing(async () => {
      const { peer, connection, close } = await withoutMemory();
      peer.send(Buffer.concat([rawMessage(TYPES.askMemory), rawMessage(TYPES.ping, words(7))]));
      await peer.expect(TYPES.pong, 'PONG');
      assert.equal(connection.stats.active, 'unix');
      assert.throws(
        () => connection.useMemory(),
        (error: unknown) => TendonError.is(error, 'CAPABILITY_MISSING') && /no room/.test(error.message),
      );
      connection.useSocket(); // it is there already
      assert.equal(connection.stats.fallbackCount, 1);
      close();
    }));
});
