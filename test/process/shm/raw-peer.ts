import { setTimeout as sleep } from 'node:timers/promises';
import {
  closeFd,
  Mapping,
  socketReceiveFds,
  socketSend,
  socketSendFds,
  unixAccept,
  unixConnect,
  unixListen,
} from 'tendon/os';

/**
 * A peer written from `docs/reference/wire/channel.md` and `ring.md` alone: it shares no code with the channel, so it
 * can check it, and break every rule.
 */
export const TYPES = {
  hello: 0x10,
  welcome: 0x11,
  refuse: 0x12,
  memory: 0x20,
  memoryReady: 0x21,
  memoryRefused: 0x22,
  frame: 0x30,
  switchToMemory: 0x31,
  askSocket: 0x32,
  askMemory: 0x33,
  ping: 0x40,
  pong: 0x41,
  goodbye: 0x60,
} as const;

export interface RawMessage {
  readonly type: number;
  readonly body: Buffer;
}

export function words(...values: number[]): Buffer {
  const body = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    body.writeUInt32LE(value >>> 0, index * 4);
  });
  return body;
}

export function rawMessage(type: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32LE(body.length, 4);
  return Buffer.concat([header, body]);
}

export function hello(
  overrides: { min?: number; max?: number; features?: number; frame?: number; ring?: number } = {},
): Buffer {
  const { min = 1, max = 1, features = 3, frame = 16 << 20, ring = 0 } = overrides;
  return rawMessage(
    TYPES.hello,
    Buffer.concat([Buffer.from('TNDNCHAN'), words(min, max, features, frame, ring)]),
  );
}

const WAIT_MS = 10_000;

export class RawPeer {
  readonly fd: number;
  readonly fds: number[] = [];
  doorbells = 0;
  ended = false;
  #received = Buffer.alloc(0);
  #closed = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  static connect(path: string): RawPeer {
    return new RawPeer(unixConnect(path));
  }

  send(bytes: Uint8Array, fds: readonly number[] = []): number {
    if (fds.length > 0) return socketSendFds(this.fd, bytes, 0, bytes.length, fds);
    return socketSend(this.fd, bytes, 0, bytes.length);
  }

  /** The next message; doorbells on the way are counted. Undefined at the end of the stream. */
  async next(what: string): Promise<RawMessage | undefined> {
    const giveUpAt = performance.now() + WAIT_MS;
    for (;;) {
      while (this.#received[0] === 1) {
        this.doorbells++;
        this.#received = this.#received.subarray(1);
      }
      if (this.#received.length >= 8) {
        const length = this.#received.readUInt32LE(4);
        if (this.#received.length >= 8 + length) {
          const message = { type: this.#received[0] as number, body: this.#received.subarray(8, 8 + length) };
          this.#received = this.#received.subarray(8 + length);
          return message;
        }
      }
      if (this.ended) return undefined;
      if (!this.#receive()) {
        if (performance.now() > giveUpAt) throw new Error(`waited ${WAIT_MS} ms for ${what}`);
        await sleep(1);
      }
    }
  }

  async expect(type: number, what: string): Promise<RawMessage> {
    const message = await this.next(what);
    if (message?.type !== type)
      throw new Error(`expected ${what}, got ${message === undefined ? 'the end' : `type ${message.type}`}`);
    return message;
  }

  /** Reads on until the other side hangs up. */
  async untilEnd(): Promise<RawMessage[]> {
    const messages: RawMessage[] = [];
    for (
      let message = await this.next('the end');
      message !== undefined;
      message = await this.next('the end')
    ) {
      messages.push(message);
    }
    return messages;
  }

  async untilDoorbell(): Promise<void> {
    const giveUpAt = performance.now() + WAIT_MS;
    const before = this.doorbells;
    for (;;) {
      while (this.#received[0] === 1) {
        this.doorbells++;
        this.#received = this.#received.subarray(1);
      }
      if (this.doorbells > before) return;
      if (performance.now() > giveUpAt) throw new Error(`waited ${WAIT_MS} ms for a doorbell`);
      if (!this.#receive()) await sleep(1);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
    for (const fd of this.fds.splice(0)) closeFd(fd);
  }

  #receive(): boolean {
    const chunk = Buffer.alloc(65_536);
    const count = socketReceiveFds(this.fd, chunk, 0, chunk.length, this.fds);
    if (count === -1) return false;
    if (count <= 0) this.ended = true;
    else this.#received = Buffer.concat([this.#received, chunk.subarray(0, count)]);
    return true;
  }
}

export const TAIL = 128;
export const HEAD = 256;
export const CONSUMER_PARKED = 384;
export const PRODUCER_PARKED = 512;
export const DATA = 640;
export const KINDS = { pad: 0, frame: 1, first: 2, middle: 3, last: 4, marker: 5 } as const;

/** One ring as `ring.md` describes it, both sides in one. */
export class RawRing {
  readonly view: DataView;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly capacity: number;

  constructor(memory: ArrayBuffer, offset: number, capacity: number) {
    this.view = new DataView(memory, offset, DATA + capacity);
    this.words = new Int32Array(memory, offset, (DATA + capacity) / 4);
    this.bytes = new Uint8Array(memory, offset + DATA, capacity);
    this.capacity = capacity;
  }

  get(word: number): number {
    return Atomics.load(this.words, word / 4);
  }

  set(word: number, value: number): void {
    Atomics.store(this.words, word / 4, value);
  }

  /** Writes one record and publishes it; headers may lie. */
  write(kind: number, body: Uint8Array, claimedLength = body.length): void {
    let tail = this.get(TAIL);
    const size = (body.length + 15) & ~7;
    const toEnd = this.capacity - (tail & (this.capacity - 1));
    if (size > toEnd) {
      this.#header(tail, toEnd - 8, KINDS.pad);
      tail = (tail + toEnd) | 0;
    }
    this.#header(tail, claimedLength, kind);
    this.bytes.set(body, (tail & (this.capacity - 1)) + 8);
    this.set(TAIL, (tail + size) | 0);
  }

  /** The next record, consumed; undefined when there is none. */
  read(): { kind: number; body: Buffer } | undefined {
    for (;;) {
      const head = this.get(HEAD);
      if (head === this.get(TAIL)) return undefined;
      const at = head & (this.capacity - 1);
      const length = this.view.getInt32(DATA + at, true);
      const kind = this.view.getInt32(DATA + at + 4, true);
      const body = Buffer.from(this.bytes.subarray(at + 8, at + 8 + length));
      this.set(HEAD, (head + ((length + 15) & ~7)) | 0);
      if (kind !== KINDS.pad) return { kind, body };
    }
  }

  #header(position: number, length: number, kind: number): void {
    const at = position & (this.capacity - 1);
    this.view.setInt32(DATA + at, length, true);
    this.view.setInt32(DATA + at + 4, kind, true);
  }
}

/** A client that has done the whole handshake by hand. */
export interface RawChannel {
  readonly peer: RawPeer;
  readonly mapping: Mapping;
  /** written by the client */
  readonly up: RawRing;
  /** read by the client */
  readonly down: RawRing;
  close(): void;
}

export async function openRawChannel(
  path: string,
  overrides: Parameters<typeof hello>[0] = {},
): Promise<RawChannel> {
  const peer = RawPeer.connect(path);
  peer.send(hello(overrides));
  await peer.expect(TYPES.welcome, 'WELCOME');
  const { body } = await peer.expect(TYPES.memory, 'MEMORY');
  const [bytes, upOffset, upRing, downOffset, downRing] = [0, 4, 8, 12, 16].map((at) =>
    body.readUInt32LE(at),
  ) as [number, number, number, number, number];
  const fd = peer.fds.shift();
  if (fd === undefined) throw new Error('MEMORY came without a descriptor');
  const mapping = Mapping.map(fd, { bytes, writable: true });
  closeFd(fd);
  peer.send(rawMessage(TYPES.memoryReady));
  peer.send(rawMessage(TYPES.switchToMemory));
  await peer.expect(TYPES.switchToMemory, 'SWITCH_TO_MEMORY');
  return {
    peer,
    mapping,
    up: new RawRing(mapping.buffer, upOffset, upRing),
    down: new RawRing(mapping.buffer, downOffset, downRing),
    close: () => {
      peer.close();
      mapping.close();
    },
  };
}

/** A listener by hand, for clients under test. */
export class RawListener {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = unixListen(path);
  }

  async accept(): Promise<RawPeer> {
    const giveUpAt = performance.now() + WAIT_MS;
    for (;;) {
      const fd = unixAccept(this.#fd);
      if (fd >= 0) return new RawPeer(fd);
      if (performance.now() > giveUpAt) throw new Error(`waited ${WAIT_MS} ms for a connection`);
      await sleep(1);
    }
  }

  close(): void {
    closeFd(this.#fd);
  }
}
