import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { MessageSink, MessageSource } from '../message.ts';
import type { ActorContext, Duplex, MessageHandler, Receiver, Sender, Subject } from '../subject.ts';

/** A port has no back-pressure: the receiver gives credit, this many times a window. */
const CREDITS_PER_WINDOW = 4;
const WINDOW_BYTES = 4 << 20;
const WINDOW_MESSAGES = 1024;

function windowFor(bytes: number): number {
  return Math.max(CREDITS_PER_WINDOW, Math.min(WINDOW_MESSAGES, Math.floor(WINDOW_BYTES / bytes)));
}

function startWorker({ initiator }: ActorContext): MessagePort {
  const { port1, port2 } = new MessageChannel();
  new Worker(initiator.entry, {
    workerData: { argument: initiator.argument, handedOver: port2 },
    transferList: [port2],
  });
  return port1;
}

class PortSender implements Sender {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const message = new Uint8Array(source.bytes); // cloned before postMessage returns
    let credit = windowFor(source.bytes);
    let resume: (() => void) | undefined;
    const onCredit = (given: number): void => {
      credit += given;
      resume?.();
    };
    this.#port.on('message', onCredit);
    while (!source.done) {
      source.write(message, 0);
      this.#port.postMessage(message);
      credit -= 1;
      if (credit > 0) continue;
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
      resume = undefined;
    }
    this.#port.off('message', onCredit);
  }
}

class PortReceiver implements Receiver {
  readonly #port: MessagePort;
  readonly #creditStep: number;

  constructor(port: MessagePort, bytes: number) {
    this.#port = port;
    this.#creditStep = windowFor(bytes) / CREDITS_PER_WINDOW;
  }

  receiveAll(sink: MessageSink): Promise<void> {
    let ungiven = 0;
    return new Promise((resolve) => {
      const onMessage = (message: Uint8Array): void => {
        sink.accept(message, 0, message.length);
        ungiven += 1;
        if (ungiven >= this.#creditStep) {
          this.#port.postMessage(ungiven);
          ungiven = 0;
        }
        if (!sink.done) return;
        this.#port.off('message', onMessage);
        resolve();
      };
      this.#port.on('message', onMessage);
    });
  }
}

class PortDuplex implements Duplex {
  readonly #port: MessagePort;
  #handler: MessageHandler = () => {};

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: Uint8Array) => this.#handler(message, 0, message.length));
  }

  post(bytes: Uint8Array, offset: number, length: number): void {
    this.#port.postMessage(length === bytes.length ? bytes : bytes.slice(offset, offset + length));
  }

  listen(handler: MessageHandler): void {
    this.#handler = handler;
  }
}

/** The worker was handed a port by `startWorker`. */
const handedPort = (context: ActorContext): MessagePort => context.handedOver as MessagePort;

export const messagePort: Subject = {
  name: 'MessagePort',
  summary: 'two worker threads of one process (does not cross processes), cloned Uint8Array messages',
  group: 'peer',
  between: 'threads',
  initiatorLives: 'worker',
  oneWay: {
    responder: async (context) => new PortReceiver(startWorker(context), context.bytes),
    initiator: async (context) => new PortSender(handedPort(context)),
  },
  duplex: {
    responder: async (context) => new PortDuplex(startWorker(context)),
    initiator: async (context) => new PortDuplex(handedPort(context)),
  },
};
