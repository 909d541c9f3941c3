import { TendonError, throwIfAborted } from '../../core/index.ts';
import {
  type Connection,
  type ConnectOptions,
  type Listener,
  ListenerBase,
  type ListenOptions,
  parseEndpoint,
  type ResolvedConnectionOptions,
  type ResolvedListenOptions,
  resolveConnectOptions,
  resolveListenOptions,
  type Transport,
} from '../index.ts';
import { InprocConnection } from './inproc-connection.ts';

function check(endpoint: string): void {
  const parsed = parseEndpoint(endpoint);
  if (parsed.form === 'name' && parsed.scheme === 'inproc') return;
  throw new TendonError('ENDPOINT_INVALID', `"${endpoint}" is no inproc endpoint: inproc:name`, { endpoint });
}

class InprocListener extends ListenerBase {
  readonly endpoint: string;
  readonly #options: ResolvedListenOptions;

  constructor(endpoint: string, options: ResolvedListenOptions) {
    super(options.backlog);
    this.endpoint = endpoint;
    this.#options = options;
    options.context.registry.set(endpoint, this);
  }

  /** Makes a connection of which the other end is accepted here. */
  admit(options: ResolvedConnectionOptions): Connection {
    if (!this.hasRoom) {
      const what = `${this.endpoint} refused: too many connections wait to be accepted; try again, or raise backlog there`;
      const refusal = new TendonError('CONNECTION_REFUSED', what, { endpoint: this.endpoint });
      this.refused(refusal);
      throw refusal;
    }
    const [client, server] = InprocConnection.pair(this.endpoint, options, this.#options);
    this.deliver(server);
    return client;
  }

  protected async stop(): Promise<void> {
    const { registry } = this.#options.context;
    if (registry.get(this.endpoint) === this) registry.delete(this.endpoint);
  }

  /** Nothing of it is in the event loop. */
  ref(): void {}
  unref(): void {}
}

/** `inproc:NAME`: between two parts of one thread, which share a `context`. */
export const inprocTransport: Transport = {
  scheme: 'inproc',

  async connect(endpoint: string, options?: ConnectOptions): Promise<Connection> {
    check(endpoint);
    const resolved = resolveConnectOptions(options);
    throwIfAborted(resolved.signal, `connecting to ${endpoint}`);
    const listener = resolved.context.registry.get(endpoint);
    if (listener instanceof InprocListener) return listener.admit(resolved);
    const what = `nobody listens on ${endpoint} in this context; both ends must be given the same "context", and the listener comes first`;
    throw new TendonError('ENDPOINT_NOT_FOUND', what, { endpoint });
  },

  async listen(endpoint: string, options?: ListenOptions): Promise<Listener> {
    check(endpoint);
    const resolved = resolveListenOptions(options);
    throwIfAborted(resolved.signal, `listening on ${endpoint}`);
    if (resolved.context.registry.has(endpoint)) {
      throw new TendonError('ENDPOINT_IN_USE', `somebody listens on ${endpoint} already`, { endpoint });
    }
    return new InprocListener(endpoint, resolved);
  },
};
