import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { TendonError, throwIfAborted } from '../../core/index.ts';
import {
  type Capabilities,
  type Connection,
  type ConnectOptions,
  hostEndpoint,
  type Listener,
  type ListenOptions,
  parseEndpoint,
  resolveConnectOptions,
  resolveListenOptions,
  type Transport,
} from '../index.ts';
import { connectStream, newServer, StreamListener, startListening } from '../stream-socket/index.ts';

const CAPABILITIES: Capabilities = {
  ordered: true,
  reliable: true,
  zeroCopy: false,
  local: false,
  encrypted: false,
  descriptorPassing: false,
};

/** The kernel asks a peer that is silent this long whether it lives, in ms. */
const KEEP_ALIVE_MS = 15_000;

function hostAndPort(endpoint: string): { host: string; port: number } {
  const parsed = parseEndpoint(endpoint);
  if (parsed.form === 'host' && parsed.scheme === 'tcp') return parsed;
  throw new TendonError('ENDPOINT_INVALID', `"${endpoint}" is no tcp endpoint: tcp://127.0.0.1:7000`, {
    endpoint,
  });
}

/**
 * `tcp://host:port`: frames over TCP, IPv4 and IPv6. Neither encrypted nor authenticated: for networks where
 * everybody is trusted.
 */
export const tcpTransport: Transport = {
  scheme: 'tcp',

  async connect(endpoint: string, options?: ConnectOptions): Promise<Connection> {
    const { host, port } = hostAndPort(endpoint);
    const resolved = resolveConnectOptions(options);
    if (port === 0) {
      throw new TendonError('ENDPOINT_INVALID', `"${endpoint}" names no port to connect to`, { endpoint });
    }
    const dial = () =>
      connect({
        host,
        port,
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      });
    return connectStream({ endpoint, kind: 'tcp', capabilities: CAPABILITIES, dial }, resolved);
  },

  async listen(endpoint: string, options?: ListenOptions): Promise<Listener> {
    const { host, port } = hostAndPort(endpoint);
    const resolved = resolveListenOptions(options);
    throwIfAborted(resolved.signal, `listening on ${endpoint}`);
    const server = newServer();
    await startListening(server, { host, port }, endpoint);
    const bound = server.address() as AddressInfo; // a TCP server that listens has one
    const listening = {
      kind: 'tcp',
      capabilities: CAPABILITIES,
      endpoint: hostEndpoint('tcp', host, bound.port),
      server,
      cleanUp: () => {},
    } as const;
    return new StreamListener(listening, resolved);
  },
};
