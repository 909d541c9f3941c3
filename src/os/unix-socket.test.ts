import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ErrorCode, TendonError } from '../core/index.ts';
import {
  closeFd,
  createMemfd,
  datagramReceive,
  datagramSend,
  describeFd,
  MAX_FDS_PER_MESSAGE,
  MAX_SOCKET_PATH_BYTES,
  PEER_GONE,
  peerCredentials,
  socketReceive,
  socketReceiveFds,
  socketSend,
  socketSendFds,
  socketShutdown,
  unixAccept,
  unixConnect,
  unixListen,
  unixPair,
  WOULD_BLOCK,
} from './index.ts';

const code = (expected: ErrorCode) => (error: unknown) => {
  assert.ok(TendonError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'tendon-unix-'));
});
after(() => rmSync(directory, { recursive: true }));

const text = (value: string) => new TextEncoder().encode(value);
const read = (bytes: Uint8Array, length: number) => new TextDecoder().decode(bytes.subarray(0, length));

describe('Unix stream sockets', () => {
  it('listen, connect, accept, and carry bytes both ways', () => {
    const path = join(directory, 'both ways é');
    const listener = unixListen(path);
    assert.equal(unixAccept(listener), -1);
    const client = unixConnect(path);
    const server = unixAccept(listener);
    const room = new Uint8Array(100);
    assert.equal(socketReceive(server, room, 0, 100), WOULD_BLOCK);
    assert.equal(socketSend(client, text('__hello__'), 2, 5), 5);
    assert.equal(socketReceive(server, room, 10, 90), 5);
    assert.equal(read(room.subarray(10), 5), 'hello');
    socketShutdown(server, 'write');
    assert.equal(socketReceive(client, room, 0, 100), 0);
    for (const fd of [client, server, listener]) closeFd(fd);
  });

  it('[shm-transport 58] the socket file has mode 0600 whatever the umask', () => {
    const previous = process.umask(0);
    try {
      for (const type of ['stream', 'datagram'] as const) {
        const path = join(directory, `mode-${type}`);
        closeFd(unixListen(path, { type }));
        assert.equal(statSync(path).mode & 0o777, 0o600);
        const wider = join(directory, `wider-${type}`);
        closeFd(unixListen(wider, { type, mode: 0o660 }));
        assert.equal(statSync(wider).mode & 0o777, 0o660);
      }
    } finally {
      process.umask(previous);
    }
  });

  it('[shm-transport 59] paths of 107 bytes work, longer ones are refused with their length', () => {
    const fill = (bytes: number) => join(directory, 'x'.repeat(bytes - directory.length - 1));
    const fits = fill(MAX_SOCKET_PATH_BYTES);
    const listener = unixListen(fits);
    closeFd(unixConnect(fits));
    closeFd(listener);
    for (const call of [unixListen, unixConnect]) {
      assert.throws(
        () => call(fill(MAX_SOCKET_PATH_BYTES + 1)),
        (error: unknown) => {
          assert.ok(TendonError.is(error, 'PATH_TOO_LONG'));
          assert.deepEqual(error.details, {
            path: fill(108),
            bytes: 108,
            limitBytes: MAX_SOCKET_PATH_BYTES,
          });
          return true;
        },
      );
    }
    assert.throws(() => unixListen('é'.repeat(54)), code('PATH_TOO_LONG')); // bytes, not characters
  });

  it('say why they cannot listen', () => {
    const taken = join(directory, 'taken');
    const listener = unixListen(taken);
    assert.throws(() => unixListen(taken), code('ENDPOINT_IN_USE'));
    closeFd(listener);
    assert.throws(() => unixListen(taken), code('ENDPOINT_IN_USE')); // the stale file stays until it is removed
    assert.throws(() => unixListen(join(directory, 'no/such')), code('ENDPOINT_INVALID'));
    for (const path of ['', '\0abstract', 'a\0b'])
      assert.throws(() => unixListen(path), code('ENDPOINT_INVALID'));
    assert.throws(() => unixListen(taken, { mode: 0o1000 }), code('OPTION_INVALID'));
    assert.throws(() => unixListen(taken, { type: 'raw' as never }), code('OPTION_INVALID'));
  });

  it('say why they cannot connect', () => {
    const stale = join(directory, 'stale');
    closeFd(unixListen(stale));
    assert.throws(() => unixConnect(stale), code('CONNECTION_REFUSED'));
    assert.throws(() => unixConnect(join(directory, 'absent')), code('ENDPOINT_NOT_FOUND'));
    writeFileSync(join(directory, 'file'), '');
    assert.throws(() => unixConnect(join(directory, 'file')), code('CONNECTION_REFUSED'));
    const datagrams = join(directory, 'datagrams');
    const receiver = unixListen(datagrams, { type: 'datagram' });
    assert.throws(() => unixConnect(datagrams), code('CONNECTION_REFUSED'));
    closeFd(receiver);
  });

  it('do not wait for room in the backlog', () => {
    const path = join(directory, 'busy');
    const listener = unixListen(path, { backlog: 0 });
    const first = unixConnect(path);
    assert.throws(() => unixConnect(path), code('OVERLOADED'));
    closeFd(unixAccept(listener));
    closeFd(unixConnect(path));
    closeFd(first);
    closeFd(listener);
  });

  it('answer WOULD_BLOCK when full and PEER_GONE when the other end is closed, without exceptions', () => {
    const [left, right] = unixPair();
    const chunk = new Uint8Array(65_536);
    let sent = 0;
    let count = 0;
    do {
      sent += count;
      count = socketSend(left, chunk, 0, chunk.length);
    } while (count > 0);
    assert.equal(count, WOULD_BLOCK);
    let received = 0;
    for (;;) {
      count = socketReceive(right, chunk, 0, chunk.length);
      if (count === WOULD_BLOCK) break;
      received += count;
    }
    assert.equal(received, sent);
    socketSend(left, chunk, 0, 10);
    closeFd(right);
    assert.equal(socketSend(left, chunk, 0, 1), PEER_GONE);
    const [other, gone] = unixPair();
    socketSend(other, chunk, 0, 10);
    closeFd(gone); // with unread bytes
    assert.equal(socketReceive(other, chunk, 0, 10), PEER_GONE);
    closeFd(left);
    closeFd(other);
  });

  it('refuse ranges outside the bytes, and arrays of another kind', () => {
    const [left, right] = unixPair();
    const bytes = new Uint8Array(8);
    for (const [offset, length] of [
      [-1, 1],
      [0, 9],
      [8, 1],
      [9, 0],
      [4, -1],
      [2 ** 53, 1],
      [1, 2 ** 53],
    ] as const) {
      assert.throws(() => socketSend(left, bytes, offset, length), code('OPTION_INVALID'));
      assert.throws(() => socketReceive(left, bytes, offset, length), code('OPTION_INVALID'));
    }
    assert.throws(() => socketReceive(left, bytes, 0, 0), code('OPTION_INVALID'));
    assert.throws(() => socketSend(left, new Int32Array(4) as never, 0, 4), code('OPTION_INVALID'));
    assert.throws(() => socketSend(left, 'text' as never, 0, 4), code('OPTION_INVALID'));
    assert.equal(socketReceive(right, bytes, 0, 8), WOULD_BLOCK);
    closeFd(left);
    closeFd(right);
    assert.throws(() => socketSend(left, bytes, 0, 1), code('SYSTEM_ERROR'));
  });

  it('tell who the peer is', () => {
    const path = join(directory, 'who');
    const listener = unixListen(path);
    const client = unixConnect(path);
    const server = unixAccept(listener);
    const self = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    assert.deepEqual(peerCredentials(server), self);
    assert.deepEqual(peerCredentials(client), self);
    for (const fd of [client, server, listener]) closeFd(fd);
    const memfd = createMemfd('no socket', 1);
    assert.throws(() => peerCredentials(memfd), code('SYSTEM_ERROR'));
    closeFd(memfd);
  });
});

describe('descriptors over sockets', () => {
  const byte = new Uint8Array(1);

  it('arrive as descriptors of the same file', () => {
    const [left, right] = unixPair();
    const memfd = createMemfd('passed', 4096);
    const { device, inode } = describeFd(memfd);
    assert.equal(socketSendFds(left, byte, 0, 1, [memfd, memfd]), 1);
    closeFd(memfd); // it is on its way already
    const received = [-7];
    assert.equal(socketReceiveFds(right, byte, 0, 1, received), 1);
    assert.equal(received.length, 3);
    for (const fd of received.slice(1)) {
      assert.deepEqual([describeFd(fd).device, describeFd(fd).inode], [device, inode]);
      closeFd(fd);
    }
    assert.equal(socketReceiveFds(right, byte, 0, 1, received), WOULD_BLOCK);
    closeFd(left);
    assert.equal(socketReceiveFds(right, byte, 0, 1, received), 0);
    assert.equal(socketSendFds(right, byte, 0, 1, [right]), PEER_GONE);
    assert.equal(received.length, 3);
    closeFd(right);
  });

  it('go up to 16 in a message, and not as anything else', () => {
    const [left, right] = unixPair();
    const many = new Array<number>(MAX_FDS_PER_MESSAGE).fill(left);
    assert.equal(socketSendFds(left, byte, 0, 1, many), 1);
    const received: number[] = [];
    assert.equal(socketReceiveFds(right, byte, 0, 1, received), 1);
    assert.equal(received.length, MAX_FDS_PER_MESSAGE);
    for (const fd of received) closeFd(fd);
    for (const fds of [[], [...many, left], [-1], [1.5], ['1' as never], {} as never]) {
      assert.throws(() => socketSendFds(left, byte, 0, 1, fds), code('OPTION_INVALID'));
    }
    assert.throws(() => socketSendFds(left, byte, 0, 0, [left]), code('OPTION_INVALID'));
    assert.throws(() => socketSendFds(left, byte, 0, 1, [2 ** 30]), code('SYSTEM_ERROR')); // EBADF
    closeFd(left);
    closeFd(right);
  });

  it('are closed when nobody asked for them, or when they have no place to go', () => {
    const [left, right] = unixPair();
    const memfd = createMemfd('unasked', 4096);
    const lowest = memfd + 1;
    socketSendFds(left, byte, 0, 1, [memfd]);
    assert.equal(socketReceive(right, byte, 0, 1), 1);
    socketSendFds(left, byte, 0, 1, [memfd]);
    assert.throws(
      () => socketReceiveFds(right, byte, 0, 1, Object.freeze([]) as never),
      code('OPTION_INVALID'),
    );
    const next = createMemfd('next', 1);
    assert.equal(next, lowest); // neither left one open
    for (const fd of [left, right, memfd, next]) closeFd(fd);
  });
});

describe('Unix datagram sockets', () => {
  it('carry whole datagrams between paths and tell who sent them', () => {
    const inbox = join(directory, 'inbox');
    const outbox = join(directory, 'outbox');
    const receiver = unixListen(inbox, { type: 'datagram' });
    const sender = unixListen(outbox, { type: 'datagram' });
    const room = new Uint8Array(16);
    assert.equal(datagramReceive(receiver, room, 0, 16), undefined);
    assert.equal(datagramSend(sender, inbox, text('one'), 0, 3), 3);
    assert.equal(datagramSend(sender, inbox, text(''), 0, 0), 0);
    assert.equal(datagramSend(sender, inbox, new Uint8Array(40), 0, 40), 40);
    assert.deepEqual(datagramReceive(receiver, room, 0, 16), { bytes: 3, path: outbox });
    assert.equal(read(room, 3), 'one');
    assert.deepEqual(datagramReceive(receiver, room, 0, 16), { bytes: 0, path: outbox });
    assert.deepEqual(datagramReceive(receiver, room, 0, 16), { bytes: 40, path: outbox }); // cut off, and it says so
    const [anonymous, pair] = unixPair('datagram');
    socketSend(anonymous, text('hi'), 0, 2);
    assert.deepEqual(datagramReceive(pair, room, 0, 16), { bytes: 2, path: '' });
    for (const fd of [receiver, sender, anonymous, pair]) closeFd(fd);
  });

  it('answer WOULD_BLOCK for a full receiver and PEER_GONE for none', () => {
    const inbox = join(directory, 'full');
    const receiver = unixListen(inbox, { type: 'datagram' });
    const sender = unixListen(join(directory, 'sender'), { type: 'datagram' });
    const byte = new Uint8Array(1);
    let sent = 0;
    while (datagramSend(sender, inbox, byte, 0, 1) === 1) sent++;
    assert.ok(sent > 0);
    assert.equal(datagramSend(sender, inbox, byte, 0, 1), WOULD_BLOCK);
    closeFd(receiver);
    assert.equal(datagramSend(sender, inbox, byte, 0, 1), PEER_GONE);
    assert.equal(datagramSend(sender, join(directory, 'nobody'), byte, 0, 1), PEER_GONE);
    mkdirSync(join(directory, 'folder'));
    const large = new Uint8Array(16 * 1024 * 1024);
    const again = unixListen(join(directory, 'again'), { type: 'datagram' });
    assert.throws(() => datagramSend(sender, join(directory, 'again'), large, 0, large.length), TendonError);
    closeFd(again);
    closeFd(sender);
  });
});
