import { connect } from 'node:net';
import { TendonError, throwIfAborted } from '../../core/index.ts';
import {
  type Capabilities,
  type Connection,
  type ConnectOptions,
  type Listener,
  type ListenOptions,
  parseEndpoint,
  resolveConnectOptions,
  resolveListenOptions,
  type Transport,
} from '../index.ts';
import { connectStream, newServer, StreamListener } from '../stream-socket/index.ts';
import { checkSocketPath, listenAtPath } from './socket-file.ts';

const CAPABILITIES: Capabilities = {
  ordered: true,
  reliable: true,
  zeroCopy: false,
  local: true,
  encrypted: false,
  descriptorPassing: false,
};

function socketPath(endpoint: string): string {
  const parsed = parseEndpoint(endpoint);
  if (parsed.form === 'path' && parsed.scheme === 'unix') return parsed.path;
  throw new TendonError('ENDPOINT_INVALID', `"${endpoint}" is no unix endpoint: unix:/run/app.sock`, {
    endpoint,
  });
}

/** `unix:/path`: frames over a Unix stream socket that only this user can open (mode 0600). */
export const unixTransport: Transport = {
  scheme: 'unix',

  async connect(endpoint: string, options?: ConnectOptions): Promise<Connection> {
    const path = socketPath(endpoint);
    checkSocketPath(path);
    const dial = () => connect({ path, allowHalfOpen: true });
    return connectStream(
      { endpoint, kind: 'unix', capabilities: CAPABILITIES, dial },
      resolveConnectOptions(options),
    );
  },

  async listen(endpoint: string, options?: ListenOptions): Promise<Listener> {
    const path = socketPath(endpoint);
    const resolved = resolveListenOptions(options);
    throwIfAborted(resolved.signal, `listening on ${endpoint}`);
    const server = newServer();
    const cleanUp = await listenAtPath(server, path, endpoint);
    const listening = { kind: 'unix', capabilities: CAPABILITIES, endpoint, server, cleanUp } as const;
    return new StreamListener(listening, resolved);
  },
};
