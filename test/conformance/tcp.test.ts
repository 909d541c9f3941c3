import { type AddressInfo, createServer, type Socket } from 'node:net';
import { transportContract } from 'tendon/testing';
import { tcpTransport } from 'tendon/transport/tcp';

transportContract('tcp://', {
  transport: tcpTransport,
  freshEndpoint: () => 'tcp://127.0.0.1:0',
  nobodysEndpoint: () => 'tcp://127.0.0.1:1',
  capabilities: {
    ordered: true,
    reliable: true,
    zeroCopy: false,
    local: false,
    encrypted: false,
    descriptorPassing: false,
  },
  active: 'tcp',
  silentListener: async () => {
    const taken: Socket[] = [];
    const server = createServer((socket) => taken.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      endpoint: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: async () => {
        for (const socket of taken) socket.destroy();
        server.close();
      },
    };
  },
});
