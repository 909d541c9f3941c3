import type { EventEmitter } from 'node:events';
import {
  BACK_PRESSURED,
  CLOSED,
  durationOption,
  integerOption,
  refuseUnknownOptions,
  TendonError,
  throwIfAborted,
} from '../core/index.ts';
import type {
  Capabilities,
  Connection,
  ConnectionEvents,
  ConnectionState,
  ConnectionStats,
  FrameHandler,
  Peer,
  ReceiveOptions,
} from '../transport/index.ts';
import { SeededRandom } from './random.ts';

/** Shares from 0 (never, the default) to 1 (always) of the frames that are sent. */
export interface FaultyLinkOptions {
  /** the same seed, the same faults for the same frames; 1 */
  readonly seed?: number;
  readonly drop?: number;
  readonly duplicate?: number;
  /** one bit of the frame is flipped */
  readonly corrupt?: number;
  /** the frame arrives after the next one */
  readonly reorder?: number;
  /** the frame arrives after `delayFrames` further ones */
  readonly delay?: number;
  /** 10 */
  readonly delayFrames?: number;
}

/** What a faulty link has done so far, in frames. */
export interface FaultCounts {
  readonly passed: number;
  readonly dropped: number;
  readonly duplicated: number;
  readonly corrupted: number;
  readonly reordered: number;
  readonly delayed: number;
}

interface HeldBack {
  readonly frame: Uint8Array;
  /** how many further frames pass first */
  after: number;
}

/** Frames of ours that the real connection has not taken; then this side is BACK_PRESSURED. */
const MAX_UNDER_WAY = 256;
const SHARES = ['drop', 'duplicate', 'corrupt', 'reorder', 'delay'] as const;

/**
 * A connection that loses, repeats, damages, swaps and delays what is *sent* through it, reproducibly by seed. What is
 * received passes untouched: wrap the other end too for faults both ways. Nothing depends on time: a frame that is held
 * back leaves when others have passed it, or at `release`.
 */
export class FaultyLink implements Connection {
  readonly capabilities: Capabilities;
  readonly #inner: Connection;
  readonly #random: SeededRandom;
  readonly #shares: Readonly<Record<(typeof SHARES)[number], number>>;
  readonly #delayFrames: number;
  #heldBack: HeldBack[] = [];
  #underWay = 0;
  #claimed: Uint8Array | undefined = undefined;
  readonly #counts = { passed: 0, dropped: 0, duplicated: 0, corrupted: 0, reordered: 0, delayed: 0 };

  constructor(inner: Connection, options: FaultyLinkOptions = {}) {
    refuseUnknownOptions('FaultyLink', options, ['seed', 'delayFrames', ...SHARES]);
    const share = (name: (typeof SHARES)[number]): number => {
      const value = durationOption(name, options[name] ?? 0);
      if (value > 1)
        throw new TendonError('OPTION_INVALID', `${name} must be a share from 0 to 1, got ${value}`, {
          option: name,
          value,
        });
      return value;
    };
    this.#shares = {
      drop: share('drop'),
      duplicate: share('duplicate'),
      corrupt: share('corrupt'),
      reorder: share('reorder'),
      delay: share('delay'),
    };
    this.#delayFrames = integerOption('delayFrames', options.delayFrames ?? 10, 1, 1_000_000);
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#inner = inner;
    const lossy = this.#shares.drop + this.#shares.corrupt > 0;
    const disorderly = this.#shares.reorder + this.#shares.delay > 0;
    this.capabilities = {
      ...inner.capabilities,
      ordered: inner.capabilities.ordered && !disorderly,
      reliable: inner.capabilities.reliable && !lossy,
      zeroCopy: false,
    };
  }

  get counts(): FaultCounts {
    return { ...this.#counts };
  }

  /** Lets everything go that is held back, in the order it was sent. */
  release(): void {
    const held = this.#heldBack;
    this.#heldBack = [];
    for (const { frame } of held) this.#forward(frame);
  }

  get endpoint(): string {
    return this.#inner.endpoint;
  }
  get peer(): Peer | undefined {
    return this.#inner.peer;
  }
  get state(): ConnectionState {
    return this.#inner.state;
  }
  get closeReason(): TendonError | undefined {
    return this.#inner.closeReason;
  }
  get closed(): Promise<TendonError | undefined> {
    return this.#inner.closed;
  }
  get stats(): ConnectionStats {
    return this.#inner.stats;
  }
  get events(): EventEmitter<ConnectionEvents> {
    return this.#inner.events;
  }
  get maxFrameBytes(): number {
    return this.#inner.maxFrameBytes;
  }
  get maxClaimBytes(): number {
    return this.#inner.maxClaimBytes;
  }

  get claimBuffer(): Uint8Array {
    return this.#claimed ?? new Uint8Array(0);
  }

  tryClaim(length: number): number {
    this.#refuseClaimed();
    if (!(length >= 0 && length <= this.maxClaimBytes)) this.#tooLarge(length, this.maxClaimBytes);
    const refusal = this.#refusal();
    if (refusal < 0) return refusal;
    this.#claimed = new Uint8Array(length);
    return 0;
  }

  commit(): void {
    const frame = this.#claimed;
    if (frame === undefined) throw new TendonError('STATE_INVALID', 'there is no open claim to commit', {});
    this.#claimed = undefined;
    this.#send(frame);
  }

  abort(): void {
    this.#claimed = undefined;
  }

  offer(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): number {
    this.#refuseClaimed();
    if (length > this.maxFrameBytes) this.#tooLarge(length, this.maxFrameBytes);
    const refusal = this.#refusal();
    if (refusal < 0) return refusal;
    this.#send(new Uint8Array(bytes.subarray(offset, offset + length)));
    return 0;
  }

  cork(): void {
    this.#inner.cork();
  }
  uncork(): void {
    this.#inner.uncork();
  }
  poll(handler: FrameHandler, limit?: number): number {
    return limit === undefined ? this.#inner.poll(handler) : this.#inner.poll(handler, limit);
  }
  consume(handler: FrameHandler): void {
    this.#inner.consume(handler);
  }

  async send(bytes: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<void> {
    this.#refuseClaimed();
    if (bytes.length > this.maxFrameBytes) this.#tooLarge(bytes.length, this.maxFrameBytes);
    throwIfAborted(options?.signal, 'send');
    await this.#send(new Uint8Array(bytes));
  }

  receive(options?: ReceiveOptions): AsyncIterable<readonly Uint8Array[]> {
    return this.#inner.receive(options);
  }

  /** Lets go what is held back, then closes. */
  close(): Promise<void> {
    this.release();
    return this.#inner.close();
  }
  destroy(reason?: TendonError): void {
    this.#heldBack = [];
    this.#inner.destroy(reason);
  }
  ref(): void {
    this.#inner.ref();
  }
  unref(): void {
    this.#inner.unref();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Decides a frame's fate. @returns when what became of it is on its way; rejects when the connection is gone */
  #send(frame: Uint8Array): Promise<void> {
    // All draws are made for every frame, so that one share does not change what another one meets.
    const drop = this.#random.chance(this.#shares.drop);
    const duplicate = this.#random.chance(this.#shares.duplicate);
    const corrupt = this.#random.chance(this.#shares.corrupt);
    const reorder = this.#random.chance(this.#shares.reorder);
    const delay = this.#random.chance(this.#shares.delay);
    const bit = this.#random.uint32();
    let sent: Promise<void> = Promise.resolve();
    if (drop) {
      this.#counts.dropped++;
    } else {
      if (corrupt && frame.length > 0) {
        this.#counts.corrupted++;
        const at = bit % (frame.length * 8);
        frame[at >>> 3]! ^= 1 << (at & 7);
      }
      if (reorder || delay) {
        this.#counts[delay ? 'delayed' : 'reordered']++;
        this.#heldBack.push({ frame, after: delay ? this.#delayFrames : 1 });
        return sent;
      }
      sent = this.#forward(frame);
      if (duplicate) {
        this.#counts.duplicated++;
        sent = this.#forward(frame);
      }
    }
    this.#pass();
    return sent;
  }

  /** Another frame has gone by: those it has overtaken for long enough follow. */
  #pass(): void {
    if (this.#heldBack.length === 0) return;
    const still: HeldBack[] = [];
    for (const held of this.#heldBack) {
      if (--held.after > 0) still.push(held);
      else this.#forward(held.frame);
    }
    this.#heldBack = still;
  }

  #forward(frame: Uint8Array): Promise<void> {
    this.#counts.passed++;
    this.#underWay++;
    const sent = this.#inner.send(frame);
    sent.then(
      () => this.#underWay--,
      () => this.#underWay--, // who awaits `send` is told; for the others it is a fault like any other
    );
    return sent;
  }

  #refusal(): number {
    const { state } = this.#inner;
    if (state === 'closed' || state === 'draining') return CLOSED;
    return this.#underWay >= MAX_UNDER_WAY ? BACK_PRESSURED : 0;
  }

  #refuseClaimed(): void {
    if (this.#claimed !== undefined)
      throw new TendonError('STATE_INVALID', 'commit or abort the open claim first', {});
  }

  #tooLarge(bytes: number, limitBytes: number): never {
    const what = `a frame of ${bytes} bytes is not from 0 to ${limitBytes}`;
    throw new TendonError('FRAME_TOO_LARGE', what, { bytes, limitBytes });
  }
}
