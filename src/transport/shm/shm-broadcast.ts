import { BACK_PRESSURED, TendonError } from '../../core/index.ts';
import {
  addSeals,
  closeFd,
  createMemfd,
  Mapping,
  pageSize,
  SEAL_FUTURE_WRITE,
  SEAL_GROW,
  SEAL_SEAL,
  SEAL_SHRINK,
} from '../../os/index.ts';
import {
  type BroadcastCursor,
  BroadcastRing,
  type BroadcastWriter,
  type EvictionReason,
} from '../../ring/index.ts';
import type { Broadcast, BroadcastOptions, Connection } from '../contract.ts';
import { FanOut, resolveBroadcastOptions } from '../fan-out.ts';
import { BROADCAST_END, broadcastIdMessage, broadcastMessage } from './protocol.ts';
import { ShmConnection } from './shm-connection.ts';

const DATA_SEALS = SEAL_SHRINK | SEAL_GROW | SEAL_FUTURE_WRITE | SEAL_SEAL;
const FRAME = 1;

interface Subscriber {
  readonly connection: ShmConnection;
  readonly cursor: BroadcastCursor;
  readonly mapping: Mapping;
}

/**
 * A broadcast that is written once: one ring in a memfd that only this process can write, handed to each subscriber
 * together with a cursor of its own, so that no subscriber can harm another. Subscribers without memory get each
 * frame over their socket instead.
 *
 * A frame is one record: it must fit `maxClaimBytes`, a quarter of the ring.
 */
export class ShmBroadcast implements Broadcast {
  readonly writtenOnce = true;
  readonly #id: number;
  readonly #fd: number;
  readonly #data: Mapping;
  readonly #ringBytes: number;
  readonly #writer: BroadcastWriter;
  readonly #subscribers = new Map<Connection, Subscriber>();
  /** for those without memory */
  readonly #plain: FanOut;
  /** what the ring and every subscriber with memory takes */
  #frameLimit: number;
  #claimedAt = -1;
  #claimedBytes = 0;
  #gone = 0;
  #closed = false;

  private constructor(id: number, fd: number, data: Mapping, options: BroadcastOptions) {
    const { slow, ringBytes } = resolveBroadcastOptions(options);
    this.#id = id;
    this.#fd = fd;
    this.#data = data;
    this.#ringBytes = ringBytes;
    this.#writer = BroadcastRing.format({
      memory: data.buffer,
      capacityBytes: ringBytes,
      policy: slow,
    }).writer({
      onEvicted: (cursor, reason) => this.#evicted(cursor, reason),
    });
    this.#plain = new FanOut(options);
    this.#frameLimit = this.#writer.maxRecordBytes;
  }

  /** @throws TendonError RESOURCE_EXHAUSTED, OPTION_INVALID */
  static open(id: number, options: BroadcastOptions): ShmBroadcast {
    const bytes = dataBytesOf(resolveBroadcastOptions(options).ringBytes);
    const fd = createMemfd('tendon-broadcast', bytes, { seal: 'none' });
    let data: Mapping | undefined;
    try {
      data = Mapping.map(fd, { bytes, writable: true, prefault: true });
      addSeals(fd, DATA_SEALS); // our own mapping stays writable; there will be no other
      return new ShmBroadcast(id, fd, data, options);
    } catch (error) {
      data?.close();
      closeFd(fd);
      throw error;
    }
  }

  get subscribers(): number {
    return this.#subscribers.size + this.#plain.subscribers;
  }

  get dropped(): number {
    let dropped = this.#gone + this.#plain.dropped;
    for (const { cursor } of this.#subscribers.values()) dropped += this.#writer.lostRecords(cursor);
    return dropped;
  }

  get claimBuffer(): Uint8Array {
    return this.#writer.bytes;
  }

  get maxClaimBytes(): number {
    return Math.min(this.#frameLimit, this.#plain.maxClaimBytes);
  }

  add(connection: Connection): void {
    if (this.#closed) throw new TendonError('STATE_INVALID', 'the broadcast is closed', {});
    if (this.#subscribers.has(connection)) return;
    if (!(connection instanceof ShmConnection) || !connection.takesBroadcasts) {
      this.#plain.add(connection);
      return;
    }
    if (connection.state === 'closed') return;
    const cursorBytes = pageSize();
    const cursorFd = createMemfd('tendon-cursor', cursorBytes);
    try {
      const mapping = Mapping.map(cursorFd, { bytes: cursorBytes, writable: true });
      const cursor = this.#writer.addReader({
        memory: mapping.buffer,
        waiter: { notify: () => connection.ringDoorbell() },
      });
      this.#subscribers.set(connection, { connection, cursor, mapping });
      this.#limitFrames();
      const offer = broadcastMessage({
        id: this.#id,
        dataBytes: dataBytesOf(this.#ringBytes),
        cursorBytes,
        ringBytes: this.#ringBytes,
        maxFrameBytes: this.maxClaimBytes,
      });
      connection.sendBroadcast(this.#id, offer, [this.#fd, cursorFd], {
        sent: () => closeFd(cursorFd),
        refused: () => {
          const message = `${connection.endpoint} could not map the broadcast`;
          this.#drop(connection);
          connection.destroy(new TendonError('RESOURCE_EXHAUSTED', message, { resource: 'memory' }));
        },
        ended: () => this.#drop(connection),
      });
    } catch (error) {
      this.#drop(connection);
      closeFd(cursorFd);
      throw error;
    }
  }

  remove(connection: Connection): void {
    this.#plain.remove(connection);
    const subscriber = this.#subscribers.get(connection);
    if (subscriber === undefined) return;
    this.#drop(connection);
    subscriber.connection.endBroadcast(this.#id, broadcastIdMessage(BROADCAST_END, this.#id));
  }

  tryClaim(length: number): number {
    this.#checkLength(length);
    if (this.#plain.subscribers > 0 && !this.#plain.ready) return BACK_PRESSURED;
    const at = this.#writer.tryClaim(length, FRAME);
    if (at < 0) return at;
    this.#claimedAt = at;
    this.#claimedBytes = length;
    return at;
  }

  commit(): void {
    const at = this.#claimedAt;
    this.#claimedAt = -1;
    this.#writer.commit();
    if (this.#plain.subscribers > 0) this.#plain.offer(this.#writer.bytes, at, this.#claimedBytes);
  }

  abort(): void {
    this.#claimedAt = -1;
    this.#writer.abort();
  }

  offer(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): number {
    this.#checkLength(length);
    if (this.#plain.subscribers > 0 && !this.#plain.ready) return BACK_PRESSURED;
    const at = this.#writer.offer(bytes, offset, length, FRAME);
    if (at < 0) return at;
    if (this.#plain.subscribers > 0) this.#plain.offer(bytes, offset, length);
    return 0;
  }

  cork(): void {
    this.#writer.cork();
    this.#plain.cork();
  }

  uncork(): void {
    this.#writer.uncork();
    this.#plain.uncork();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of [...this.#subscribers.keys()]) this.remove(connection);
    this.#plain[Symbol.dispose]();
    this.#writer.close();
    this.#data.close();
    closeFd(this.#fd);
  }

  #limitFrames(): void {
    let limit = this.#writer.maxRecordBytes;
    for (const { connection } of this.#subscribers.values())
      limit = Math.min(limit, connection.maxFrameBytes);
    this.#frameLimit = limit;
  }

  #checkLength(length: number): void {
    if (length <= this.#frameLimit) return;
    const message = `a broadcast frame of ${length} bytes is more than the ${this.#frameLimit} that the ring and every subscriber take; raise ringBytes or maxFrameBytes`;
    throw new TendonError('FRAME_TOO_LARGE', message, { bytes: length, limitBytes: this.#frameLimit });
  }

  /** The writer found it too far behind, or its cursor impossible; it is called within a claim. */
  #evicted(cursor: BroadcastCursor, reason: EvictionReason): void {
    for (const { connection, cursor: own } of this.#subscribers.values()) {
      if (own !== cursor) continue;
      this.#gone++;
      const error =
        reason === 'lagging'
          ? new TendonError(
              'QUEUE_FULL',
              `${connection.endpoint} did not keep up with the broadcast and its policy is "disconnect"`,
              { queue: 'broadcast', limit: this.#ringBytes },
            )
          : new TendonError('REGION_CORRUPT', `${connection.endpoint} wrote an impossible broadcast cursor`, {
              what: 'cursor',
              value: 0,
            });
      this.#drop(connection);
      connection.destroy(error);
      return;
    }
  }

  #drop(connection: Connection): void {
    const subscriber = this.#subscribers.get(connection);
    if (subscriber === undefined) return;
    this.#gone += this.#writer.lostRecords(subscriber.cursor);
    this.#subscribers.delete(connection);
    this.#limitFrames();
    this.#writer.removeReader(subscriber.cursor);
    subscriber.mapping.close();
  }
}

function dataBytesOf(ringBytes: number): number {
  const page = pageSize();
  return Math.ceil(BroadcastRing.bytesNeeded(ringBytes) / page) * page;
}
