/** A thread that computes. It opens its own connection: connections and mappings do not move between threads. */
import { parentPort, workerData } from 'node:worker_threads';
import { Context, listen, ServiceStub } from 'tendon';
import { numbers } from './contract.ts';

function countPrimes(below: number): number {
  const composite = new Uint8Array(below);
  let count = 0;
  for (let n = 2; n < below; n++) {
    if (composite[n] === 1) continue;
    count++;
    for (let multiple = n * n; multiple < below; multiple += n) composite[multiple] = 1;
  }
  return count;
}

const context = new Context(); // one a thread
const listener = await listen(workerData.endpoint, { context });
const stub = await ServiceStub.serve(
  numbers,
  { countPrimes: ({ below }) => countPrimes(below) },
  { listener, context },
);
parentPort?.once('message', () => stub.stop());
parentPort?.postMessage('ready');
