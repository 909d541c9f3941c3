/** Calls of all kinds, several at once, each with the one outcome that it must have. */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, TendonError } from 'tendon/core';
import { ServiceProxy } from 'tendon/rpc';
import { type ShmConnection, shmTransport } from 'tendon/transport/shm';
import { soakService } from '../contract.ts';
import { say } from '../orders.ts';
import { Client } from './client.ts';

const CALLERS = 8;
/** for calls that must be answered: long enough for a stopped server */
const DEADLINE_MS = 60_000;

const client = new Client();
const { args, context, random, gate, deeds } = client;
type Proxy = Awaited<ReturnType<typeof open>>;

function open(connection: ShmConnection) {
  return ServiceProxy.connect(soakService, connection, { context, deadlineMs: DEADLINE_MS });
}

async function fails(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error) => {
    if (!TendonError.is(error, code)) throw new Error(`not ${code}`, { cause: error });
    return true;
  });
}

async function oneCall(proxy: Proxy): Promise<void> {
  const kind = random.integer(0, 99);
  if (kind < 60) {
    const request = { n: random.uint32(), text: 'x'.repeat(random.integer(0, 2_000)) };
    assert.deepEqual(await proxy.call('echo', request), request);
  } else if (kind < 75) {
    const request = randomFillSync(Buffer.alloc(random.integer(0, 200_000)));
    assert.ok(request.equals(await proxy.call('bytes', request)), 'the bytes came back changed');
  } else if (kind < 82) {
    await fails(proxy.call('hang', undefined, { deadlineMs: random.integer(1, 60) }), 'DEADLINE_EXCEEDED');
  } else if (kind < 90) {
    const controller = new AbortController();
    const call = proxy.call('hang', undefined, { signal: controller.signal });
    setTimeout(() => controller.abort(), random.integer(0, 40));
    await fails(call, 'ABORTED');
  } else if (kind < 95) {
    await fails(proxy.call('refuse', 'this'), 'REMOTE');
  } else {
    await proxy.callOneWay('note', 'never answered');
  }
  deeds.calls++;
}

client.run(async () => {
  for (let session = 0; !client.finishing; session++) {
    const connection = await shmTransport.connect(args.endpoint, { context, timeoutMs: DEADLINE_MS });
    const proxy = await open(connection);
    if (session === 0) say({ say: 'ready' });
    deeds.connections++;
    let left = args.lasting ? Infinity : random.integer(100, 5_000);
    const loop = async (): Promise<void> => {
      while (left-- > 0 && !client.finishing) {
        await gate.pass();
        await oneCall(proxy);
        if (random.chance(0.2)) await sleep(random.integer(0, 5));
        if (random.chance(0.002)) {
          if (connection.stats.fallbackReason === undefined) connection.useSocket();
          else connection.useMemory();
          deeds.switches++;
        }
      }
      client.loops--;
    };
    client.loops = CALLERS;
    await Promise.all(Array.from({ length: CALLERS }, loop));
    await proxy.close();
  }
});
