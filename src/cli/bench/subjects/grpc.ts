import { join } from 'node:path';
import type { Client, Server, ServerReadableStream, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { loadOptional } from '../../../core/index.ts';
import type { MessageSink, MessageSource } from '../message.ts';
import type {
  ActorContext,
  CallClient,
  CallServer,
  Listening,
  Receiver,
  Sender,
  Subject,
} from '../subject.ts';

type Grpc = typeof import('@grpc/grpc-js');
const load = (): Promise<Grpc> =>
  loadOptional('@grpc/grpc-js', '@grpc/grpc-js@^1', () => import('@grpc/grpc-js'));

const UNARY = '/tendon.Bench/Echo';
const STREAM = '/tendon.Bench/Feed';
const raw = (bytes: Buffer): Buffer => bytes;
const EMPTY = Buffer.alloc(0);

function endpoint(context: ActorContext): string {
  return `unix:${join(context.directory, 'grpc.sock')}`;
}

function bind(grpc: Grpc, server: Server, context: ActorContext): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(endpoint(context), grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

/** @param own a channel of its own, not the process-wide pool's connection */
function newClient(grpc: Grpc, context: ActorContext, own = false): Client {
  return new grpc.Client(
    endpoint(context),
    grpc.credentials.createInsecure(),
    own ? { 'grpc.use_local_subchannel_pool': 1 } : {},
  );
}

function ready(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

const METHOD = {
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
  responseStream: false,
} as const;

/** Unary calls of raw buffers. */
class UnaryClient implements CallClient {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  call(request: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(request); // a lane writes its next question only when this one is answered
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(UNARY, raw, raw, bytes, (error, answer) =>
        error === null ? resolve(answer ?? EMPTY) : reject(error),
      );
    });
  }
}

class UnaryServer implements CallServer {
  #answer: (request: Uint8Array) => Uint8Array = (request) => request;

  serve(answer: (request: Uint8Array) => Uint8Array): void {
    this.#answer = answer;
  }

  addTo(server: Server): void {
    const handle = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void =>
      reply(null, this.#answer(call.request) as Buffer); // the answer is the request, a Buffer
    server.addService(
      { Echo: { path: UNARY, requestStream: false, ...METHOD } },
      { Echo: handle as never }, // the library types handlers by a generated service
    );
  }
}

/** A client stream a window; the server answers when it has ended. */
class StreamSender implements Sender {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async sendAll(source: MessageSource): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stream = this.#client.makeClientStreamRequest(STREAM, raw, raw, (error) =>
        error === null ? resolve() : reject(error),
      );
      const write = (): void => {
        while (!source.done) {
          const message = Buffer.allocUnsafe(source.bytes); // framed later
          source.write(message, 0);
          if (source.done) stream.end(message);
          else if (!stream.write(message)) {
            stream.once('drain', write);
            return;
          }
        }
      };
      write();
    });
  }
}

class StreamReceiver implements Receiver {
  #sink: MessageSink | undefined;
  #over: () => void = () => {};

  receiveAll(sink: MessageSink): Promise<void> {
    this.#sink = sink;
    return new Promise((resolve) => {
      this.#over = resolve;
    });
  }

  addTo(server: Server): void {
    const handle = (stream: ServerReadableStream<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
      const sink = this.#sink!; // set before the sender is told to start
      stream.on('data', (message: Buffer) => {
        sink.accept(message, 0, message.length);
        if (sink.done) this.#over();
      });
      stream.on('end', () => reply(null, EMPTY));
    };
    server.addService(
      { Feed: { path: STREAM, requestStream: true, ...METHOD } },
      { Feed: handle as never }, // the library types handlers by a generated service
    );
  }
}

export const grpc: Subject = {
  name: 'grpc-js',
  summary: '@grpc/grpc-js over a Unix socket, raw buffers: a client stream one way, unary calls else',
  group: 'peer',
  between: 'processes',
  unavailable: () =>
    load().then(
      () => undefined,
      (error: Error) => error.message,
    ),
  oneWay: {
    responder: async (context) => {
      const library = await load();
      const server = new library.Server();
      const receiver = new StreamReceiver();
      receiver.addTo(server);
      await bind(library, server, context);
      return receiver;
    },
    initiator: async (context) => {
      const client = newClient(await load(), context);
      await ready(client);
      return new StreamSender(client);
    },
  },
  calls: {
    responder: serveCalls,
    initiator: async (context) => {
      const client = newClient(await load(), context);
      await ready(client);
      return new UnaryClient(client);
    },
  },
  dial: {
    responder: async (context): Promise<Listening> => {
      await serveCalls(context);
      return { listens: true };
    },
    initiator: async (context) => {
      const library = await load();
      return {
        dial: async (message, done) => {
          const client = newClient(library, context, true);
          await new UnaryClient(client).call(message);
          done();
          client.close();
        },
      };
    },
  },
};

async function serveCalls(context: ActorContext): Promise<UnaryServer> {
  const library = await load();
  const server = new library.Server();
  const unary = new UnaryServer();
  unary.addTo(server);
  await bind(library, server, context);
  return unary;
}
