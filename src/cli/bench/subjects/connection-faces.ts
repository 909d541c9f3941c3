import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Context } from '../../../core/index.ts';
import type { Connection, Listener, Transport } from '../../../transport/index.ts';
import type { MessageSink, MessageSource } from '../message.ts';
import { batchOf, pollWindow, turn } from '../polling.ts';
import type {
  ActorContext,
  Duplex,
  MessageHandler,
  Receiver,
  Sender,
  SpinDuplex,
  Subject,
} from '../subject.ts';

/** What differs from transport to transport; all else goes through the contract of `tendon/transport`. */
export interface Way {
  readonly load: () => Promise<Transport>;
  readonly endpoint: (context: ActorContext) => string;
  /** more options for `listen`, as the transport names them */
  readonly listenOptions?: (context: ActorContext) => object;
  /** how often a refused send, or a fruitless poll, is tried again before the event loop gets a turn */
  readonly spins: number;
}

const FRAMES_PER_POLL = 256;
export function contextOf({ directory, shared }: ActorContext): Context {
  const known = shared.get('context') as Context | undefined; // set in the next line alone
  const context = known ?? new Context({ runtimeDirectory: directory });
  shared.set('context', context);
  return context;
}

/** The listener's endpoint, with a port that the system chose, is left where the initiator finds it. */
function noteOf(context: ActorContext): string {
  return join(context.directory, 'endpoint');
}

export async function listen(way: Way, context: ActorContext): Promise<Listener> {
  const transport = await way.load();
  const listener = await transport.listen(way.endpoint(context), {
    context: contextOf(context),
    ...way.listenOptions?.(context),
  });
  writeFileSync(noteOf(context), listener.endpoint);
  return listener;
}

export async function acceptOne(way: Way, context: ActorContext): Promise<Connection> {
  const listener = await listen(way, context);
  const accepting = listener.accept();
  context.listening();
  return await accepting;
}

export async function dial(way: Way, context: ActorContext): Promise<Connection> {
  const transport = await way.load();
  return transport.connect(readFileSync(noteOf(context), 'utf8'), { context: contextOf(context) });
}

class OfferingSender implements Sender {
  readonly #connection: Connection;
  readonly #spins: number;

  constructor(connection: Connection, spins: number) {
    this.#connection = connection;
    this.#spins = spins;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const connection = this.#connection;
    const message = new Uint8Array(source.bytes);
    const batch = batchOf(source.bytes);
    while (!source.done) {
      connection.cork();
      for (let left = batch; left > 0 && !source.done; left -= 1) {
        source.write(message, 0);
        if (connection.offer(message) >= 0) continue;
        await this.#offerAgain(message);
        break;
      }
      connection.uncork();
    }
  }

  /** What was gathered goes out before anybody waits for room. */
  async #offerAgain(message: Uint8Array): Promise<void> {
    this.#connection.uncork();
    for (let spins = 0; spins < this.#spins; spins += 1) {
      if (this.#connection.offer(message) >= 0) return;
    }
    await this.#connection.send(message);
  }
}

export class ClaimingSender implements Sender {
  readonly #connection: Connection;
  readonly #spins: number;

  constructor(connection: Connection, spins: number) {
    this.#connection = connection;
    this.#spins = spins;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const connection = this.#connection;
    const { bytes } = source;
    const batch = batchOf(bytes);
    while (!source.done) {
      connection.cork();
      for (let left = batch; left > 0 && !source.done; left -= 1) {
        let at = connection.tryClaim(bytes);
        for (let spins = 0; at < 0; spins += 1) {
          if (spins >= this.#spins) await turn();
          at = connection.tryClaim(bytes);
        }
        source.write(connection.claimBuffer, at);
        connection.commit();
      }
      connection.uncork();
    }
  }
}

export class PollingReceiver implements Receiver {
  readonly #connection: Connection;
  readonly #spins: number;

  constructor(connection: Connection, spins: number) {
    this.#connection = connection;
    this.#spins = spins;
  }

  receiveAll(sink: MessageSink): Promise<void> {
    const connection = this.#connection;
    const handler: MessageHandler = (bytes, offset, length) => sink.accept(bytes, offset, length);
    return pollWindow(() => connection.poll(handler, FRAMES_PER_POLL), sink, this.#spins);
  }
}

/** Served by the connection's poller: the event loop while there is traffic, a doorbell when there is none. */
class ConsumingDuplex implements Duplex {
  readonly ended: Promise<void>;
  readonly #connection: Connection;
  #handler: MessageHandler = () => {};

  constructor(connection: Connection) {
    this.#connection = connection;
    this.ended = new Promise((resolve) => {
      connection.events.on('state', (state) => {
        if (state === 'closed') resolve();
      });
    });
    connection.consume((bytes, offset, length) => this.#handler(bytes, offset, length));
  }

  post(bytes: Uint8Array, offset: number, length: number): void {
    if (this.#connection.offer(bytes, offset, length) >= 0) return;
    void this.#connection.send(bytes.slice(offset, offset + length));
  }

  listen(handler: MessageHandler): void {
    this.#handler = handler;
  }
}

export class PolledSpin implements SpinDuplex {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  offer(bytes: Uint8Array): boolean {
    return this.#connection.offer(bytes) >= 0;
  }

  poll(handler: MessageHandler): number {
    return this.#connection.poll(handler, 1);
  }
}

/** The faces that every transport has. */
export function contractFaces(way: Way): Pick<Subject, 'oneWay' | 'duplex' | 'dial'> {
  return {
    oneWay: {
      responder: async (context) => new PollingReceiver(await acceptOne(way, context), way.spins),
      initiator: async (context) => new OfferingSender(await dial(way, context), way.spins),
    },
    duplex: {
      responder: async (context) => new ConsumingDuplex(await acceptOne(way, context)),
      initiator: async (context) => new ConsumingDuplex(await dial(way, context)),
    },
    dial: {
      responder: async (context) => {
        const listener = await listen(way, context);
        void (async () => {
          for await (const connection of listener) {
            connection.consume((bytes, offset, length) => void connection.offer(bytes, offset, length));
          }
        })();
        return { listens: true };
      },
      initiator: async (context) => ({
        dial: async (message, done) => {
          const connection = await dial(way, context);
          await new Promise<void>((resolve) => {
            connection.consume(() => {
              done();
              resolve();
            });
            connection.offer(message);
          });
          await connection.close();
        },
      }),
    },
  };
}
