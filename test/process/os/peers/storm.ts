// Twenty workers at once, ending in three ways; exit code 0 and "done" when nothing aborted and no mapping is left.
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { peerPath } from '../run-peer.js';

const rounds = Number(process.argv[2] ?? 1);
const WORKERS = 20;
const ENDS = ['terminated', 'orderly', 'terminated', 'abruptly'] as const;

for (let round = 0; round < rounds; round++) {
  await Promise.all(
    Array.from({ length: WORKERS }, (_, index) => {
      const ends = ENDS[index % ENDS.length]!;
      return new Promise<void>((resolve, reject) => {
        const worker = new Worker(peerPath('storm-worker'), { workerData: { ends } });
        worker.once('error', reject);
        worker.once('exit', () => resolve());
        if (ends === 'terminated') worker.once('message', () => void worker.terminate());
      });
    }),
  );
}
const left = readFileSync('/proc/self/maps', 'latin1').match(/memfd:tendon-storm/g)?.length ?? 0;
console.log(left === 0 ? 'done' : `${left} mappings are left`);
