import { createServer, type ListenOptions as NetListenOptions, type Server, type Socket } from 'node:net';
import { TendonError } from '../../core/index.ts';
import { type Capabilities, ListenerBase, type ResolvedListenOptions } from '../index.ts';
import { shakeHands } from './handshake.ts';
import { REFUSED_BACKLOG, REFUSED_CLOSING, WELCOME } from './layout.ts';
import { StreamConnection } from './stream-connection.ts';
import { fromSystemError } from './system-errors.ts';

export interface Listening {
  readonly kind: 'unix' | 'tcp';
  readonly capabilities: Capabilities;
  /** the endpoint with what the system has chosen filled in */
  readonly endpoint: string;
  readonly server: Server;
  /** frees what belongs to the listener besides its server */
  readonly cleanUp: () => void;
}

/** How many connections the kernel may hold that nobody has taken; it applies its own limit (somaxconn). */
const KERNEL_BACKLOG = 4096;

/** A server that accepts half-open sockets and does not listen yet. */
export function newServer(): Server {
  return createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
}

/** Makes `server` listen. `exclusive`: in a cluster each process has its own. */
export function startListening(server: Server, where: NetListenOptions, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(fromSystemError(error, endpoint, 'listen on'));
    server.once('error', onError);
    server.listen({ ...where, exclusive: true, backlog: KERNEL_BACKLOG }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/**
 * Accepts stream connections. Handshakes run side by side, at most `maxHandshakes`: one that comes when so many are
 * under way takes the place of the one that has kept silent for longest, so that silent peers cannot shut the
 * others out.
 */
export class StreamListener extends ListenerBase {
  readonly endpoint: string;
  readonly #listening: Listening;
  readonly #options: ResolvedListenOptions;
  /** sockets whose hello has not come, the oldest first */
  readonly #pending = new Set<Socket>();

  constructor(listening: Listening, options: ResolvedListenOptions) {
    super(options.backlog);
    this.endpoint = listening.endpoint;
    this.#listening = listening;
    this.#options = options;
    listening.server.on('connection', (socket) => this.#welcome(socket));
    // Accepting one failed (no descriptors left): the others go on.
    listening.server.on('error', (error) => this.refused(fromSystemError(error, this.endpoint, 'listen on')));
  }

  ref(): void {
    this.#listening.server.ref();
  }

  unref(): void {
    this.#listening.server.unref();
  }

  protected async stop(): Promise<void> {
    // Not awaited: Node's server says that it is closed when its last connection is, and ours live on.
    this.#listening.server.close();
    for (const socket of this.#pending) socket.destroy();
    this.#listening.cleanUp();
  }

  #welcome(socket: Socket): void {
    if (this.#pending.size >= this.#options.maxHandshakes) this.#turnAwayOldest();
    this.#pending.add(socket);
    this.#shakeHands(socket).catch((error: unknown) => this.refused(error as TendonError)); // it throws nothing else
  }

  async #shakeHands(socket: Socket): Promise<void> {
    try {
      const agreed = await shakeHands(socket, {
        endpoint: this.endpoint,
        role: 'listener',
        maxFrameBytes: this.#options.maxFrameBytes,
        clock: this.#options.context.clock,
        timeoutMs: this.#options.handshakeTimeoutMs,
        signal: undefined,
        admit: () => (this.closed ? REFUSED_CLOSING : this.hasRoom ? WELCOME : REFUSED_BACKLOG),
      });
      const { kind, capabilities } = this.#listening;
      const identity = { endpoint: this.endpoint, capabilities, peer: undefined };
      this.deliver(new StreamConnection(identity, this.#options, { socket, ...agreed, kind }));
    } finally {
      this.#pending.delete(socket);
    }
  }

  #turnAwayOldest(): void {
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    this.#pending.delete(oldest);
    const what = `${this.endpoint} turned away a peer that kept silent while ${this.#options.maxHandshakes} handshakes were under way`;
    oldest.destroy(new TendonError('CONNECTION_REFUSED', what, { endpoint: this.endpoint }));
  }
}
