import { BACK_PRESSURED, CLOSED, TendonError } from '../../core/index.ts';
import { FRAME, FrameReader, type SpscProducer, SpscRing, writeFrame } from '../../ring/index.ts';
import {
  type Capabilities,
  ConnectionBase,
  type FrameHandler,
  type ResolvedConnectionOptions,
} from '../index.ts';

const CAPABILITIES: Capabilities = {
  ordered: true,
  reliable: true,
  zeroCopy: true,
  local: true,
  encrypted: false,
  descriptorPassing: false,
};

/** Each direction's ring. Pages that were never written cost nothing. */
const RING_BYTES = 1024 * 1024;
/** A waiting frame needs room for so much of it, at least: large ones leave in parts. */
const PART_BYTES = 64 * 1024;

/**
 * One end of an `inproc:` connection: a ring each way in memory of this thread. A handler never runs in the stack of
 * who sends: the poller wakes the other end in the next turn of the event loop.
 */
export class InprocConnection extends ConnectionBase {
  readonly maxClaimBytes: number;
  readonly #out: SpscProducer;
  readonly #in: FrameReader;
  /** the other end, while it is there */
  #peer: InprocConnection | undefined = undefined;
  #wake: (() => void) | undefined = undefined;
  /** bytes of the open claim; -1 when none is */
  #claimed = -1;
  #corked = false;
  #saidGoodbye = false;

  private constructor(endpoint: string, options: ResolvedConnectionOptions, theirs: number, way: Way) {
    super({ endpoint, capabilities: CAPABILITIES, peer: undefined }, options);
    this.agreeOnFrameLimit(theirs);
    // One bell for both rings: the other end sleeps until frames or room appear.
    const bell = { notify: () => this.#ring() };
    this.#out = way.out.producer(bell);
    this.#in = new FrameReader(way.in.consumer(bell), this.maxFrameBytes);
    this.maxClaimBytes = Math.min(this.#out.maxRecordBytes, this.maxFrameBytes);
  }

  /** Two ends that are open and know each other. */
  static pair(
    endpoint: string,
    one: ResolvedConnectionOptions,
    other: ResolvedConnectionOptions,
  ): [InprocConnection, InprocConnection] {
    const [up, down] = [newRing(), newRing()];
    const first = new InprocConnection(endpoint, one, other.maxFrameBytes, { out: up, in: down });
    const second = new InprocConnection(endpoint, other, one.maxFrameBytes, { out: down, in: up });
    first.#peer = second;
    second.#peer = first;
    return [first, second];
  }

  get claimBuffer(): Uint8Array {
    return this.#out.bytes;
  }

  tryClaim(length: number): number {
    if (!(length >= 0 && length <= this.maxClaimBytes)) throw this.claimTooLarge(length);
    this.#refuseClaimed();
    if (!this.sendable) return CLOSED;
    if (this.sends.waiting > 0) return this.#pressed();
    const offset = this.#out.tryClaim(length, FRAME);
    if (offset < 0) return this.#pressed();
    this.#claimed = length;
    return offset;
  }

  commit(): void {
    if (!this.sendable) {
      this.abort(); // the claim ended with the connection
      return;
    }
    if (this.#claimed < 0) throw this.misuse('there is no open claim to commit');
    this.#count(this.#claimed);
    this.#claimed = -1;
    this.#out.commit();
  }

  abort(): void {
    this.#claimed = -1;
    this.#out.abort();
  }

  offer(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): number {
    if (length > this.maxFrameBytes) throw this.tooLarge(length, this.maxFrameBytes);
    this.#refuseClaimed();
    if (!this.sendable) return CLOSED;
    if (this.sends.waiting > 0) return this.#pressed();
    if (length > this.#out.maxRecordBytes) return this.#offerInParts(bytes, offset, length);
    if (this.#out.offer(bytes, offset, length, FRAME) < 0) return this.#pressed();
    this.#count(length);
    return 0;
  }

  cork(): void {
    this.#corked = true;
    this.#out.cork();
  }

  uncork(): void {
    this.#corked = false;
    this.#out.uncork();
  }

  /** Nothing of it is in the event loop while it is idle, so it never keeps a process alive. */
  ref(): void {}
  unref(): void {}

  protected pollFrames(handler: FrameHandler, limit: number): number {
    const reader = this.#in;
    try {
      return reader.poll(handler, limit);
    } finally {
      this.framesReceived += reader.frames;
      this.bytesReceived += reader.bytes;
    }
  }

  protected override halt(): void {
    this.#in.ring.stop();
  }

  protected hasUnread(): boolean {
    return this.#in.ring.availableBytes > 0;
  }

  protected writeSome(bytes: Uint8Array, from: number): number {
    this.#refuseClaimed();
    const written = writeFrame(this.#out, bytes, from);
    if (written < 0) return BACK_PRESSURED;
    if (written === bytes.length) this.#count(written);
    return written;
  }

  protected arm(readable: boolean, writable: boolean, wake: () => void): boolean {
    this.#wake = wake;
    if ((!readable || this.#in.ring.park()) && (!writable || this.#out.park(this.#roomWanted()))) return true;
    this.disarm();
    return false;
  }

  protected disarm(): void {
    this.#wake = undefined;
    this.#in.ring.unpark();
    this.#out.unpark();
  }

  protected async shutdown(): Promise<void> {
    this.uncork();
    this.#saidGoodbye = true;
    const peer = this.#peer;
    setImmediate(() => peer?.ended(undefined));
  }

  protected release(): void {
    const peer = this.#peer;
    this.#peer = undefined;
    if (peer === undefined || this.#saidGoodbye) return;
    if (this.#corked) this.#out.publish();
    setImmediate(() => peer.#lost());
  }

  protected get active(): string {
    return 'inproc';
  }

  #ring(): void {
    const wake = this.#peer === undefined ? undefined : this.#peer.#wake;
    wake?.();
  }

  /** The other end was destroyed: it goes without a goodbye, like a process that was killed. */
  #lost(): void {
    const what = `the other end of ${this.endpoint} was destroyed`;
    const details = { endpoint: this.endpoint, unknownBytes: this.#out.usedBytes };
    this.ended(new TendonError('CONNECTION_LOST', what, details));
  }

  #offerInParts(bytes: Uint8Array, offset: number, length: number): number {
    const frame = bytes.subarray(offset, offset + length);
    const written = writeFrame(this.#out, frame, 0);
    if (written < 0) return this.#pressed();
    if (written === length) this.#count(length);
    else this.finishLater(frame, written);
    return 0;
  }

  #roomWanted(): number {
    const head = this.sends.head;
    return Math.min(head === undefined ? 0 : head.bytes.length, PART_BYTES, this.#out.maxRecordBytes);
  }

  #refuseClaimed(): void {
    if (this.#claimed >= 0) throw this.misuse('commit or abort the open claim first');
  }

  #count(bytes: number): void {
    this.framesSent++;
    this.bytesSent += bytes;
  }

  #pressed(): number {
    this.backPressured++;
    return BACK_PRESSURED;
  }
}

interface Way {
  readonly out: SpscRing;
  readonly in: SpscRing;
}

function newRing(): SpscRing {
  return SpscRing.format({
    memory: new ArrayBuffer(SpscRing.bytesNeeded(RING_BYTES)),
    capacityBytes: RING_BYTES,
  });
}
