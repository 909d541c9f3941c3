import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { transportContract } from 'tendon/testing';
import { unixTransport } from 'tendon/transport/unix';

const directory = mkdtempSync(join(tmpdir(), 'tendon-unix-'));
after(() => rmSync(directory, { recursive: true }));
let sockets = 0;
const freshEndpoint = (): string => `unix:${directory}/${sockets++}.sock`;

transportContract('unix:', {
  transport: unixTransport,
  freshEndpoint,
  capabilities: {
    ordered: true,
    reliable: true,
    zeroCopy: false,
    local: true,
    encrypted: false,
    descriptorPassing: false,
  },
  active: 'unix',
  silentListener: async () => {
    const endpoint = freshEndpoint();
    const taken: Socket[] = [];
    const server = createServer((socket) => taken.push(socket));
    await new Promise<void>((resolve) => server.listen(endpoint.slice('unix:'.length), resolve));
    return {
      endpoint,
      close: async () => {
        for (const socket of taken) socket.destroy();
        server.close();
      },
    };
  },
});
