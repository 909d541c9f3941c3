import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SpscConsumer, SpscProducer } from '../../../ring/index.ts';
import type { MessageSink, MessageSource } from '../message.ts';
import { batchOf, MEMORY_SPINS, pollWindow, turn } from '../polling.ts';
import type {
  ActorContext,
  Face,
  MessageHandler,
  Receiver,
  Sender,
  SpinDuplex,
  Subject,
} from '../subject.ts';

/** As the channel's default; a record is at most a quarter of it, so messages of 1 MiB get a larger one. */
const CAPACITY_BYTES = 1 << 20;
const MESSAGE_KIND = 1;

interface Rings {
  readonly there: Memory;
  readonly back: Memory;
}

interface Memory {
  readonly memory: ArrayBuffer;
  readonly byteOffset: number;
  readonly capacityBytes: number;
}

/** The responder makes the memory; the initiator opens it through /proc, which needs no transport at all. */
async function openRings(context: ActorContext, role: 'responder' | 'initiator'): Promise<Rings> {
  const { createMemfd, Mapping } = await import('../../../os/index.ts');
  const { SpscRing } = await import('../../../ring/index.ts');
  let capacityBytes = CAPACITY_BYTES;
  while (capacityBytes / 4 < context.bytes + 64) capacityBytes *= 2;
  const ringBytes = SpscRing.bytesNeeded(capacityBytes);
  const note = join(context.directory, 'memory');
  const fd =
    role === 'responder'
      ? createMemfd('tendon-bench', 2 * ringBytes)
      : openSync(readFileSync(note, 'utf8'), 'r+');
  const { buffer } = Mapping.map(fd, { bytes: 2 * ringBytes, writable: true, prefault: true });
  const there = { memory: buffer, byteOffset: 0, capacityBytes };
  const back = { memory: buffer, byteOffset: ringBytes, capacityBytes };
  if (role === 'responder') {
    SpscRing.format(there);
    SpscRing.format(back);
    writeFileSync(note, `/proc/${process.pid}/fd/${fd}`);
  }
  return { there, back };
}

async function producerOf(memory: Memory): Promise<SpscProducer> {
  const { SpscRing } = await import('../../../ring/index.ts');
  return SpscRing.attach(memory).producer();
}

async function consumerOf(memory: Memory): Promise<SpscConsumer> {
  const { SpscRing } = await import('../../../ring/index.ts');
  return SpscRing.attach(memory).consumer();
}

class CopyingSender implements Sender {
  readonly #producer: SpscProducer;

  constructor(producer: SpscProducer) {
    this.#producer = producer;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const producer = this.#producer;
    const message = new Uint8Array(source.bytes);
    const batch = batchOf(source.bytes);
    while (!source.done) {
      producer.cork();
      for (let left = batch; left > 0 && !source.done; left -= 1) {
        source.write(message, 0);
        for (let spins = 0; producer.offer(message) < 0; spins += 1) if (spins >= MEMORY_SPINS) await turn();
      }
      producer.uncork();
    }
  }
}

class InPlaceSender implements Sender {
  readonly #producer: SpscProducer;

  constructor(producer: SpscProducer) {
    this.#producer = producer;
  }

  async sendAll(source: MessageSource): Promise<void> {
    const producer = this.#producer;
    const { bytes } = source;
    const batch = batchOf(bytes);
    while (!source.done) {
      producer.cork();
      for (let left = batch; left > 0 && !source.done; left -= 1) {
        let at = producer.tryClaim(bytes, MESSAGE_KIND);
        for (let spins = 0; at < 0; spins += 1) {
          if (spins >= MEMORY_SPINS) await turn();
          at = producer.tryClaim(bytes, MESSAGE_KIND);
        }
        source.write(producer.bytes, at);
        producer.commit();
      }
      producer.uncork();
    }
  }
}

class PollingReceiver implements Receiver {
  readonly #consumer: SpscConsumer;

  constructor(consumer: SpscConsumer) {
    this.#consumer = consumer;
  }

  receiveAll(sink: MessageSink): Promise<void> {
    const consumer = this.#consumer;
    const handler: MessageHandler = (bytes, offset, length) => sink.accept(bytes, offset, length);
    return pollWindow(() => consumer.poll(handler, 256), sink, MEMORY_SPINS);
  }
}

class RingSpin implements SpinDuplex {
  readonly #producer: SpscProducer;
  readonly #consumer: SpscConsumer;

  constructor(producer: SpscProducer, consumer: SpscConsumer) {
    this.#producer = producer;
    this.#consumer = consumer;
  }

  offer(bytes: Uint8Array): boolean {
    return this.#producer.offer(bytes) >= 0;
  }

  poll(handler: MessageHandler): number {
    return this.#consumer.poll(handler, 1);
  }
}

function oneWay(sender: (producer: SpscProducer) => Sender): Face<Receiver, Sender> {
  return {
    responder: async (context) => {
      const { there } = await openRings(context, 'responder');
      return new PollingReceiver(await consumerOf(there));
    },
    initiator: async (context) => sender(await producerOf((await openRings(context, 'initiator')).there)),
  };
}

const common = {
  group: 'control',
  between: 'processes',
  unavailable: async (): Promise<string | undefined> => {
    const { nativeStatus } = await import('../../../os/index.ts');
    const status = nativeStatus();
    return status.available ? undefined : `without the addon: ${status.reason}`;
  },
} as const;

export const bareRing: Subject = {
  ...common,
  name: 'bare-ring',
  summary: 'the ring of tendon/ring over a memfd, no transport; messages copied in',
  oneWay: oneWay((producer) => new CopyingSender(producer)),
  spin: {
    responder: async (context) => {
      const { there, back } = await openRings(context, 'responder');
      return new RingSpin(await producerOf(back), await consumerOf(there));
    },
    initiator: async (context) => {
      const { there, back } = await openRings(context, 'initiator');
      return new RingSpin(await producerOf(there), await consumerOf(back));
    },
  },
};

export const bareRingInPlace: Subject = {
  ...common,
  name: 'bare-ring-in-place',
  summary: 'the ring of tendon/ring over a memfd, no transport; messages written in place',
  oneWay: oneWay((producer) => new InPlaceSender(producer)),
};
