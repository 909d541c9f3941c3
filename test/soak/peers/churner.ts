/** Connects and leaves, in every way: in order, at once, half-way, and where nobody listens. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'tendon';
import { TendonError } from 'tendon/core';
import { say } from '../orders.ts';
import { Client } from './client.ts';

const client = new Client();
const { args, context, random, gate, deeds } = client;

async function giveUpHalfWay(): Promise<void> {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), random.integer(0, 3));
  try {
    const connection = await connect(args.endpoint, {
      context,
      signal: controller.signal,
      timeoutMs: 60_000,
    });
    connection.destroy();
  } catch (error) {
    if (!TendonError.is(error, 'ABORTED')) throw error;
  }
}

async function visit(): Promise<void> {
  const connection = await connect(args.endpoint, { context, timeoutMs: 60_000 });
  const frames = random.integer(0, 5);
  for (let index = 0; index < frames; index++) await connection.send(Buffer.from(`echo ${index}`));
  let back = 0;
  if (frames > 0) {
    receiving: for await (const batch of connection.receive()) {
      for (const frame of batch) {
        assert.equal(Buffer.from(frame).toString(), `echo ${back++}`);
        if (back === frames) break receiving;
      }
    }
  }
  assert.equal(back, frames);
  deeds.frames += 2 * frames;
  if (random.chance(0.5)) await connection.close();
  else connection.destroy();
}

client.run(async () => {
  say({ say: 'ready' });
  while (!client.finishing) {
    await gate.pass();
    const kind = random.integer(0, 19);
    if (kind === 0) {
      await assert.rejects(connect('shm:nobody', { context }), (error) =>
        TendonError.is(error, 'ENDPOINT_NOT_FOUND'),
      );
    } else if (kind < 4) await giveUpHalfWay();
    else await visit();
    deeds.connections++;
    await sleep(random.integer(0, 20));
  }
});
