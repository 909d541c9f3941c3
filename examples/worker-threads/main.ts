/** Asks two threads at the same time while its own event loop stays free. `main.js [endpoint]` */
import { once } from 'node:events';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Context, connect, ServiceProxy } from 'tendon';
import { numbers } from './contract.ts';

const base = process.argv[2] ?? 'shm:example-threads';
const script = join(import.meta.dirname, `worker${extname(import.meta.filename)}`);
const context = new Context(); // one a thread, also for several connections

let turns = 0;
const ticking = setInterval(() => turns++, 1);
const answers = await Promise.all(
  [1_000_000, 2_000_000].map(async (below, index) => {
    const endpoint = `${base}-${index}`;
    const worker = new Worker(script, { workerData: { endpoint } });
    await once(worker, 'message');
    await using proxy = await ServiceProxy.connect(numbers, () => connect(endpoint, { context }), {
      context,
    });
    const primes = await proxy.call('countPrimes', { below });
    worker.postMessage('stop');
    await once(worker, 'exit');
    return `${primes} primes below ${below}`;
  }),
);
clearInterval(ticking);
for (const answer of answers) console.log(answer);
console.log(turns > 0 ? 'the main thread went on' : 'the main thread was blocked');
