// Over 400 lines because the two ways of a channel (memory, socket) and the steps between them are one state machine.
import { BACK_PRESSURED, CLOSED, type ClockTimer, TendonError } from '../../core/index.ts';
import { closeFd } from '../../os/index.ts';
import { FRAME, FrameReader, MARKER, type SpscProducer, writeFrame } from '../../ring/index.ts';
import { ConnectionBase } from '../connection-base.ts';
import type { FrameHandler } from '../contract.ts';
import type { ResolvedConnectionOptions } from '../options.ts';
import { BroadcastReaders } from './broadcast-readers.ts';
import type { ChannelLine } from './channel-line.ts';
import {
  type ChannelMemory,
  closeChannelMemory,
  createChannelMemory,
  openChannelMemory,
  planMemory,
} from './channel-memory.ts';
import { refusedError } from './handshake-refusal.ts';
import { Inbox } from './inbox.ts';
import {
  ASK_MEMORY,
  ASK_SOCKET,
  BROADCAST,
  BROADCAST_END,
  BROADCAST_READY,
  BROADCAST_REFUSED,
  FEATURE_BROADCAST,
  FEATURE_MEMORY,
  FRAME_ON_SOCKET,
  GOODBYE,
  HEADER_BYTES,
  MEMORY,
  MEMORY_READY,
  MEMORY_REFUSED,
  MEMORY_REFUSED_FOR_GOOD,
  MEMORY_REFUSED_FOR_NOW,
  memoryMessage,
  memoryRefusedMessage,
  message,
  PING,
  PONG,
  protocolError,
  REFUSE,
  readBroadcastId,
  readMemory,
  readRefusal,
  readToken,
  SWITCH_TO_MEMORY,
  tokenMessage,
} from './protocol.ts';
import { STALL_CHECK_MS, StallWatch } from './stall-watch.ts';

/** A local constant is folded into the code, an imported one is loaded for each frame. */
const WHOLE = FRAME;

/** While so much waits for the kernel, frames by socket are answered with BACK_PRESSURED. */
const SOCKET_HIGH_WATER_BYTES = 256 * 1024;
/** With so much unread from the socket, reading stops. */
const INBOX_HIGH_WATER_BYTES = 1024 * 1024;
/** What can be claimed while no memory has ever been there. */
const CLAIM_BYTES_WITHOUT_MEMORY = 64 * 1024;
/** Memory that could not be had is asked for again after this, doubling. */
const FIRST_OFFER_AGAIN_MS = 1_000;
const LAST_OFFER_AGAIN_MS = 60_000;

export interface ShmConnectionParts {
  readonly endpoint: string;
  readonly line: ChannelLine;
  readonly role: 'client' | 'listener';
  /** feature bits that both ends have */
  readonly features: number;
  readonly maxFrameBytes: number;
  /** the listener's choice of ring size, each way */
  readonly ringBytes: number;
  /** called when the other side died without a goodbye */
  readonly lost?: () => void;
}

/** What a listener's broadcast wants to know of one subscriber. */
export interface BroadcastPeer {
  /** the descriptors are not needed any more */
  sent(): void;
  /** the subscriber could not map it */
  refused(): void;
  /** the connection is gone */
  ended(): void;
}

/**
 * One end of a channel: frames travel through shared memory, and over the life-line socket where there is none.
 *
 * Each direction is in one of two ways and changes it at a mark that travels in order with the frames: MARKER in the
 * ring says "the next frame comes by socket", SWITCH_TO_MEMORY on the socket says "the next frame comes by ring".
 * So no frame is lost, doubled or overtaken by a change, whatever causes it.
 */
export class ShmConnection extends ConnectionBase {
  readonly #line: ChannelLine;
  readonly #role: 'client' | 'listener';
  readonly #features: number;
  readonly #ringBytes: number;
  readonly #lost: (() => void) | undefined;
  readonly #inbox = new Inbox(INBOX_HIGH_WATER_BYTES);
  readonly #broadcasts: BroadcastReaders;
  readonly #notify = { notify: (): void => this.#ringDoorbell() };

  #memory: ChannelMemory | undefined = undefined;
  /** memory that was offered and not answered yet (listener) */
  #offered: ChannelMemory | undefined = undefined;
  #reader: FrameReader | undefined = undefined;
  /** the ring of outgoing frames; undefined when the slow way has to look first */
  #fast: SpscProducer | undefined = undefined;
  /** the ring that outgoing frames are in, also while it is being left */
  #out: SpscProducer | undefined = undefined;
  /** the ring of `#memory` that this end writes, whether it is in use or not */
  #ring: SpscProducer | undefined = undefined;
  /** the open claim is in `#scratch`, for the socket; otherwise it is in `#ring` */
  #inScratch = false;
  #claimed = -1;
  /** the largest frame that fits one record, or the scratch buffer */
  #claimLimit = CLAIM_BYTES_WITHOUT_MEMORY;
  #scratch: Uint8Array | undefined = undefined;
  /** memory is to carry frames again as soon as the open claim, which is in `#scratch`, has left */
  #enterAfterClaim = false;
  /** incoming frames come by socket */
  #fromSocket = true;
  #wake: ((atOnce?: boolean) => void) | undefined = undefined;
  #corked = false;
  #fallbackCount = 0;
  #fallbackReason: string | undefined = undefined;
  #goodbye = false;
  #offerAgainMs = FIRST_OFFER_AGAIN_MS;
  #offerTimer: ClockTimer | undefined = undefined;
  readonly #stall: StallWatch;
  #settled: (() => void) | undefined = undefined;
  #drained: (() => void) | undefined = undefined;
  readonly #broadcastPeers = new Map<number, BroadcastPeer>();
  /** Resolves when it is decided whether memory carries the first frame. */
  readonly ready: Promise<void>;

  constructor(parts: ShmConnectionParts, options: ResolvedConnectionOptions) {
    const memory = (parts.features & FEATURE_MEMORY) !== 0;
    super(
      {
        endpoint: parts.endpoint,
        peer: parts.line.life.peer,
        capabilities: {
          ordered: true,
          reliable: true,
          zeroCopy: memory,
          local: true,
          encrypted: false,
          descriptorPassing: false,
        },
      },
      options,
    );
    this.agreeOnFrameLimit(parts.maxFrameBytes);
    this.#claimLimit = Math.min(CLAIM_BYTES_WITHOUT_MEMORY, this.maxFrameBytes);
    this.#line = parts.line;
    this.#role = parts.role;
    this.#features = parts.features;
    this.#ringBytes = parts.ringBytes;
    this.#lost = parts.lost;
    this.#line.parser.maxFrameBytes = this.maxFrameBytes;
    this.#broadcasts = new BroadcastReaders(parts.endpoint, this.maxFrameBytes, this.#notify);
    this.#stall = this.#watchForStalls();
    this.ready = new Promise((resolve) => {
      this.#settled = resolve;
    });
    this.#line.sink = {
      message: (type, body) => this.#onMessage(type, body),
      doorbell: () => this.#wake?.(true),
      ended: (cause) => this.#onEnd(cause),
      drained: () => this.#onDrained(),
      failed: (error) => this.destroy(error),
    };
    if (!memory) {
      this.#fellBack('one of the ends has no shared memory');
      this.#settle();
    } else if (parts.role === 'listener') {
      this.#offerMemory();
    }
  }

  // --- the fast face -------------------------------------------------------------------------------------

  get maxClaimBytes(): number {
    return this.#claimLimit;
  }

  get claimBuffer(): Uint8Array {
    const ring = this.#ring;
    return ring === undefined || this.#inScratch || this.#out === undefined
      ? this.#scratchBuffer()
      : ring.bytes;
  }

  tryClaim(length: number): number {
    const ring = this.#fast;
    if (
      ring === undefined ||
      this.#claimed >= 0 ||
      !this.#mayGoFast() ||
      !(length >= 0 && length <= this.#claimLimit)
    ) {
      return this.#claimSlowly(length);
    }
    try {
      const at = ring.tryClaim(length, WHOLE);
      if (at < 0) return this.#refused(at);
      this.#claimed = length;
      return at;
    } catch (error) {
      return this.#ringFailed(error);
    }
  }

  commit(): void {
    const ring = this.#ring;
    if (ring === undefined || this.#inScratch || !this.sendable) {
      this.#commitSlowly();
      return;
    }
    ring.commit(); // says so when there is no claim
    this.framesSent++;
    this.bytesSent += this.#claimed;
    this.#claimed = -1;
  }

  abort(): void {
    if (!this.#inScratch) this.#ring?.abort();
    this.#inScratch = false;
    this.#claimed = -1;
    if (this.#enterAfterClaim) this.#enterMemory();
  }

  offer(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): number {
    const ring = this.#fast;
    if (ring === undefined || !this.#mayGoFast() || length > this.#claimLimit) {
      return this.#offerSlowly(bytes, offset, length);
    }
    try {
      const at = ring.offer(bytes, offset, length, WHOLE);
      if (at < 0) return this.#refused(at);
    } catch (error) {
      return this.#ringFailed(error);
    }
    this.framesSent++;
    this.bytesSent += length;
    return 0;
  }

  cork(): void {
    this.#corked = true;
    this.#out?.cork();
  }

  uncork(): void {
    this.#corked = false;
    if (this.sendable) this.#out?.uncork();
  }

  ref(): void {
    this.#line.life.ref();
  }

  unref(): void {
    this.#line.life.unref();
  }

  // --- memory or socket, on request ----------------------------------------------------------------------

  /** Moves both directions to the socket, in order; `useMemory` moves them back. Nothing happens when they are there. */
  useSocket(): void {
    if (!this.sendable || this.#memory === undefined) return;
    this.#line.life.write(message(ASK_SOCKET));
    this.#leaveMemory('requested');
  }

  /**
   * Moves both directions to memory, in order.
   *
   * @throws TendonError CAPABILITY_MISSING when this connection has no memory
   */
  useMemory(): void {
    if (this.#memory === undefined) {
      const why = this.#fallbackReason ?? 'it was not offered yet';
      const text = `${this.endpoint} has no shared memory: ${why}`;
      throw new TendonError('CAPABILITY_MISSING', text, { capability: 'shared memory' });
    }
    if (!this.sendable) return;
    this.#line.life.write(message(ASK_MEMORY));
    this.#enterMemory();
  }

  // --- what the base asks for ----------------------------------------------------------------------------

  protected get active(): string {
    return this.#out !== undefined ? 'shm' : 'unix';
  }

  protected override get fallbackCount(): number {
    return this.#fallbackCount;
  }

  protected override get fallbackReason(): string | undefined {
    return this.#fallbackReason;
  }

  protected pollFrames(handler: FrameHandler, limit: number): number {
    let count = 0;
    if (!this.#fromSocket) count = this.#pollRing(handler, limit);
    if (count < limit && this.#broadcasts.count > 0) count += this.#pollBroadcasts(handler, limit - count);
    if (this.#fromSocket && !this.#inbox.empty) count += this.#pollInbox(handler, limit - count);
    return count;
  }

  protected override halt(): void {
    this.#reader?.ring.stop();
    this.#broadcasts.stop();
  }

  protected hasUnread(): boolean {
    this.#followSwitch();
    if (this.#fromSocket) return !this.#inbox.empty;
    try {
      return (this.#memory?.incoming.availableBytes ?? 0) > 0 || this.#broadcasts.hasUnread();
    } catch {
      return false; // the dead peer left positions that nobody wrote correctly: there is nothing to deliver
    }
  }

  protected writeSome(bytes: Uint8Array, from: number): number {
    if (this.#claimed >= 0) throw this.misuse('commit or abort the open claim first');
    try {
      if (from === 0 && !this.#outgoingSettled()) return BACK_PRESSURED;
      const ring = this.#out;
      if (ring === undefined) return this.#writeToSocket(bytes, 0, bytes.length);
      const written = writeFrame(ring, bytes, from);
      if (written < 0) return this.#refused(written);
      if (written === bytes.length) {
        this.framesSent++;
        this.bytesSent += bytes.length;
      } else {
        this.#stall.expect();
      }
      return written;
    } catch (error) {
      return this.#ringFailed(error);
    }
  }

  protected arm(readable: boolean, writable: boolean, wake: (atOnce?: boolean) => void): boolean {
    this.#wake = wake;
    if ((!readable || this.#armReading()) && (!writable || this.#armWriting())) return true;
    this.disarm();
    return false;
  }

  protected disarm(): void {
    this.#wake = undefined;
    this.#memory?.incoming.unpark();
    this.#memory?.outgoing.unpark();
    this.#broadcasts.unpark();
  }

  protected async shutdown(): Promise<void> {
    if (this.#out !== undefined) this.#out.publish();
    this.#line.life.write(message(GOODBYE));
    if (this.#line.life.pendingBytes === 0) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  protected release(): void {
    this.#stall.stop();
    this.#offerTimer?.cancel();
    this.#fast = undefined;
    this.#out = undefined;
    this.#ring = undefined;
    this.#inScratch = false;
    this.#broadcasts.close();
    if (this.#memory !== undefined) closeChannelMemory(this.#memory);
    if (this.#offered !== undefined) closeChannelMemory(this.#offered);
    this.#memory = undefined;
    this.#offered = undefined;
    this.#reader = undefined;
    this.#line.life.close();
    for (const peer of this.#broadcastPeers.values()) peer.ended();
    this.#broadcastPeers.clear();
    this.#drained?.();
    this.#settle();
  }

  // --- what the life-line says ---------------------------------------------------------------------------

  #onMessage(type: number, body: Uint8Array): void {
    if (this.state === 'closed') return;
    switch (type) {
      case FRAME_ON_SOCKET:
        this.#inbox.addFrame(body.slice());
        this.#arrived();
        this.#settle();
        break;
      case SWITCH_TO_MEMORY:
        if (this.#memory === undefined) throw protocolError(this.endpoint, 'SWITCH_TO_MEMORY without memory');
        this.#inbox.addSwitch();
        this.#followSwitch();
        this.#arrived();
        this.#settle();
        break;
      case MEMORY:
        this.#memoryOffered(body);
        break;
      case MEMORY_READY:
        this.#memoryAccepted();
        break;
      case MEMORY_REFUSED:
        this.#memoryRefused(body);
        break;
      case ASK_SOCKET:
        this.#leaveMemory('requested by the peer');
        break;
      case ASK_MEMORY:
        if (this.#mayAnswer()) this.#enterMemory();
        break;
      case PING:
        if (this.#mayAnswer()) this.#line.life.write(tokenMessage(PONG, readToken(body, this.endpoint)));
        break;
      case PONG:
        this.#stall.answered(readToken(body, this.endpoint));
        break;
      case BROADCAST:
        if (this.#role !== 'client' || (this.#features & FEATURE_BROADCAST) === 0) {
          throw protocolError(this.endpoint, 'BROADCAST that was not agreed on');
        }
        this.#line.life.write(this.#broadcasts.add(body, this.#line.life));
        this.wakeUp();
        break;
      case BROADCAST_END:
        this.#broadcasts.end(readBroadcastId(body, this.endpoint));
        break;
      case BROADCAST_READY:
        readBroadcastId(body, this.endpoint);
        break;
      case BROADCAST_REFUSED:
        this.#broadcastPeers.get(readBroadcastId(body, this.endpoint))?.refused();
        break;
      case REFUSE: // the listener gave up on a handshake that took too long
        if (this.#role === 'listener') throw protocolError(this.endpoint, 'REFUSE from a client');
        this.destroy(refusedError(body, this.endpoint));
        break;
      case GOODBYE:
        this.#goodbye = true;
        this.ended(undefined);
        this.#settle();
        break;
      default:
        throw protocolError(this.endpoint, `a message of unknown type ${type}`);
    }
  }

  /** A peer that asks and never reads must not make us queue answers without end: it gets none. */
  #mayAnswer(): boolean {
    return this.#line.life.pendingBytes < SOCKET_HIGH_WATER_BYTES;
  }

  #onDrained(): void {
    this.#drained?.();
    this.#drained = undefined;
    this.#wake?.();
  }

  /** The end of the socket. After what the dead peer committed is handed over, the close is reported. */
  #onEnd(cause: Error | undefined): void {
    if (this.#goodbye) return;
    if (TendonError.is(cause)) {
      this.destroy(cause); // not the peer's end: what it sent was no channel, or could not be received
      return;
    }
    const unknownBytes = this.#unknownBytes();
    const fate = unknownBytes > 0 ? `; whether it saw the last ${unknownBytes} bytes is unknown` : '';
    const text = `${this.endpoint}: the other side is gone without a goodbye${fate}`;
    this.ended(
      new TendonError('CONNECTION_LOST', text, { endpoint: this.endpoint, unknownBytes }, { cause }),
    );
    this.#settle(); // no memory will come any more; what came by socket is there to be read
    this.#lost?.();
  }

  // --- broadcasts of this listener -----------------------------------------------------------------------

  /** Hands the two descriptors of a broadcast to this subscriber. */
  sendBroadcast(id: number, offer: Uint8Array, fds: readonly number[], peer: BroadcastPeer): void {
    this.#broadcastPeers.set(id, peer);
    this.#line.life.write(offer, fds, () => peer.sent());
  }

  endBroadcast(id: number, end: Uint8Array): void {
    this.#broadcastPeers.delete(id);
    this.#line.life.write(end);
  }

  /** Whether broadcasts can be written once for this subscriber too. */
  get takesBroadcasts(): boolean {
    return this.#memory !== undefined && (this.#features & FEATURE_BROADCAST) !== 0;
  }

  /** Wakes a subscriber that sleeps; for the broadcast that writes to it. */
  ringDoorbell(): void {
    this.#ringDoorbell();
  }

  // --- outgoing ------------------------------------------------------------------------------------------

  /** Nobody goes first, and frames are still taken. */
  #mayGoFast(): boolean {
    return this.sendable && this.sends.waiting === 0;
  }

  #claimSlowly(length: number): number {
    if (this.#claimed >= 0) throw this.misuse('the last claim was neither committed nor aborted');
    if (!(length >= 0 && length <= this.maxClaimBytes)) throw this.claimTooLarge(length);
    if (!this.sendable) return CLOSED;
    if (this.#queuedFirst() || !this.#outgoingSettled()) return this.#refused(BACK_PRESSURED);
    if (this.#out !== undefined) {
      const at = this.#out.tryClaim(length, FRAME);
      if (at < 0) return this.#refused(at);
      this.#claimed = length;
      return at;
    }
    if (this.#line.life.pendingBytes >= SOCKET_HIGH_WATER_BYTES) return this.#refused(BACK_PRESSURED);
    this.#scratchBuffer();
    this.#inScratch = true;
    this.#claimed = length;
    return 0;
  }

  #commitSlowly(): void {
    const length = this.#claimed;
    if (length < 0) throw this.misuse('commit without a claim');
    if (!this.#inScratch) this.#ring?.abort();
    else if (this.sendable) this.#writeToSocket(this.#scratchBuffer(), 0, length, true);
    this.#inScratch = false;
    this.#claimed = -1;
    if (this.#enterAfterClaim) this.#enterMemory();
  }

  #offerSlowly(bytes: Uint8Array, offset: number, length: number): number {
    if (length > this.maxFrameBytes) throw this.tooLarge(length, this.maxFrameBytes);
    if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
      throw this.misuse(`${offset} and ${length} do not lie within the ${bytes.length} bytes offered`);
    }
    if (this.#claimed >= 0) throw this.misuse('commit or abort the open claim first');
    if (!this.sendable) return CLOSED;
    if (this.#queuedFirst()) return this.#refused(BACK_PRESSURED);
    const frame = length === bytes.length ? bytes : bytes.subarray(offset, offset + length);
    const written = this.writeSome(frame, 0);
    if (written === length || !this.sendable) return this.sendable ? 0 : CLOSED;
    if (written < 0) return BACK_PRESSURED;
    // Its first parts are in the ring, so it is taken: the rest goes before anything else, from a copy.
    this.finishLater(frame, written);
    return 0;
  }

  #writeToSocket(bytes: Uint8Array, offset: number, length: number, always = false): number {
    if (!always && this.#line.life.pendingBytes >= SOCKET_HIGH_WATER_BYTES)
      return this.#refused(BACK_PRESSURED);
    const framed = new Uint8Array(HEADER_BYTES + length);
    framed[0] = FRAME_ON_SOCKET;
    for (let i = 0; i < 4; i++) framed[4 + i] = (length >>> (8 * i)) & 0xff;
    framed.set(bytes.subarray(offset, offset + length), HEADER_BYTES);
    this.#line.life.write(framed);
    this.framesSent++;
    this.bytesSent += length;
    return length;
  }

  /** Queued frames go first: whether some are still left after a try. */
  #queuedFirst(): boolean {
    if (this.sends.waiting > 0) this.pumpSends();
    return this.sends.waiting > 0;
  }

  #refused(outcome: number): number {
    if (outcome === BACK_PRESSURED) {
      this.backPressured++;
      this.#stall.expect();
    }
    return outcome;
  }

  /** The ring threw: its own misuse goes to the caller, the peer's ends the connection. */
  #ringFailed(error: unknown): number {
    if (!TendonError.is(error, 'REGION_CORRUPT')) throw error;
    this.destroy(error);
    return CLOSED;
  }

  /** Where frames by socket are claimed. It stays the same while a claim is open, also when the limit grows. */
  #scratchBuffer(): Uint8Array {
    const bytes = this.maxClaimBytes;
    if (this.#scratch === undefined || (this.#claimed < 0 && this.#scratch.length < bytes))
      this.#scratch = new Uint8Array(bytes);
    return this.#scratch;
  }

  /** Finishes leaving the ring where that is under way. @returns whether the way of the next frame is decided */
  #outgoingSettled(): boolean {
    const ring = this.#out;
    if (ring === undefined || this.#fast !== undefined) return true;
    if ((this.#claimed >= 0 && !this.#inScratch) || (this.sends.head?.written ?? 0) > 0) return false;
    if (ring.tryClaim(0, MARKER) < 0) return false;
    ring.commit();
    ring.uncork();
    this.#out = undefined;
    return true;
  }

  #leaveMemory(reason: string): void {
    this.#enterAfterClaim = false;
    if (this.#fast === undefined) return;
    this.#fast = undefined;
    this.#fellBack(reason);
    try {
      this.#outgoingSettled();
    } catch (error) {
      this.#ringFailed(error);
    }
  }

  #enterMemory(): void {
    if (this.#memory === undefined || !this.sendable || this.#fast !== undefined) return;
    // A frame that is claimed for the socket goes by socket: it may not come after the switch.
    this.#enterAfterClaim = this.#inScratch;
    if (this.#enterAfterClaim) return;
    const ring = this.#memory.outgoing;
    if (this.#out === undefined) {
      this.#line.life.write(message(SWITCH_TO_MEMORY));
      if (this.#corked) ring.cork();
    }
    this.#out = ring;
    this.#fast = ring;
    this.#fallbackReason = undefined;
    this.wakeUp();
  }

  /** Memory that still cannot be had is no further fall. */
  #fellBack(reason: string): void {
    if (this.#fallbackReason === undefined) this.#fallbackCount++;
    this.#fallbackReason = reason;
  }

  #ringDoorbell(): void {
    this.#line.life.ringDoorbell();
    this.#stall.expect();
  }

  // --- incoming ------------------------------------------------------------------------------------------

  #pollRing(handler: FrameHandler, limit: number): number {
    const reader = this.#reader as FrameReader; // there is one once frames come by ring
    try {
      return reader.poll(handler, limit);
    } catch (error) {
      if (reader.handlerFailed || !TendonError.is(error, 'REGION_CORRUPT')) throw error;
      this.destroy(error);
      return reader.frames;
    } finally {
      this.framesReceived += reader.frames;
      this.bytesReceived += reader.bytes;
      if (reader.marked) this.#fromSocket = true;
    }
  }

  #pollBroadcasts(handler: FrameHandler, limit: number): number {
    const broadcasts = this.#broadcasts;
    try {
      return broadcasts.poll(handler, limit);
    } finally {
      this.framesReceived += broadcasts.frames;
      this.bytesReceived += broadcasts.bytes;
      if (broadcasts.failure !== undefined) this.destroy(broadcasts.failure);
    }
  }

  #pollInbox(handler: FrameHandler, limit: number): number {
    const inbox = this.#inbox;
    let count = 0;
    const counted: FrameHandler = (bytes, offset, length) => {
      count++;
      this.framesReceived++;
      this.bytesReceived += length;
      handler(bytes, offset, length);
    };
    try {
      while (count < limit && !inbox.empty) {
        this.#followSwitch();
        if (!this.#fromSocket) break;
        inbox.deliver(counted);
      }
    } finally {
      if (!inbox.full && this.state !== 'closed') this.#line.life.resumeReading();
    }
    if (!this.#fromSocket && count < limit) count += this.#pollRing(handler, limit - count);
    return count;
  }

  /** The next thing by socket is the sender's return to memory: what follows comes by ring. */
  #followSwitch(): void {
    if (!this.#fromSocket || !this.#inbox.atSwitch) return;
    this.#inbox.takeSwitch();
    this.#fromSocket = false;
    this.#reader?.resume();
  }

  #arrived(): void {
    if (this.#inbox.full) this.#line.life.pauseReading();
    this.#wake?.();
  }

  #armReading(): boolean {
    if (this.#fromSocket ? !this.#inbox.empty : !this.#parkRing()) return false;
    return this.#broadcasts.park();
  }

  #parkRing(): boolean {
    try {
      return this.#memory?.incoming.park() ?? true;
    } catch (error) {
      this.#ringFailed(error);
      return false;
    }
  }

  #armWriting(): boolean {
    if (this.#out === undefined) return this.#line.life.pendingBytes >= SOCKET_HIGH_WATER_BYTES;
    try {
      return this.#out.park(this.#out.maxRecordBytes);
    } catch (error) {
      this.#ringFailed(error);
      return false;
    }
  }

  // --- memory comes and goes -----------------------------------------------------------------------------

  /** Listener: makes memory and hands it over. What fails is told to both sides, and tried again later. */
  #offerMemory(): void {
    let fd: number;
    try {
      const plan = planMemory(this.#ringBytes);
      const made = createChannelMemory(plan, this.#notify);
      this.#offered = made.memory;
      fd = made.fd;
      this.#line.life.write(memoryMessage(plan), [fd], () => closeFd(fd));
    } catch (error) {
      const reason = `memory could not be made: ${error instanceof Error ? error.message : String(error)}`;
      this.#line.life.write(memoryRefusedMessage(MEMORY_REFUSED_FOR_NOW, reason));
      this.#withoutMemory(reason, true);
    }
  }

  /** Client: maps what was handed over, or says why not. */
  #memoryOffered(body: Uint8Array): void {
    const plan = readMemory(body, this.endpoint);
    const fd = this.#line.life.takeFd();
    if (fd === undefined) throw protocolError(this.endpoint, 'MEMORY without its descriptor');
    if (this.#role !== 'client' || this.#memory !== undefined || (this.#features & FEATURE_MEMORY) === 0) {
      closeFd(fd);
      throw protocolError(this.endpoint, 'MEMORY that nobody asked for');
    }
    try {
      this.#attach(openChannelMemory(plan, fd, this.#notify, this.endpoint));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const unsafe = TendonError.is(error, 'REGION_UNSAFE') || TendonError.is(error, 'REGION_CORRUPT');
      if (unsafe || TendonError.is(error, 'PROTOCOL_ERROR')) throw error; // an attack, not a shortage: disconnect
      this.#line.life.write(memoryRefusedMessage(MEMORY_REFUSED_FOR_NOW, reason));
      this.#withoutMemory(`memory was refused: ${reason}`, false);
      return;
    }
    this.#line.life.write(message(MEMORY_READY));
    this.#enterMemory(); // settled when the listener's frames come by ring too: see SWITCH_TO_MEMORY
  }

  #memoryAccepted(): void {
    const memory = this.#offered;
    if (memory === undefined) throw protocolError(this.endpoint, 'MEMORY_READY without an offer');
    this.#offered = undefined;
    this.#attach(memory);
    this.#enterMemory(); // settled when the client's frames come by ring too: see SWITCH_TO_MEMORY
  }

  #memoryRefused(body: Uint8Array): void {
    const { reason, text } = readRefusal(body, this.endpoint);
    if (this.#role === 'listener' && this.#offered === undefined && this.#memory === undefined) {
      throw protocolError(this.endpoint, 'MEMORY_REFUSED without an offer');
    }
    if (this.#offered !== undefined) closeChannelMemory(this.#offered);
    this.#offered = undefined;
    if (this.#memory !== undefined)
      throw protocolError(this.endpoint, 'MEMORY_REFUSED for memory that is in use');
    this.#withoutMemory(`the other side: ${text}`, reason !== MEMORY_REFUSED_FOR_GOOD);
  }

  #attach(memory: ChannelMemory): void {
    this.#memory = memory;
    this.#ring = memory.outgoing;
    this.#reader = new FrameReader(memory.incoming, this.maxFrameBytes);
    this.#claimLimit = Math.min(memory.outgoing.maxRecordBytes, this.maxFrameBytes);
    this.#offerAgainMs = FIRST_OFFER_AGAIN_MS;
  }

  #withoutMemory(reason: string, again: boolean): void {
    this.#fellBack(reason);
    this.#settle();
    if (this.#role !== 'listener' || !again || !this.sendable) return;
    this.#offerTimer?.cancel();
    this.#offerTimer = this.clock.setTimer(() => {
      if (this.sendable && this.#memory === undefined) this.#offerMemory();
    }, this.#offerAgainMs);
    this.#offerAgainMs = Math.min(this.#offerAgainMs * 2, LAST_OFFER_AGAIN_MS);
  }

  #settle(): void {
    this.#settled?.();
    this.#settled = undefined;
  }

  // --- a peer that does not move -------------------------------------------------------------------------

  #watchForStalls(): StallWatch {
    const connection = this;
    const subject = {
      get position() {
        return connection.#consumerPosition();
      },
      get waiting() {
        if (!connection.sendable) return false;
        return connection.#unknownBytes() > 0 || connection.#line.life.pendingBytes > 0;
      },
      ask: (token: number): void => this.#line.life.write(tokenMessage(PING, token)),
      stalled: (): void => {
        const text = `${this.endpoint}: the other side lives but does not run; frames wait until it goes on`;
        this.degraded(new TendonError('DEADLINE_EXCEEDED', text, { timeoutMs: STALL_CHECK_MS }));
      },
      moved: (): void => {
        this.recovered();
        this.wakeUp(); // its doorbell may lie behind frames by socket that nobody here has read
      },
    };
    return new StallWatch(subject, this.clock);
  }

  #consumerPosition(): number {
    try {
      return this.#out?.consumerPosition ?? 0;
    } catch {
      return 0;
    }
  }

  /** What was committed and is not known to have been read. */
  #unknownBytes(): number {
    try {
      return this.#memory?.outgoing.usedBytes ?? 0;
    } catch {
      return 0;
    }
  }
}
