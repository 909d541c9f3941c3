import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { salvageOnError } from './salvage.ts';

it('keeps what a paused socket holds, before what the kernel holds, when a write fails', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tendon-salvage-'));
  try {
    const server = createServer().listen(join(directory, 'socket'));
    await once(server, 'listening');
    const sender = connect(join(directory, 'socket'));
    const [receiver] = (await once(server, 'connection')) as [Socket];
    const kept: Uint8Array[] = [];
    salvageOnError(receiver, (chunk) => kept.push(chunk));
    receiver.on('data', (chunk) => {
      kept.push(Uint8Array.from(chunk));
      receiver.pause();
    });
    receiver.on('error', () => {});
    const sent = Buffer.from(Uint8Array.from({ length: 150_000 }, (_, index) => (index >>> 8) ^ index));
    sender.on('error', () => {});
    await new Promise((resolve) => sender.write(sent, resolve));
    while (receiver.readableLength === 0) await sleep(1); // taken from the kernel, not handed over yet
    sender.destroy();
    await once(sender, 'close');
    while (!receiver.closed) {
      receiver.write('nobody reads this');
      await sleep(1);
    }
    server.close();
    assert.equal(
      kept.reduce((sum, { length }) => sum + length, 0),
      sent.length,
    );
    assert.ok(Buffer.concat(kept).equals(sent), 'all bytes, in order');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
