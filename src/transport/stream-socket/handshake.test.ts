import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SYSTEM_CLOCK } from '../../core/index.ts';
import { shakeHands } from './handshake.ts';
import { encodeHello, ourHello } from './hello.ts';
import { newServer } from './stream-listener.ts';

describe('the handshake of a listener', () => {
  it('fails, and ends nobody, when the client says hello and hangs up at once', async () => {
    const path = join(tmpdir(), `tendon-handshake-${process.pid}.sock`);
    const server = newServer().listen(path);
    await once(server, 'listening');
    const maxFrameBytes = 1024;
    try {
      for (let round = 0; round < 20; round++) {
        const client = connect(path);
        const [[socket]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
          [Socket],
          unknown,
        ];
        const shaken = shakeHands(socket, {
          endpoint: `unix:${path}`,
          role: 'listener',
          maxFrameBytes,
          clock: SYSTEM_CLOCK,
          timeoutMs: 10_000,
          signal: undefined,
        });
        client.write(encodeHello(ourHello('client', maxFrameBytes)));
        client.destroy();
        // Node tells the failed write as an 'error' of the socket: without a listener it would end this test.
        await assert.rejects(shaken, { code: 'CONNECTION_LOST' });
        assert.ok(socket.destroyed);
      }
    } finally {
      server.close();
    }
  });

  it('never leaves its socket without a listener of errors', async () => {
    const path = join(tmpdir(), `tendon-handshake-${process.pid}.sock`);
    const server = newServer().listen(path);
    await once(server, 'listening');
    const client = connect(path);
    try {
      const [socket] = (await once(server, 'connection')) as [Socket];
      const shaken = shakeHands(socket, {
        endpoint: `unix:${path}`,
        role: 'listener',
        maxFrameBytes: 1024,
        clock: SYSTEM_CLOCK,
        timeoutMs: 10_000,
        signal: undefined,
      });
      assert.ok(socket.listenerCount('error') > 0);
      client.write(encodeHello(ourHello('client', 1024)));
      await shaken;
      assert.ok(socket.listenerCount('error') > 0);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.destroy(new Error('between the handshake and the connection'));
      await closed;
    } finally {
      client.destroy();
      server.close();
    }
  });
});
