// Connects to argv[2], receives a memfd, checks and maps it, answers into it, and tries to resize it.
import { ftruncateSync } from 'node:fs';
import {
  checkSealedMemfd,
  closeFd,
  futexWake,
  Mapping,
  socketReceiveFds,
  socketSend,
  unixConnect,
  Watcher,
} from 'tendon/os';

const BYTES = 65_536;
const socket = unixConnect(process.argv[2]!);
const byte = new Uint8Array(1);
const watcher = Watcher.watch(socket, 'readable', () => {
  const fds: number[] = [];
  if (socketReceiveFds(socket, byte, 0, 1, fds) !== 1) throw new Error('the server sent nothing');
  watcher.close();
  const fd = fds[0]!;
  checkSealedMemfd(fd, BYTES);
  const mapping = Mapping.map(fd, { bytes: BYTES, writable: true });
  const words = new Int32Array(mapping.buffer);
  console.log(`read ${Atomics.load(words, 0)}`);
  for (const size of [0, BYTES / 2, BYTES * 2]) {
    try {
      ftruncateSync(fd, size);
      console.log(`resized to ${size}`);
    } catch (error) {
      console.log(`resize ${(error as NodeJS.ErrnoException).code}`);
    }
  }
  Atomics.store(words, 1, 4321);
  futexWake(mapping.buffer, 4, 1);
  socketSend(socket, byte, 0, 1);
  mapping.close();
  closeFd(fd);
  closeFd(socket);
});
