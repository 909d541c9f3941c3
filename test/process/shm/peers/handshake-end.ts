/**
 * One end that goes so far into the handshake and stands still: `node handshake-end.js SOCKET POINT`. It is written from
 * the page: the library would not stop there.
 */
import { writeSync } from 'node:fs';
import { closeFd, createMemfd, Mapping } from 'tendon/os';
import { hello, RawListener, RawPeer, rawMessage, TYPES, words } from '../raw-peer.ts';

const [path = '', point = ''] = process.argv.slice(2);

function standStill(): never {
  writeSync(1, 'there\n');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

async function asClient(): Promise<void> {
  const peer = RawPeer.connect(path);
  if (point === 'connected') standStill();
  peer.send(hello());
  if (point === 'said hello') standStill();
  await peer.expect(TYPES.welcome, 'WELCOME');
  const { body } = await peer.expect(TYPES.memory, 'MEMORY');
  Mapping.map(peer.fds[0] as number, { bytes: body.readUInt32LE(0), writable: true });
  if (point === 'mapped the memory') standStill();
  peer.send(rawMessage(TYPES.memoryReady));
  standStill(); // 'is ready, but has not switched'
}

async function asListener(): Promise<void> {
  const door = new RawListener(path);
  writeSync(1, 'listening\n');
  if (point === 'listens') standStill();
  const peer = await door.accept();
  if (point === 'accepted') standStill();
  await peer.expect(TYPES.hello, 'HELLO');
  if (point === 'heard hello') standStill();
  peer.send(rawMessage(TYPES.welcome, words(1, 1, 1 << 20)));
  if (point === 'welcomed') standStill();
  const ring = 4096;
  const down = 640 + ring + 64 - ((640 + ring) % 64);
  const bytes = down + 640 + ring;
  const fd = createMemfd('tendon-channel', bytes, { seal: 'size' });
  const { buffer } = Mapping.map(fd, { bytes, writable: true });
  for (const offset of [0, down]) new Int32Array(buffer, offset, 4).set([0x474e5254, 1, 1, ring]);
  peer.send(rawMessage(TYPES.memory, words(bytes, 0, ring, down, ring)), [fd]);
  closeFd(fd);
  standStill(); // 'passed the memory'
}

const CLIENT = ['connected', 'said hello', 'mapped the memory', 'is ready, but has not switched'];
await (CLIENT.includes(point) ? asClient() : asListener());
