// Runs one primitive under the limits that its parent set, and prints how it failed and what it left open.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TendonError } from 'tendon/core';
import * as os from 'tendon/os';

const [what, argument] = [process.argv[2]!, process.argv[3]];
const byte = new Uint8Array(1);
const directory = mkdtempSync(join(tmpdir(), 'tendon-exhaustion-'));
const open = () => readdirSync('/proc/self/fd').length;

function report(call: () => unknown): void {
  const before = open();
  let outcome: unknown = 'succeeded';
  try {
    call();
  } catch (error) {
    outcome = TendonError.is(error)
      ? { code: error.code, message: error.message, details: error.details }
      : String(error);
  }
  console.log(JSON.stringify({ outcome, left: open() - before }));
}

if (what === 'memfd') {
  report(() => os.closeFd(os.createMemfd('limited', Number(argument))));
} else if (what === 'descriptors') {
  // One descriptor fewer is free each time: the n-th system call of the operation is the one that fails.
  const listener = os.unixListen(join(directory, 'socket'));
  const memfd = os.createMemfd('passed', 4096);
  const operations: Record<string, () => void> = {
    memfd: () => os.closeFd(os.createMemfd('x', 4096)),
    eventfd: () => os.closeFd(os.createEventFd()),
    listen: () => {
      os.closeFd(os.unixListen(join(directory, 'other')));
      rmSync(join(directory, 'other'));
    },
    pair: () => os.unixPair().forEach(os.closeFd),
    beneath: () => os.closeFd(os.openBeneath(directory, 'file', { flags: 'create-or-open' })),
    walk: () => os.closeFd(os.openBeneath(directory, './file', { flags: 'create-or-open', walk: true })),
    pidfd: () => os.closeFd(os.pidfdOpen(process.pid)),
    accept: () => {
      const peer = os.unixAccept(listener);
      if (peer >= 0) os.closeFd(peer);
    },
    receive: () => {
      const fds: number[] = [];
      os.socketReceiveFds(sockets[1], byte, 0, 1, fds);
      for (const fd of fds) os.closeFd(fd);
    },
  };
  const sockets = os.unixPair();
  open(); // the module loader and this listing have what they need
  const results: Record<string, unknown> = {};
  for (const [name, operation] of Object.entries(operations)) {
    const outcomes: string[] = [];
    for (let free = 0; free <= 4; free++) {
      const client = name === 'accept' ? os.unixConnect(join(directory, 'socket')) : -1;
      if (name === 'receive') os.socketSendFds(sockets[0], byte, 0, 1, [memfd, memfd, memfd]);
      const before = open();
      const hoard: number[] = [];
      try {
        for (;;) hoard.push(os.createEventFd());
      } catch {
        for (let i = 0; i < free; i++) os.closeFd(hoard.pop()!);
      }
      try {
        operation();
        outcomes.push('ok');
      } catch (error) {
        outcomes.push(TendonError.is(error) ? error.code : String(error));
      }
      for (const fd of hoard) os.closeFd(fd);
      const left = open() - before;
      if (left !== 0) outcomes.push(`left ${left}`);
      if (client >= 0) {
        const peer = os.unixAccept(listener);
        if (peer >= 0) os.closeFd(peer);
        os.closeFd(client);
      }
    }
    results[name] = outcomes;
  }
  console.log(JSON.stringify(results));
}
rmSync(directory, { recursive: true });
