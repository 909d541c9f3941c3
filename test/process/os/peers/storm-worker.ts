// A worker with busy watchers, sockets and mappings; it ends by itself, or is terminated in the middle.
import { parentPort, workerData } from 'node:worker_threads';
import {
  closeFd,
  createEventFd,
  createMemfd,
  eventFdSignal,
  Mapping,
  socketReceive,
  socketSend,
  unixPair,
  Watcher,
} from 'tendon/os';

const { ends } = workerData as { ends: 'orderly' | 'abruptly' | 'terminated' };
const BYTES = 65_536;
const memfd = createMemfd('tendon-storm', BYTES);
const mapping = Mapping.map(memfd, { bytes: BYTES, writable: true });
const words = new Int32Array(mapping.buffer);
closeFd(memfd);
const event = createEventFd(1);
const [left, right] = unixPair();
const byte = new Uint8Array(1);
let turns = 0;

const ticking = Watcher.watch(event, 'readable', () => {
  Atomics.add(words, 0, 1);
  eventFdSignal(event); // stays readable: the loop never rests
  turns++;
  if (turns === 20) parentPort!.postMessage('busy');
  if (turns < 100) return;
  if (ends === 'orderly') {
    for (const watcher of [ticking, receiving]) watcher.close();
    for (const fd of [event, left, right]) closeFd(fd);
    mapping.close();
  } else if (ends === 'abruptly') {
    receiving.close(); // the loop has not closed it yet when the worker ends
    process.exit(0); // with everything else open
  }
});
const receiving = Watcher.watch(right, 'readable', () => {
  socketReceive(right, byte, 0, 1);
  socketSend(left, byte, 0, 1);
});
socketSend(left, byte, 0, 1);
