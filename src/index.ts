/**
 * Tendon: messaging between processes at the speed of memory.
 *
 * `listen` and `connect` take an endpoint URL and give a connection that carries frames; `ServiceStub` and
 * `ServiceProxy` make typed calls of it.
 */
import { type Connection, type Listener, parseEndpoint, type Transport } from './transport/index.ts';
import { inprocTransport } from './transport/inproc/index.ts';
import { type ShmConnectOptions, type ShmListenOptions, shmTransport } from './transport/shm/index.ts';
import { tcpTransport } from './transport/tcp/index.ts';
import { unixTransport } from './transport/unix/index.ts';

export {
  BACK_PRESSURED,
  CLOSED,
  Context,
  type ContextOptions,
  type ErrorCode,
  type Logger,
  Poller,
  type PollerOptions,
  TendonError,
} from './core/index.ts';
export * from './rpc/index.ts';
export type {
  Broadcast,
  BroadcastOptions,
  Connection,
  ConnectionState,
  ConnectionStats,
  FrameHandler,
  Listener,
  Peer,
} from './transport/index.ts';

/** Options of every transport; each refuses those of another. */
export type AnyConnectOptions = ShmConnectOptions;
export type AnyListenOptions = ShmListenOptions;

const TRANSPORTS: readonly Transport[] = [inprocTransport, shmTransport, tcpTransport, unixTransport];

/**
 * Opens a connection.
 *
 * - `shm:NAME` shared memory between two processes of this host, over a Unix socket where there is none
 * - `auto:NAME` the best that both ends can: today the same as `shm:NAME`
 * - `unix:/path`, `tcp://host:port`, `inproc:NAME` (with the listener's `context`)
 *
 * @throws TendonError ENDPOINT_INVALID, ENDPOINT_NOT_FOUND, CONNECT_TIMEOUT and what the transport says
 */
export function connect(endpoint: string, options?: AnyConnectOptions): Promise<Connection> {
  return transportOf(endpoint).connect(resolveName(endpoint), options);
}

/**
 * Accepts connections at an endpoint; the forms are those of `connect`. Port 0 takes a free one: see
 * `listener.endpoint`.
 *
 * @throws TendonError ENDPOINT_INVALID, ENDPOINT_IN_USE and what the transport says
 */
export function listen(endpoint: string, options?: AnyListenOptions): Promise<Listener> {
  return transportOf(endpoint).listen(resolveName(endpoint), options);
}

/** `auto:` listeners and connections meet at the channel of that name: memory, or its socket. */
function resolveName(endpoint: string): string {
  const parsed = parseEndpoint(endpoint);
  return parsed.form === 'name' && parsed.scheme === 'auto' ? `shm:${parsed.name}` : endpoint;
}

function transportOf(endpoint: string): Transport {
  const { scheme } = parseEndpoint(resolveName(endpoint));
  const transport = TRANSPORTS.find((candidate) => candidate.scheme === scheme);
  if (transport === undefined) throw new Error(`no transport for the scheme ${scheme}`); // parseEndpoint knows them all
  return transport;
}
