import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Context, TendonError } from '../../core/index.ts';
import type { Connection, Listener, ListenOptions } from '../index.ts';
import { tcpTransport } from './index.ts';

const CLIENT_HELLO = Buffer.from('544e4443' + '01000100' + '00000001' + '00000000', 'hex');

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await turn();
  }
}

async function listen(
  options: ListenOptions = {},
): Promise<Listener & { refusals: TendonError[]; port: number }> {
  const listener = await tcpTransport.listen('tcp://127.0.0.1:0', options);
  const refusals: TendonError[] = [];
  listener.events.on('refused', (reason) => refusals.push(reason));
  return Object.assign(listener, { refusals, port: Number(listener.endpoint.split(':').at(-1)) });
}

/** A peer that speaks raw bytes. */
async function rawPeer(
  port: number,
): Promise<{ socket: Socket; received: () => Buffer; ended: () => boolean }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let received = Buffer.alloc(0);
  let ended = false;
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on('end', () => {
    ended = true;
  });
  socket.on('close', () => {
    ended = true;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, received: () => received, ended: () => ended };
}

/** The listener still serves an honest client. */
async function stillServes(listener: Listener): Promise<void> {
  const accepting = listener.accept();
  await using client = await tcpTransport.connect(listener.endpoint);
  await using server = await accepting;
  await client.send(Buffer.from('hello'));
  let text = '';
  await until(() => {
    server.poll((bytes, offset, length) => {
      text = Buffer.from(bytes.subarray(offset, offset + length)).toString();
    });
    return text !== '';
  }, 'the frame of an honest client');
  assert.equal(text, 'hello');
}

async function greet(
  listener: Listener & { port: number },
): Promise<{ peer: Awaited<ReturnType<typeof rawPeer>>; server: Connection }> {
  const accepting = listener.accept();
  const peer = await rawPeer(listener.port);
  peer.socket.write(CLIENT_HELLO);
  const server = await accepting;
  await until(() => peer.received().length >= 16, 'the listener to answer the hello');
  return { peer, server };
}

describe('tcp://', () => {
  it('[STREAM-1] answers a hello with its own, and not before', async () => {
    await using listener = await listen();
    const peer = await rawPeer(listener.port);
    peer.socket.write(CLIENT_HELLO.subarray(0, 15));
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.equal(peer.received().length, 0);
    const accepting = listener.accept();
    peer.socket.write(CLIENT_HELLO.subarray(15));
    await using server = await accepting;
    await until(() => peer.received().length === 16, 'the answer');
    assert.equal(peer.received().toString('latin1', 0, 4), 'TNDL');
    assert.equal(server.state, 'open');
    peer.socket.destroy();
  });

  it('[STREAM-6] closes on garbage at once, says so, and serves the others', async () => {
    await using listener = await listen();
    const peer = await rawPeer(listener.port);
    peer.socket.write('GET / HTTP/1.1\r\n\r\n');
    await until(() => peer.ended() && listener.refusals.length === 1, 'the garbage to be refused');
    assert.equal(listener.refusals[0]?.code, 'PROTOCOL_ERROR');
    await stillServes(listener);
  });

  it('[STREAM-2] answers a version that it does not speak with refusal 3', async () => {
    await using listener = await listen();
    const peer = await rawPeer(listener.port);
    const newer = Buffer.from(CLIENT_HELLO);
    newer.writeUInt16LE(7, 4);
    newer.writeUInt16LE(7, 6);
    peer.socket.write(newer);
    await until(() => peer.ended(), 'the version to be refused');
    assert.equal(peer.received().readUInt16LE(14), 3);
    assert.equal(listener.refusals[0]?.code, 'VERSION_UNSUPPORTED');
    await stillServes(listener);
  });

  it('[STREAM-3] refuses a frame beyond the smaller limit, after delivering what came before', async () => {
    await using listener = await listen({ maxFrameBytes: 100 });
    const { peer, server } = await greet(listener);
    assert.equal(server.maxFrameBytes, 100);
    peer.socket.write(Buffer.from('01000000' + 'aa' + '65000000', 'hex'));
    const seen: number[] = [];
    server.consume((bytes, offset) => seen.push(bytes[offset]!));
    await until(() => server.state === 'closed', 'the breach to be noticed');
    assert.equal(server.closeReason?.code, 'PROTOCOL_ERROR');
    assert.deepEqual(seen, [0xaa]);
    await until(() => peer.ended(), 'the peer to be disconnected');
    await stillServes(listener);
  });

  it('[STREAM-7] gives a handshake its time and no more', async () => {
    await using listener = await listen({ handshakeTimeoutMs: 30 });
    const peer = await rawPeer(listener.port);
    await until(() => peer.ended() && listener.refusals.length === 1, 'the silent peer to be turned away');
    assert.equal(listener.refusals[0]?.code, 'CONNECT_TIMEOUT');
    await stillServes(listener);
  });

  it('[STREAM-7] bounds handshakes, and lets an honest client through among silent ones', async () => {
    await using listener = await listen({ maxHandshakes: 4, handshakeTimeoutMs: 60_000 });
    const silent: Awaited<ReturnType<typeof rawPeer>>[] = [];
    for (let index = 0; index < 12; index++) silent.push(await rawPeer(listener.port));
    await until(() => silent.filter((peer) => peer.ended()).length === 8, 'the oldest to give way');
    assert.ok(silent.slice(-4).every((peer) => !peer.ended()));
    await stillServes(listener);
    for (const peer of silent) peer.socket.destroy();
  });

  it('survives half-open connections by the thousand', async () => {
    const count = process.env['TENDON_TORTURE'] === '1' ? 10_000 : 1_500;
    await using listener = await listen({ handshakeTimeoutMs: 5_000 });
    const peers: Socket[] = [];
    let gone = 0;
    for (let made = 0; made < count; made += 100) {
      const batch = Array.from({ length: 100 }, () => {
        const socket = connect({ port: listener.port, host: '127.0.0.1' });
        socket.on('error', () => {});
        socket.on('close', () => gone++);
        socket.resume();
        return socket;
      });
      peers.push(...batch);
      await until(() => batch.every((socket) => !socket.connecting), 'a hundred connections');
    }
    await until(() => gone >= count - 64, 'all but maxHandshakes to be turned away');
    await stillServes(listener);
    for (const peer of peers) peer.destroy();
  });

  it('[STREAM-9] ends orderly on a goodbye, [STREAM-12] and with CONNECTION_LOST without', async () => {
    await using listener = await listen();
    for (const goodbye of [true, false]) {
      const { peer, server } = await greet(listener);
      peer.socket.end(Buffer.from(`01000000aa${goodbye ? 'ffffffff' : '05000000bb'}`, 'hex'));
      const seen: number[] = [];
      server.consume((bytes, offset) => seen.push(bytes[offset]!));
      await until(() => server.state === 'closed', 'the end');
      assert.deepEqual(seen, [0xaa]);
      assert.equal(server.closeReason?.code, goodbye ? undefined : 'CONNECTION_LOST');
      peer.socket.destroy();
    }
  });

  it('[STREAM-9] says goodbye last', async () => {
    await using listener = await listen();
    const { peer, server } = await greet(listener);
    server.offer(Buffer.from([7]));
    const closing = server.close();
    await until(() => peer.ended(), 'the end');
    assert.equal(peer.received().subarray(16).toString('hex'), `0100000007ffffffff`);
    peer.socket.end();
    await closing;
  });

  it('[STREAM-10] ignores heartbeats', async () => {
    await using listener = await listen();
    const { peer, server } = await greet(listener);
    peer.socket.write(Buffer.from('feffffff' + '01000000' + '2a', 'hex'));
    let seen = 0;
    await until(() => {
      server.poll((bytes, offset) => {
        seen = bytes[offset]!;
      });
      return seen !== 0;
    }, 'the frame behind a heartbeat');
    assert.equal(seen, 0x2a);
    server.destroy();
    peer.socket.destroy();
  });

  it('[STREAM-13] goes on reading after its goodbye until the other side ends', async () => {
    await using listener = await listen({ lingerMs: 60_000 });
    const { peer, server } = await greet(listener);
    const frame = Buffer.alloc(300_004, 1);
    frame.writeUInt32LE(300_000, 0);
    peer.socket.write(frame); // never polled: unread when the listener's side closes
    await until(
      () => server.stats.framesReceived === 0 && peer.socket.writableLength === 0,
      'the frame to leave',
    );
    let closed = false;
    const closing = server.close().then(() => {
      closed = true;
    });
    await until(() => peer.ended(), 'the goodbye');
    assert.equal(closed, false);
    assert.equal(peer.received().subarray(16).toString('hex'), 'ffffffff');
    peer.socket.end();
    await closing;
  });

  it('connects over IPv6, and to a name', async (test) => {
    const server = createServer();
    const hasIpv6 = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(0, '::1', () => resolve(true));
    });
    server.close();
    await using byName = await tcpTransport.listen('tcp://localhost:0');
    await stillServes(byName);
    if (!hasIpv6) {
      test.diagnostic('this host has no ::1; IPv6 was not tried');
      return;
    }
    await using listener = await tcpTransport.listen('tcp://[::1]:0');
    assert.match(listener.endpoint, /^tcp:\/\/\[::1\]:\d+$/);
    await stillServes(listener);
  });

  it('names what is wrong with an address', async () => {
    const fails = async (action: Promise<unknown>): Promise<string> => {
      try {
        await action;
      } catch (error) {
        if (TendonError.is(error)) return error.code;
        throw error;
      }
      return 'nothing';
    };
    await using listener = await listen();
    assert.equal(await fails(tcpTransport.listen(listener.endpoint)), 'ENDPOINT_IN_USE');
    assert.equal(await fails(tcpTransport.listen('tcp://203.0.113.1:0')), 'ENDPOINT_NOT_FOUND');
    assert.equal(await fails(tcpTransport.connect('tcp://127.0.0.1:0')), 'ENDPOINT_INVALID');
    assert.equal(await fails(tcpTransport.connect('tcp://name.invalid:80')), 'ENDPOINT_NOT_FOUND');
  });

  it('refuses to talk to a server of another protocol', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('SSH-2.0-OpenSSH_9.7\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await assert.rejects(tcpTransport.connect(endpoint), (error) => TendonError.is(error, 'PROTOCOL_ERROR'));
    server.close();
  });

  it('stops reading a peer that nobody polls, with bounded memory', async () => {
    await using listener = await listen({ context: new Context() });
    const { peer, server } = await greet(listener);
    const frame = Buffer.alloc(65_540, 1);
    frame.writeUInt32LE(65_536, 0);
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 0; sent < 1000; sent++) peer.socket.write(frame);
    for (let turns = 0; turns < 2000; turns++) await turn();
    assert.ok(peer.socket.writableLength > 40_000_000, 'the rest waits at the sender');
    assert.ok(
      process.memoryUsage().arrayBuffers - before < 16_000_000,
      'what came is held in bounded memory',
    );
    let frames = 0;
    await until(() => {
      server.poll(() => frames++);
      return frames === 1000;
    }, 'all thousand frames');
    server.destroy();
    peer.socket.destroy();
  });
});
