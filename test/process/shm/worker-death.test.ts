import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Context, TendonError } from 'tendon/core';
import { shmTransport } from 'tendon/transport/shm';
import { openDescriptors, Place, until } from './kit.ts';

interface Job {
  readonly directory: string;
  readonly end: 'terminate' | 'exit';
}

async function work({ directory, end }: Job): Promise<void> {
  const context = new Context({ runtimeDirectory: directory });
  await shmTransport.listen('shm:theirs', { context });
  const connection = await shmTransport.connect('shm:worker', { context });
  await connection.send(Uint8Array.of(1, 2, 3));
  connection.consume(() => {
    if (end === 'exit') process.exit(0);
    parentPort?.postMessage('ready');
  });
}

if (!isMainThread) await work(workerData as Job);
else
  describe('a worker with channels', () => {
    for (const end of ['terminate', 'exit'] as const) {
      it(`takes them with it when it ends by ${end}: the other side learns of it, and no descriptor stays`, async () => {
        using place = new Place();
        const before = openDescriptors();
        const listener = await shmTransport.listen('shm:worker', { context: place.context });
        const worker = new Worker(new URL(import.meta.url), {
          workerData: { directory: place.directory, end },
        });
        const accepted = await listener.accept();
        const received: number[] = [];
        accepted.consume((_bytes, _offset, length) => received.push(length));
        await until(() => received.length === 1, 'the worker sent its frame');
        const ready = new Promise((resolve) => worker.once(end === 'exit' ? 'exit' : 'message', resolve));
        accepted.offer(Uint8Array.of(1));
        await ready;
        if (end === 'terminate') await worker.terminate();
        const reason = await accepted.closed;
        assert.ok(TendonError.is(reason, 'CONNECTION_LOST'), String(reason));
        await assert.rejects(shmTransport.connect('shm:theirs', { context: place.context }), (error) =>
          TendonError.is(error, 'ENDPOINT_NOT_FOUND'),
        );
        await listener.close();
        await until(() => openDescriptors().length <= before.length, 'all descriptors are closed');
      });
    }
  });
