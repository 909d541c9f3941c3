import type { Socket } from 'node:net';
import { BACK_PRESSURED, CLOSED, TendonError } from '../../core/index.ts';
import {
  ConnectionBase,
  type ConnectionIdentity,
  type FrameHandler,
  type ResolvedConnectionOptions,
} from '../index.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter, MAX_CLAIM_BYTES } from './frame-writer.ts';
import { salvageOnError } from './salvage.ts';

/** Received and not polled yet, its bookkeeping included: beyond this much the socket is not read, */
const UNREAD_HIGH_BYTES = 1024 * 1024;
/** until it has fallen below this. */
const UNREAD_LOW_BYTES = 256 * 1024;

export interface StreamConnectionParts {
  /** connected, hello exchanged, paused, without listeners of the handshake */
  readonly socket: Socket;
  /** what came right behind the hello */
  readonly rest: Uint8Array;
  /** the peer's limit of frames */
  readonly maxFrameBytes: number;
  /** for `stats.active` */
  readonly kind: 'unix' | 'tcp';
}

/** A connection over a `net.Socket`: docs/reference/wire/stream.md. */
export class StreamConnection extends ConnectionBase {
  readonly maxClaimBytes: number;
  readonly #kind: 'unix' | 'tcp';
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #wake: (() => void) | undefined = undefined;
  #wakeReadable = false;
  #wakeWritable = false;
  #paused = false;
  /** why the socket failed, when it did */
  #failure: Error | undefined = undefined;
  /** our goodbye is on its way */
  #farewell = false;
  #gone: (() => void) | undefined = undefined;
  #socketClosed = false;

  constructor(
    identity: ConnectionIdentity,
    options: ResolvedConnectionOptions,
    parts: StreamConnectionParts,
  ) {
    super(identity, options);
    this.agreeOnFrameLimit(parts.maxFrameBytes);
    this.maxClaimBytes = Math.min(this.maxFrameBytes, MAX_CLAIM_BYTES);
    this.#kind = parts.kind;
    this.#socket = parts.socket;
    this.#reader = new FrameReader(this.maxFrameBytes);
    this.#writer = new FrameWriter(parts.socket);
    this.#reader.push(parts.rest);
    const socket = parts.socket;
    salvageOnError(socket, (chunk) => this.#reader.push(chunk));
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('error', (error) => {
      this.#failure = error;
    });
    socket.on('close', this.#onClose);
    socket.resume();
  }

  // --- the fast face -------------------------------------------------------------------------------------

  get claimBuffer(): Uint8Array {
    return this.#writer.buffer;
  }

  tryClaim(length: number): number {
    if (!(length >= 0 && length <= this.maxClaimBytes)) throw this.claimTooLarge(length);
    if (this.#writer.claimed) throw this.misuse('commit or abort the open claim first');
    if (!this.sendable) return CLOSED;
    if (this.sends.waiting > 0) return this.#pressed();
    const offset = this.#writer.tryClaim(length);
    return offset < 0 ? this.#pressed() : offset;
  }

  commit(): void {
    if (!this.sendable) {
      this.#writer.abort(); // the claim ended with the connection
      return;
    }
    if (!this.#writer.claimed) throw this.misuse('there is no open claim to commit');
    this.framesSent++;
    this.bytesSent += this.#writer.claimBytes;
    this.#writer.commit();
  }

  abort(): void {
    this.#writer.abort();
  }

  offer(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (length > this.maxFrameBytes) throw this.tooLarge(length, this.maxFrameBytes);
    if (this.#writer.claimed) throw this.misuse('commit or abort the open claim first');
    if (!this.sendable) return CLOSED;
    if (this.sends.waiting > 0 || this.#writer.write(bytes, offset, length) < 0) return this.#pressed();
    this.framesSent++;
    this.bytesSent += length;
    return 0;
  }

  cork(): void {
    this.#writer.cork();
  }

  uncork(): void {
    this.#writer.uncork();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  // --- what the base asks for ----------------------------------------------------------------------------

  protected pollFrames(handler: FrameHandler, limit: number): number {
    const reader = this.#reader;
    try {
      return reader.poll(handler, limit);
    } finally {
      this.framesReceived = reader.frames;
      this.bytesReceived = reader.bytes;
      if (this.#paused && reader.unreadCost <= UNREAD_LOW_BYTES) {
        this.#paused = false;
        this.#socket.resume();
      }
      if (reader.violation !== undefined) this.#disconnect(reader.violation);
      else if (reader.goodbye) this.ended(undefined);
    }
  }

  protected hasUnread(): boolean {
    return this.#reader.unread;
  }

  protected override halt(): void {
    this.#reader.halt();
  }

  protected writeSome(bytes: Uint8Array, _from: number, held: boolean): number {
    if (this.#writer.claimed) throw this.misuse('commit or abort the open claim first');
    const written = held
      ? this.#writer.writeHeld(bytes)
      : this.#writer.write(bytes, 0, bytes.length) < 0
        ? BACK_PRESSURED
        : bytes.length;
    if (written === bytes.length) {
      this.framesSent++;
      this.bytesSent += written;
    }
    return written;
  }

  protected arm(readable: boolean, writable: boolean, wake: () => void): boolean {
    if (readable && this.#reader.unread) return false;
    if (writable && !this.#writer.blocked) return false;
    this.#wakeReadable = readable;
    this.#wakeWritable = writable;
    this.#wake = wake;
    return true;
  }

  protected disarm(): void {
    this.#wake = undefined;
  }

  /**
   * Our goodbye leaves behind everything else. Over TCP the socket then waits for the peer's end: closing one with
   * unread bytes makes the kernel reset the connection and drop what the peer has not received yet.
   */
  protected shutdown(): Promise<void> {
    if (this.#socketClosed || this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#gone = resolve;
      this.#writer.goodbye();
      this.#farewell = true;
      this.#socket.end(() => {
        if (this.#kind === 'unix') resolve();
      });
      this.#paused = false;
      this.#socket.resume(); // what still comes is thrown away, down to the peer's end
    });
  }

  protected release(): void {
    this.#writer.close();
    this.#reader.halt();
    this.#socket.destroy();
    this.#gone?.();
  }

  protected override get spins(): boolean {
    return false;
  }

  protected get active(): string {
    return this.#kind;
  }

  // --- what the socket says ------------------------------------------------------------------------------

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#farewell) return;
    const reader = this.#reader;
    // A Buffer's `slice` is a view, an Uint8Array's a copy: handlers get what the contract says.
    reader.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    if (reader.unreadCost > UNREAD_HIGH_BYTES && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
    if (this.#wakeReadable) this.#wake?.();
  };

  readonly #onDrain = (): void => {
    if (this.#writer.drained() && this.#wakeWritable) this.#wake?.();
  };

  /** The peer has ended its side, and all it sent is here. */
  readonly #onEnd = (): void => {
    this.#gone?.();
    if (this.#farewell) return;
    this.#peerEnded();
    this.#socket.destroy(); // it reads no more, and everything it sent is in the reader
  };

  readonly #onClose = (): void => {
    this.#socketClosed = true;
    this.#gone?.();
    if (!this.#farewell) this.#peerEnded();
  };

  #peerEnded(): void {
    if (this.#reader.endsWithGoodbye()) {
      this.ended(undefined);
      return;
    }
    const what = `the other side of ${this.endpoint} is gone without a goodbye`;
    const details = { endpoint: this.endpoint, unknownBytes: this.#socket.writableLength };
    this.ended(new TendonError('CONNECTION_LOST', what, details, { cause: this.#failure }));
  }

  #disconnect(violation: string): void {
    const what = `the other side of ${this.endpoint} ${violation}`;
    this.destroy(new TendonError('PROTOCOL_ERROR', what, { endpoint: this.endpoint }));
  }

  #pressed(): number {
    this.backPressured++;
    return BACK_PRESSURED;
  }
}
