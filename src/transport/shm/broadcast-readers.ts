import { TendonError } from '../../core/index.ts';
import { checkSealedMemfd, closeFd, Mapping } from '../../os/index.ts';
import { type BroadcastReader, BroadcastRing, type RingWaiter } from '../../ring/index.ts';
import type { FrameHandler } from '../contract.ts';
import type { LifeLine } from './life-line.ts';
import {
  BROADCAST_READY,
  BROADCAST_REFUSED,
  type BroadcastOffer,
  broadcastIdMessage,
  protocolError,
  readBroadcast,
} from './protocol.ts';

/** Broadcasts that one connection may be subscribed to. */
const MAX_BROADCASTS = 16;

interface Subscription {
  readonly id: number;
  readonly reader: BroadcastReader;
  readonly data: Mapping;
  readonly cursor: Mapping;
  ended: boolean;
}

const NO_HANDLER: FrameHandler = () => {};

/** The broadcasts that a client's connection is subscribed to: each a ring to read, and a cursor of its own to write. */
export class BroadcastReaders {
  readonly #endpoint: string;
  readonly #maxFrameBytes: number;
  readonly #waiter: RingWaiter;
  #subscriptions: Subscription[] = [];
  #handler: FrameHandler = NO_HANDLER;
  #handling = false;
  /** frames and bytes of the last `poll` */
  frames = 0;
  bytes = 0;
  /** a broadcast that no correct writer writes: the connection has to go */
  failure: TendonError | undefined = undefined;

  constructor(endpoint: string, maxFrameBytes: number, waiter: RingWaiter) {
    this.#endpoint = endpoint;
    this.#maxFrameBytes = maxFrameBytes;
    this.#waiter = waiter;
  }

  get count(): number {
    return this.#subscriptions.length;
  }

  /**
   * Checks and maps what a BROADCAST message hands over.
   *
   * @returns the answer for the listener
   * @throws TendonError PROTOCOL_ERROR, REGION_UNSAFE, REGION_CORRUPT
   */
  add(body: Uint8Array, life: LifeLine): Uint8Array {
    const offer = readBroadcast(body, this.#endpoint);
    const dataFd = life.takeFd();
    const cursorFd = life.takeFd();
    try {
      if (dataFd === undefined || cursorFd === undefined) {
        throw protocolError(this.#endpoint, 'BROADCAST without its two descriptors');
      }
      if (
        this.#subscriptions.length === MAX_BROADCASTS ||
        this.#subscriptions.some(({ id }) => id === offer.id)
      ) {
        throw protocolError(this.#endpoint, `BROADCAST ${offer.id} is there already, or is one too many`);
      }
      this.#subscriptions.push(this.#open(offer, dataFd, cursorFd));
      return broadcastIdMessage(BROADCAST_READY, offer.id);
    } catch (error) {
      if (TendonError.is(error, 'OPTION_INVALID')) {
        throw protocolError(this.#endpoint, `BROADCAST with impossible sizes: ${error.message}`);
      }
      const shortage = TendonError.is(error, 'RESOURCE_EXHAUSTED') || TendonError.is(error, 'SYSTEM_ERROR');
      if (!shortage) throw error;
      return broadcastIdMessage(BROADCAST_REFUSED, offer.id);
    } finally {
      if (dataFd !== undefined) closeFd(dataFd);
      if (cursorFd !== undefined) closeFd(cursorFd);
    }
  }

  /** The listener ended the subscription: what is there is still handed over. */
  end(id: number): void {
    for (const subscription of this.#subscriptions) if (subscription.id === id) subscription.ended = true;
  }

  /** Hands over up to `limit` frames of all broadcasts; errors of the handler pass, those of a ring are in `failure`. */
  poll(handler: FrameHandler, limit: number): number {
    this.#handler = handler;
    this.frames = 0;
    this.bytes = 0;
    for (let index = 0; index < this.#subscriptions.length && this.frames < limit; index++) {
      const subscription = this.#subscriptions[index]!;
      this.#handling = false;
      let count: number;
      try {
        count = subscription.reader.poll(this.#onRecord, limit - this.frames);
      } catch (error) {
        if (this.#handling || !TendonError.is(error, 'REGION_CORRUPT')) throw error;
        this.failure = error;
        return this.frames;
      }
      if (this.failure !== undefined) return this.frames;
      if (count < 0 || (count === 0 && subscription.ended)) {
        this.#close(subscription);
        index--;
      }
    }
    return this.frames;
  }

  stop(): void {
    for (const { reader } of this.#subscriptions) reader.stop();
  }

  hasUnread(): boolean {
    return this.#subscriptions.some(({ reader }) => {
      const awake = !reader.park();
      reader.unpark();
      return awake;
    });
  }

  park(): boolean {
    return this.#subscriptions.every(({ reader }) => reader.park());
  }

  unpark(): void {
    for (const { reader } of this.#subscriptions) reader.unpark();
  }

  close(): void {
    for (const subscription of [...this.#subscriptions]) this.#close(subscription);
  }

  readonly #onRecord = (bytes: Uint8Array, offset: number, length: number): void => {
    if (length > this.#maxFrameBytes) {
      const message = `${this.#endpoint}: a broadcast frame of ${length} bytes, ${this.#maxFrameBytes} were agreed on`;
      this.failure = new TendonError('REGION_CORRUPT', message, { what: 'frame length', value: length });
      this.stop();
      return;
    }
    this.frames++;
    this.bytes += length;
    this.#handling = true;
    this.#handler(bytes, offset, length);
    this.#handling = false;
  };

  #open(offer: BroadcastOffer, dataFd: number, cursorFd: number): Subscription {
    if (
      offer.dataBytes < BroadcastRing.bytesNeeded(offer.ringBytes) ||
      offer.cursorBytes < BroadcastRing.cursorBytes
    ) {
      throw protocolError(this.#endpoint, `BROADCAST with an impossible layout: ${JSON.stringify(offer)}`);
    }
    checkSealedMemfd(dataFd, offer.dataBytes, { futureWrite: true });
    checkSealedMemfd(cursorFd, offer.cursorBytes);
    const data = Mapping.map(dataFd, { bytes: offer.dataBytes, writable: false });
    let cursor: Mapping | undefined;
    try {
      cursor = Mapping.map(cursorFd, { bytes: offer.cursorBytes, writable: true });
      const ring = BroadcastRing.attach({ memory: data.buffer, capacityBytes: offer.ringBytes });
      const reader = ring.reader({ memory: cursor.buffer, waiter: this.#waiter });
      return { id: offer.id, reader, data, cursor, ended: false };
    } catch (error) {
      cursor?.close();
      data.close();
      throw error;
    }
  }

  #close(subscription: Subscription): void {
    this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
    subscription.reader.close();
    subscription.cursor.close();
    subscription.data.close();
  }
}
