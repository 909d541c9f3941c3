// Makes and closes every kind of thing argv[2] times, also on paths that fail; prints what is left over.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  checkSealedMemfd,
  closeFd,
  createEventFd,
  createMemfd,
  Mapping,
  openBeneath,
  pidfdOpen,
  socketReceiveFds,
  socketSendFds,
  unixAccept,
  unixConnect,
  unixListen,
  unixPair,
  Watcher,
} from 'tendon/os';

const BYTES = 16_384;
const cycles = Number(process.argv[2]);
const directory = mkdtempSync(join(tmpdir(), 'tendon-cycles-'));
const byte = new Uint8Array(1);

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      return 'listing';
    }
  });
}
const mappings = () => readFileSync('/proc/self/maps', 'latin1').match(/memfd:tendon-cycle/g)?.length ?? 0;
const attempt = (call: () => unknown): void => {
  try {
    call();
  } catch {
    return;
  }
  throw new Error(`${call} should have failed`);
};

function cycle(): void {
  const path = join(directory, 'socket');
  const listener = unixListen(path);
  const client = unixConnect(path);
  const server = unixAccept(listener);
  const memfd = createMemfd('tendon-cycle', BYTES);
  const event = createEventFd();
  const watcher = Watcher.watch(event, 'readable', () => {});
  socketSendFds(server, byte, 0, 1, [memfd, event]);
  const received: number[] = [];
  socketReceiveFds(client, byte, 0, 1, received);
  checkSealedMemfd(received[0]!, BYTES);
  const first = Mapping.map(memfd, { bytes: BYTES, writable: true });
  const second = Mapping.map(received[0]!, { bytes: BYTES, writable: false });
  const [left, right] = unixPair('datagram');
  const process_ = pidfdOpen(process.pid);
  const file = openBeneath(directory, 'file', { flags: 'create-or-open', walk: cycles % 2 === 0 });
  attempt(() => unixListen(path));
  attempt(() => unixConnect(join(directory, 'absent')));
  attempt(() => unixConnect(join(directory, 'file')));
  attempt(() => createMemfd('tendon-cycle', 4096, { hugePages: true }));
  attempt(() => Mapping.map(memfd, { offset: 1, bytes: BYTES, writable: true }));
  attempt(() => openBeneath(directory, 'socket', { flags: 'read' }));
  attempt(() => openBeneath(directory, '.', { flags: 'read', walk: true }));
  attempt(() => Watcher.watch(event, 'readable', () => {}));
  attempt(() => Watcher.watch(file, 'readable', () => {}));
  first.close();
  second.close();
  watcher.close();
  for (const fd of [listener, client, server, memfd, event, ...received, left, right, process_, file]) {
    closeFd(fd);
  }
  rmSync(path);
}

cycle(); // whatever is made once and kept
await turn();
const before = descriptors();
for (let i = 0; i < cycles; i++) {
  cycle();
  if (i % 64 === 0) await turn(); // closed watchers and detached buffers are let go by the loop
}
await turn();
const after = descriptors();
const extra = after.filter((line) => !before.includes(line));
rmSync(directory, { recursive: true });
console.log(JSON.stringify({ before: before.length, after: after.length, extra, mappings: mappings() }));
