import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Context } from 'tendon/core';
import { transportContract } from 'tendon/testing';
import { shmTransport } from 'tendon/transport/shm';

const runtimeDirectory = mkdtempSync(join(tmpdir(), 'tendon-shm-'));
chmodSync(runtimeDirectory, 0o700);
after(() => rmSync(runtimeDirectory, { recursive: true }));
let names = 0;
const freshEndpoint = (): string => `shm:contract-${names++}`;

transportContract('shm:', {
  transport: shmTransport,
  freshEndpoint,
  makeContext: () => new Context({ runtimeDirectory }),
  capabilities: {
    ordered: true,
    reliable: true,
    zeroCopy: true,
    local: true,
    encrypted: false,
    descriptorPassing: false,
  },
  active: 'shm',
  broadcastWritesOnce: true,
  silentListener: async () => {
    const endpoint = freshEndpoint();
    const taken: Socket[] = [];
    const server = createServer((socket) => taken.push(socket));
    const path = join(runtimeDirectory, `${endpoint.slice('shm:'.length)}.sock`);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return {
      endpoint,
      close: async () => {
        for (const socket of taken) socket.destroy();
        server.close();
      },
    };
  },
});
