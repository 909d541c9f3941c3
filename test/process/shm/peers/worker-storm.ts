/**
 * `node worker-storm.js DIRECTORY NAME`: ten workers open three channels each and use them; half of the workers are
 * terminated in the middle of it, the others finish. Says at the end what is left in this process.
 */
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Context } from 'tendon/core';
import { shmTransport } from 'tendon/transport/shm';
import { channelMappings, openDescriptors } from '../kit.ts';

const WORKERS = 10;
const CHANNELS = 3;
const FRAMES = 100;

async function main(): Promise<void> {
  const before = openDescriptors();
  const [directory, name] = process.argv.slice(2);
  let echoed = 0;
  let terminated = 0;
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, index) => {
      const doomed = index % 2 === 0;
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { directory, name, doomed } });
      const ended = new Promise<number>((resolve, reject) => {
        worker.once('exit', resolve);
        worker.once('error', reject);
      });
      worker.on('message', (message: string) => {
        if (message === 'busy' && doomed) void worker.terminate();
        else if (message === 'done') echoed += FRAMES;
      });
      if ((await ended) === 1 && doomed) terminated++; // 1: not by itself
    }),
  );
  const allowed = [...before];
  const left = openDescriptors().filter((name) => {
    const at = allowed.indexOf(name);
    if (at >= 0) allowed.splice(at, 1);
    return at < 0;
  });
  process.stdout.write(`${JSON.stringify({ echoed, terminated, left, mappings: channelMappings() })}\n`);
}

async function work(): Promise<void> {
  const { directory, name, doomed } = workerData as { directory: string; name: string; doomed: boolean };
  const context = new Context({ runtimeDirectory: directory });
  const connections = await Promise.all(
    Array.from({ length: CHANNELS }, () => shmTransport.connect(`shm:${name}`, { context })),
  );
  await Promise.all(
    connections.map(async (connection) => {
      let back = 0;
      const all = new Promise<void>((resolve) => {
        connection.consume(() => {
          if (++back === FRAMES && !doomed) resolve();
        });
      });
      for (let n = 0; doomed || n < FRAMES; n++) {
        await connection.send(new Uint8Array(200));
        if (n === 20) parentPort!.postMessage('busy');
        if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await all;
      parentPort!.postMessage('done');
      await connection.close();
    }),
  );
}

await (isMainThread ? main() : work());
