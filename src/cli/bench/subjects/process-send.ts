import { type ChildProcess, fork } from 'node:child_process';
import type { MessageSink, MessageSource } from '../message.ts';
import type { ActorContext, Duplex, MessageHandler, Receiver, Sender, Subject } from '../subject.ts';

/** `process` in the child and `ChildProcess` in the parent: the two ends of the channel. */
type Channel = Pick<ChildProcess, 'send'> & NodeJS.EventEmitter;

/** Messages whose writing has not been confirmed: past this, the sender waits. */
const MAX_UNCONFIRMED_BYTES = 1 << 20;
const MAX_UNCONFIRMED_MESSAGES = 1024;

function forkInitiator({ initiator, listening }: ActorContext): Promise<Channel> {
  const [program, ...args] = initiator.command;
  const child = fork(initiator.entry, [initiator.argument], {
    serialization: 'advanced',
    execPath: program!,
    // With taskset in front, Node itself is among the leading arguments.
    execArgv: args,
  });
  listening();
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child));
    child.once('error', reject);
  });
}

class ChannelSender implements Sender {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const message = Buffer.allocUnsafe(source.bytes); // serialised before send returns
    const limit = Math.max(2, Math.min(MAX_UNCONFIRMED_MESSAGES, MAX_UNCONFIRMED_BYTES / source.bytes));
    let unconfirmed = 0;
    let resume: (() => void) | undefined;
    const confirm = (): void => {
      unconfirmed -= 1;
      if (unconfirmed <= limit / 2) resume?.();
    };
    while (!source.done) {
      source.write(message, 0);
      unconfirmed += 1;
      this.#channel.send!(message, confirm);
      if (unconfirmed < limit) continue;
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
      resume = undefined;
    }
  }
}

class ChannelReceiver implements Receiver {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  receiveAll(sink: MessageSink): Promise<void> {
    return new Promise((resolve) => {
      const onMessage = (message: Uint8Array): void => {
        sink.accept(message, 0, message.length);
        if (!sink.done) return;
        this.#channel.off('message', onMessage);
        resolve();
      };
      this.#channel.on('message', onMessage);
    });
  }
}

class ChannelDuplex implements Duplex {
  readonly ended: Promise<void>;
  readonly #channel: Channel;
  #handler: MessageHandler = () => {};

  constructor(channel: Channel) {
    this.#channel = channel;
    this.ended = new Promise((resolve) => channel.once('disconnect', () => resolve()));
    channel.on('message', (message: Uint8Array) => this.#handler(message, 0, message.length));
  }

  post(bytes: Uint8Array, offset: number, length: number): void {
    this.#channel.send!(length === bytes.length ? bytes : bytes.subarray(offset, offset + length));
  }

  listen(handler: MessageHandler): void {
    this.#handler = handler;
  }
}

/** This actor's end of the channel to its parent; it has one, as it was forked. */
const toParent = (): Channel => process as Channel;

export const processSend: Subject = {
  name: 'process.send',
  summary:
    'the channel between a Node parent and its forked child, advanced serialization, Uint8Array messages',
  group: 'peer',
  between: 'processes',
  initiatorLives: 'forked',
  oneWay: {
    responder: async (context) => new ChannelReceiver(await forkInitiator(context)),
    initiator: async () => new ChannelSender(toParent()),
  },
  duplex: {
    responder: async (context) => new ChannelDuplex(await forkInitiator(context)),
    initiator: async () => new ChannelDuplex(toParent()),
  },
};
