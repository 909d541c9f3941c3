import { eventFdDrain, eventFdSignal, Watcher } from 'tendon/os';
import type { SpscConsumer, SpscProducer } from 'tendon/ring';

/** What both processes of the SPSC tests agree on. */
export const CAPACITY = 512 * 1024;

/** xorshift32: both sides draw the same lengths and the same contents. */
export function nextRandom(state: number): number {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  return x ^ (x << 5);
}

/** 1 byte to 64 KiB: most are small. */
export function lengthOf(random: number): number {
  const bits = 7 + ((random >>> 3) % 10);
  return 1 + ((random >>> 8) & ((1 << bits) - 1));
}

/** Each byte follows from the record's number, its place and the direction, so that every byte is checked. */
export function fill(bytes: Uint8Array, at: number, length: number, record: number, direction: number): void {
  for (let i = 0; i < length; i++) bytes[at + i] = record * 7 + i + (i >> 8) + direction * 101;
}
function intact(bytes: Uint8Array, at: number, length: number, record: number, direction: number): boolean {
  for (let i = 0; i < length; i++) {
    if (bytes[at + i] !== ((record * 7 + i + (i >> 8) + direction * 101) & 255)) return false;
  }
  return true;
}

/** Sends records of one direction, as far as the ring takes them. */
export class Sender {
  sent = 0;
  readonly #producer: SpscProducer;
  readonly #direction: number;
  #random: number;

  constructor(producer: SpscProducer, direction: number) {
    this.#producer = producer;
    this.#direction = direction;
    this.#random = 0x1234567 + direction;
  }

  /** @returns how many were sent */
  pump(limit: number): number {
    let sent = 0;
    while (sent < limit) {
      const random = nextRandom(this.#random);
      const length = lengthOf(random);
      const at = this.#producer.tryClaim(length, 1 + this.#direction);
      if (at < 0) break;
      fill(this.#producer.bytes, at, length, this.sent, this.#direction);
      this.#producer.commit();
      this.#random = random;
      this.sent++;
      sent++;
    }
    return sent;
  }
}

export interface Tally {
  received: number;
  /** some byte is not what this record has */
  torn: number;
  /** not the length that comes next: lost, repeated or reordered */
  misplaced: number;
  /** of the other direction: a process heard itself */
  own: number;
}

/** Receives and checks records of one direction. */
export class Receiver {
  readonly tally: Tally = { received: 0, torn: 0, misplaced: 0, own: 0 };
  readonly #consumer: SpscConsumer;
  readonly #direction: number;
  #random: number;

  constructor(consumer: SpscConsumer, direction: number) {
    this.#consumer = consumer;
    this.#direction = direction;
    this.#random = 0x1234567 + direction;
  }

  pump(limit: number): number {
    return this.#consumer.poll(this.#check, limit);
  }

  readonly #check = (bytes: Uint8Array, offset: number, length: number, kind: number): void => {
    this.#random = nextRandom(this.#random);
    if (kind !== 1 + this.#direction) this.tally.own++;
    if (length !== lengthOf(this.#random)) this.tally.misplaced++;
    if (!intact(bytes, offset, length, this.tally.received, this.#direction)) this.tally.torn++;
    this.tally.received++;
  };
}

/** A doorbell between parent and child: an eventfd that both inherited. */
export class Bell {
  readonly #fd: number;
  readonly #watcher: Watcher;
  #rang: (() => void) | undefined;
  rings = 0;

  constructor(fd: number) {
    this.#fd = fd;
    this.#watcher = Watcher.watch(fd, 'readable', () => {
      eventFdDrain(this.#fd);
      this.rings++;
      this.#rang?.();
    });
  }

  /** @returns false when nothing rang for ten seconds: a lost wake-up */
  wait(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), 10_000);
      const done = (rang: boolean) => {
        clearTimeout(timer);
        this.#rang = undefined;
        resolve(rang);
      };
      this.#rang = () => done(true);
    });
  }

  close(): void {
    this.#watcher.close();
  }
}

export function ringBell(fd: number): { notify(): void } {
  return { notify: () => void eventFdSignal(fd) };
}
