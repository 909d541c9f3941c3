import type { Socket } from 'node:net';
import { TendonError } from '../../core/index.ts';
import {
  closeFd,
  peerCredentials,
  socketReceiveFds,
  socketSend,
  socketSendFds,
  type WatchCallback,
  Watcher,
} from '../../os/index.ts';
import type { Peer } from '../contract.ts';
import { DOORBELL } from './protocol.ts';

/** What a life-line tells its channel. None of these is called from within `write` or `ringDoorbell`. */
export interface LifeLineHandlers {
  /** bytes from the peer, valid during the call */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** the end of the stream: an orderly half-close or the peer's death look the same here */
  readonly onEnd: (cause: Error | undefined) => void;
  /** everything written so far is with the kernel */
  readonly onDrained: () => void;
}

/** The Unix socket of a channel, whoever owns it: the addon (descriptors can travel) or Node. */
export interface LifeLine {
  /** who is at the other end; undefined where Node owns the socket and does not say */
  readonly peer: Peer | undefined;
  /** bytes written and not yet with the kernel */
  readonly pendingBytes: number;
  start(handlers: LifeLineHandlers): void;
  /**
   * Queues `bytes` (owned by the line from now on). `fds` travel with the first byte; `sent` is called once they are
   * not needed any more: they are with the kernel, or never will be.
   */
  write(bytes: Uint8Array, fds?: readonly number[], sent?: () => void): void;
  /** One byte that never blocks; a line with bytes pending wakes the peer anyway. */
  ringDoorbell(): void;
  /** The next descriptor that came with the bytes so far, the caller's from now on; undefined when there is none. */
  takeFd(): number | undefined;
  pauseReading(): void;
  resumeReading(): void;
  ref(): void;
  unref(): void;
  /** Idempotent; nothing is called afterwards. */
  close(): void;
}

const RECEIVE_BYTES = 64 * 1024;
/** Reads of one event before the event loop goes on. */
const READS_PER_EVENT = 8;
/** Descriptors that may wait for the message they belong to; more are an attack. */
const MAX_WAITING_FDS = 4;

interface Pending {
  readonly bytes: Uint8Array;
  offset: number;
  /** empty once they are sent */
  fds: readonly number[];
  readonly sent: () => void;
}

const NOTHING = (): void => {};

/** A life-line on a socket that the addon owns. */
export class NativeLifeLine implements LifeLine {
  readonly peer: Peer;
  readonly #fd: number;
  readonly #endpoint: string;
  readonly #fds: number[] = [];
  readonly #doorbell = Uint8Array.of(DOORBELL);
  #buffer: Uint8Array | undefined = undefined;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #reading = true;
  #over = false;
  #watcher: Watcher | undefined = undefined;
  #handlers: LifeLineHandlers | undefined = undefined;
  #open = true;

  /** Takes ownership of `fd`, a connected Unix stream socket. */
  constructor(fd: number, endpoint: string) {
    this.#fd = fd;
    this.#endpoint = endpoint;
    this.peer = peerCredentials(fd);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  start(handlers: LifeLineHandlers): void {
    this.#handlers = handlers;
    const onEvent: WatchCallback = (readable, writable, hangup) => {
      if (writable && this.#open) this.#flush();
      if (readable && this.#open) this.#read();
      // A hang-up is reported until the watcher goes; what the dead peer left is read when there is room for it.
      if (hangup && !this.#reading) this.#stopWatching();
    };
    // A terminated worker closes nothing itself, and its peer must learn of it.
    this.#watcher = Watcher.watch(this.#fd, 'readable', onEvent, 'watcher');
  }

  write(bytes: Uint8Array, fds: readonly number[] = [], sent: () => void = NOTHING): void {
    if (!this.#open) {
      sent();
      return;
    }
    this.#pending.push({ bytes, offset: 0, fds, sent });
    this.#pendingBytes += bytes.length;
    if (this.#pending.length === 1) this.#pump();
    this.#watchFor();
  }

  ringDoorbell(): void {
    if (this.#open && this.#pending.length === 0) socketSend(this.#fd, this.#doorbell, 0, 1);
  }

  takeFd(): number | undefined {
    return this.#fds.shift();
  }

  pauseReading(): void {
    this.#reading = false;
    this.#watchFor();
  }

  resumeReading(): void {
    if (this.#reading || this.#over) return;
    this.#reading = true;
    if (this.#watcher === undefined) setImmediate(() => this.#readRest());
    else this.#watchFor();
  }

  ref(): void {
    this.#watcher?.ref();
  }

  unref(): void {
    this.#watcher?.unref();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stopWatching();
    closeFd(this.#fd);
    for (const fd of this.#fds.splice(0)) closeFd(fd);
    this.#dropPending();
  }

  #dropPending(): void {
    const dropped = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const { offset, sent } of dropped) if (offset === 0) sent();
  }

  #watchFor(): void {
    if (!this.#open || this.#watcher === undefined) return;
    const writable = this.#pending.length > 0;
    this.#watcher.setEvents(
      this.#reading ? (writable ? 'both' : 'readable') : writable ? 'writable' : 'none',
    );
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** The peer hung up while reading was paused: what it left is read without a watcher. */
  #readRest(): void {
    while (this.#open && this.#reading) this.#read();
  }

  #flush(): void {
    this.#pump();
    this.#watchFor();
    if (this.#pending.length === 0) this.#handlers?.onDrained();
  }

  /** Gives the kernel what it takes. A peer that is gone takes nothing; reading tells. */
  #pump(): void {
    for (let head = this.#pending[0]; head !== undefined; head = this.#pending[0]) {
      const left = head.bytes.length - head.offset;
      const sent =
        head.fds.length > 0
          ? socketSendFds(this.#fd, head.bytes, head.offset, left, head.fds)
          : socketSend(this.#fd, head.bytes, head.offset, left);
      if (sent === -1) return;
      if (sent < 0) {
        this.#dropPending();
        return;
      }
      if (head.offset === 0) head.sent();
      head.fds = [];
      head.offset += sent;
      this.#pendingBytes -= sent;
      if (head.offset === head.bytes.length) this.#pending.shift();
    }
  }

  #read(): void {
    this.#buffer ??= new Uint8Array(RECEIVE_BYTES);
    for (let reads = 0; reads < READS_PER_EVENT && this.#open && this.#reading; reads++) {
      let count: number;
      try {
        count = socketReceiveFds(this.#fd, this.#buffer, 0, RECEIVE_BYTES, this.#fds);
      } catch (error) {
        this.#end(error as Error); // os throws nothing else
        return;
      }
      if (count === -1) return;
      if (count <= 0) {
        this.#end(count === 0 ? undefined : new Error('connection reset'));
        return;
      }
      this.#handlers?.onBytes(this.#buffer.subarray(0, count));
      if (this.#fds.length > MAX_WAITING_FDS) {
        const message = `${this.#endpoint}: the other side sends descriptors that nothing announces`;
        this.#end(new TendonError('PROTOCOL_ERROR', message, { endpoint: this.#endpoint }));
        return;
      }
      if (count < RECEIVE_BYTES) return;
    }
  }

  #end(cause: Error | undefined): void {
    this.#reading = false;
    this.#over = true;
    this.#stopWatching();
    this.#handlers?.onEnd(cause);
  }
}

/** A life-line on a socket that Node owns: no descriptors, so no memory; frames travel on it. */
export class NetLifeLine implements LifeLine {
  readonly peer = undefined;
  readonly #socket: Socket;
  #handlers: LifeLineHandlers | undefined = undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', (error) => this.#end(error));
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  start(handlers: LifeLineHandlers): void {
    this.#handlers = handlers;
    this.#socket.on('data', (chunk) => {
      if (!this.#ended) handlers.onBytes(chunk);
    });
    this.#socket.on('end', () => this.#end(undefined));
    this.#socket.on('close', () => this.#end(undefined));
    this.#socket.on('drain', () => handlers.onDrained());
  }

  write(bytes: Uint8Array): void {
    if (!this.#ended) this.#socket.write(bytes, () => this.#afterWrite());
  }

  ringDoorbell(): void {}

  takeFd(): undefined {
    return undefined;
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#ended = true;
    this.#handlers = undefined;
    this.#socket.destroy();
  }

  #afterWrite(): void {
    if (this.#socket.writableLength === 0) this.#handlers?.onDrained();
  }

  #end(cause: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers?.onEnd(cause);
  }
}
