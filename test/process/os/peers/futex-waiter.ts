// A worker: maps the memfd workerData.fd for itself and waits on words[0] until it differs from 0.
import { parentPort, workerData } from 'node:worker_threads';
import { futexWait, Mapping } from 'tendon/os';

const { fd, bytes, timeoutMs } = workerData as { fd: number; bytes: number; timeoutMs: number };
using mapping = Mapping.map(fd, { bytes, writable: true });
const words = new Int32Array(mapping.buffer);
parentPort!.postMessage('waiting');
const started = process.hrtime.bigint();
let outcome = 'changed';
while (Atomics.load(words, 0) === 0 && outcome !== 'timed-out') {
  Atomics.add(words, 1, 1);
  outcome = futexWait(mapping.buffer, 0, 0, timeoutMs);
}
parentPort!.postMessage({ outcome, elapsedMs: Number(process.hrtime.bigint() - started) / 1e6 });
