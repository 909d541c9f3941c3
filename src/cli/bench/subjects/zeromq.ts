import { join } from 'node:path';
import type { Dealer, Pull, Push } from 'zeromq';
import { loadOptional } from '../../../core/index.ts';
import type { MessageSink, MessageSource } from '../message.ts';
import type { ActorContext, Duplex, MessageHandler, Receiver, Sender, Subject } from '../subject.ts';

const load = (): Promise<typeof import('zeromq')> =>
  loadOptional('zeromq', 'zeromq@^6', () => import('zeromq'));

function endpoint(context: ActorContext): string {
  return `ipc://${join(context.directory, 'zmq.sock')}`;
}

class PushSender implements Sender {
  readonly #push: Push;

  constructor(push: Push) {
    this.#push = push;
  }

  async sendAll(source: MessageSource): Promise<void> {
    while (!source.done) {
      const message = Buffer.allocUnsafe(source.bytes); // the library may keep it until it is written
      source.write(message, 0);
      await this.#push.send(message); // it refuses a second send before the first is accepted
    }
  }
}

class PullReceiver implements Receiver {
  readonly #pull: Pull;

  constructor(pull: Pull) {
    this.#pull = pull;
  }

  async receiveAll(sink: MessageSink): Promise<void> {
    while (!sink.done) {
      const [message] = await this.#pull.receive();
      sink.accept(message!, 0, message!.length);
    }
  }
}

class DealerDuplex implements Duplex {
  readonly ended: Promise<void>;
  readonly #dealer: Dealer;
  readonly #queue: Uint8Array[] = [];
  #sending = false;
  #handler: MessageHandler = () => {};

  constructor(dealer: Dealer) {
    this.#dealer = dealer;
    this.ended = new Promise((resolve) => dealer.events.on('disconnect', () => resolve()));
    void this.#receive();
  }

  post(bytes: Uint8Array, offset: number, length: number): void {
    this.#queue.push(bytes.slice(offset, offset + length));
    if (!this.#sending) void this.#send();
  }

  listen(handler: MessageHandler): void {
    this.#handler = handler;
  }

  async #send(): Promise<void> {
    this.#sending = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#dealer.send(next);
    }
    this.#sending = false;
  }

  async #receive(): Promise<void> {
    for await (const [message] of this.#dealer) this.#handler(message!, 0, message!.length);
  }
}

export const zeromq: Subject = {
  name: 'zeromq',
  summary: 'zeromq.js over ipc: PUSH to PULL one way, DEALER to DEALER for round trips and echoes',
  group: 'peer',
  between: 'processes',
  unavailable: () =>
    load().then(
      () => undefined,
      (error: Error) => error.message,
    ),
  oneWay: {
    responder: async (context) => {
      const { Pull } = await load();
      const pull = new Pull();
      await pull.bind(endpoint(context));
      return new PullReceiver(pull);
    },
    initiator: async (context) => {
      const { Push } = await load();
      const push = new Push();
      push.connect(endpoint(context));
      return new PushSender(push);
    },
  },
  duplex: {
    responder: async (context) => {
      const { Dealer } = await load();
      const dealer = new Dealer();
      await dealer.bind(endpoint(context));
      return new DealerDuplex(dealer);
    },
    initiator: async (context) => {
      const { Dealer } = await load();
      const dealer = new Dealer();
      dealer.connect(endpoint(context));
      return new DealerDuplex(dealer);
    },
  },
  dial: {
    responder: async (context) => {
      const { Router } = await load();
      const router = new Router();
      await router.bind(endpoint(context));
      void (async () => {
        for await (const message of router) await router.send(message);
      })();
      return { listens: true };
    },
    initiator: async (context) => {
      const { Dealer } = await load();
      return {
        dial: async (message, done) => {
          const dealer = new Dealer({ linger: 0 });
          dealer.connect(endpoint(context));
          await dealer.send(message);
          await dealer.receive();
          done();
          dealer.close();
        },
      };
    },
  },
};
