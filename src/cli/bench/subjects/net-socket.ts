import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { FrameParser, PREFIX_BYTES } from '../frame-parser.ts';
import type { MessageSink, MessageSource } from '../message.ts';
import type {
  ActorContext,
  Dialer,
  Duplex,
  Face,
  Listening,
  MessageHandler,
  Receiver,
  Sender,
  Subject,
} from '../subject.ts';

/** Corked: how much is gathered before it is handed to the socket. */
const BATCH_BYTES = 64 * 1024;

type Style = 'naive' | 'corked';

function socketPath(context: ActorContext): string {
  return join(context.directory, 'net.sock');
}

/** Listens, and resolves with the first connection. */
function acceptOne(context: ActorContext): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      server.close();
      resolve(socket);
    });
    server.once('error', reject);
    server.listen(socketPath(context), () => context.listening());
  });
}

function dialSocket(context: ActorContext): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(context));
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** A write a message, as most programs do it; waits when the socket says so. */
class NaiveSender implements Sender {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const { bytes } = source;
    while (!source.done) {
      const frame = Buffer.allocUnsafe(PREFIX_BYTES + bytes); // the socket keeps it until it is written
      frame.writeInt32LE(bytes, 0);
      source.write(frame, PREFIX_BYTES);
      if (!this.#socket.write(frame)) await drained(this.#socket);
    }
  }
}

/** Gathers messages in 64 KiB batches by hand: what a socket can do at best. */
class CorkedSender implements Sender {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const { bytes } = source;
    const frameBytes = PREFIX_BYTES + bytes;
    const batchBytes = Math.max(1, Math.floor(BATCH_BYTES / frameBytes)) * frameBytes;
    while (!source.done) {
      const batch = Buffer.allocUnsafeSlow(batchBytes);
      let at = 0;
      while (at < batchBytes && !source.done) {
        batch.writeInt32LE(bytes, at);
        source.write(batch, at + PREFIX_BYTES);
        at += frameBytes;
      }
      if (!this.#socket.write(at === batchBytes ? batch : batch.subarray(0, at))) await drained(this.#socket);
    }
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('drain', resolve));
}

class SocketReceiver implements Receiver {
  #sink: MessageSink | undefined;
  #over: () => void = () => {};

  constructor(socket: Socket, bytes: number) {
    const parser = new FrameParser(bytes, (frame, offset, length) => {
      const sink = this.#sink!; // set before the sender is told to start
      sink.accept(frame, offset, length);
      if (sink.done) this.#over();
    });
    socket.on('data', (chunk) => parser.push(chunk));
  }

  receiveAll(sink: MessageSink): Promise<void> {
    this.#sink = sink;
    return new Promise((resolve) => {
      this.#over = resolve;
    });
  }
}

/** Answers are written at once (naive), or once for all that one read brought (corked). */
class SocketDuplex implements Duplex {
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #corked: boolean;
  #handler: MessageHandler = () => {};
  #flushing = false;

  constructor(socket: Socket, bytes: number, style: Style) {
    this.#socket = socket;
    this.#corked = style === 'corked';
    socket.on('error', () => {}); // 'close' follows
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    const parser = new FrameParser(bytes, (frame, offset, length) => this.#handler(frame, offset, length));
    socket.on('data', (chunk) => parser.push(chunk));
  }

  post(bytes: Uint8Array, offset: number, length: number): void {
    const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
    frame.writeInt32LE(length, 0);
    frame.set(length === bytes.length ? bytes : bytes.subarray(offset, offset + length), PREFIX_BYTES);
    if (this.#corked && !this.#flushing) {
      this.#flushing = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#flushing = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame);
  }

  listen(handler: MessageHandler): void {
    this.#handler = handler;
  }
}

const dial: Face<Listening, Dialer> = {
  responder: (context) =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.pipe(socket);
      });
      server.once('error', reject);
      server.listen(socketPath(context), () => resolve({ listens: true }));
    }),
  initiator: async (context) => ({
    dial: (message, done) =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(socketPath(context));
        let received = 0;
        socket.once('error', reject);
        socket.once('connect', () => socket.write(message));
        socket.on('data', (chunk) => {
          received += chunk.length;
          if (received < message.length) return;
          done();
          socket.destroy();
          resolve();
        });
      }),
  }),
};

function faces(style: Style): Pick<Subject, 'oneWay' | 'duplex'> {
  return {
    oneWay: {
      responder: async (context) => new SocketReceiver(await acceptOne(context), context.bytes),
      initiator: async (context) => {
        const socket = await dialSocket(context);
        return style === 'naive' ? new NaiveSender(socket) : new CorkedSender(socket);
      },
    },
    duplex: {
      responder: async (context) => new SocketDuplex(await acceptOne(context), context.bytes, style),
      initiator: async (context) => new SocketDuplex(await dialSocket(context), context.bytes, style),
    },
  };
}

export const netNaive: Subject = {
  name: 'net',
  summary: 'node:net over a Unix socket, length-prefixed frames, one write a message',
  group: 'peer',
  between: 'processes',
  ...faces('naive'),
  dial,
};

export const netCorked: Subject = {
  name: 'net-corked',
  summary: 'node:net over a Unix socket, length-prefixed frames gathered by hand in 64 KiB batches',
  group: 'peer',
  between: 'processes',
  ...faces('corked'),
};
