import { BACK_PRESSURED, CLOSED, type Clock, Context, TendonError } from '../core/index.ts';
import {
  type Connection,
  ConnectionBase,
  type FrameHandler,
  ListenerBase,
  type ResolvedConnectionOptions,
  resolveConnectOptions,
} from '../transport/index.ts';

/** A clock that the test turns. Timers fire in the order of their times. */
export class HandClock implements Clock {
  now = 10_000;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  nowMs(): number {
    return this.now;
  }
  setTimer(callback: () => void, delayMs: number) {
    const timer = { at: this.now + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.now = Math.max(this.now, next.at);
      next.callback();
    }
    this.now = end;
  }
}

export interface LoopbackOptions {
  readonly context?: Context;
  /** frames that fit between two ends before they press back */
  readonly capacity?: number;
  readonly maxClaimBytes?: number;
  readonly maxFrameBytes?: number;
  readonly maxQueuedSends?: number;
}

/** Two connections within a test, joined by two bounded queues; frames cross when they are committed and uncorked. */
export function loopback(options: LoopbackOptions = {}): [client: Loopback, server: Loopback] {
  const context = options.context ?? new Context();
  const resolved = resolveConnectOptions({
    context,
    ...(options.maxFrameBytes === undefined ? {} : { maxFrameBytes: options.maxFrameBytes }),
    ...(options.maxQueuedSends === undefined ? {} : { maxQueuedSends: options.maxQueuedSends }),
  });
  const client = new Loopback(resolved, options);
  const server = new Loopback(resolved, options);
  client.other = server;
  server.other = client;
  return [client, server];
}

export class Loopback extends ConnectionBase {
  readonly maxClaimBytes: number;
  readonly #capacity: number;
  other: Loopback | undefined = undefined;
  /** every frame that was sent from here, for tests that look at the wire */
  readonly sentFrames: Uint8Array[] = [];
  /** how often frames were handed to the other end: corked ones cross together */
  flushes = 0;
  recording = false;
  #inbox: Uint8Array[] = [];
  #corkedFrames: Uint8Array[] = [];
  #corked = false;
  #claim: Uint8Array | undefined = undefined;
  #wake: (() => void) | undefined = undefined;
  #wantsRoom = false;

  constructor(resolved: ResolvedConnectionOptions, options: LoopbackOptions) {
    super(
      {
        endpoint: 'loopback:test',
        capabilities: {
          ordered: true,
          reliable: true,
          zeroCopy: false,
          local: true,
          encrypted: false,
          descriptorPassing: false,
        },
        peer: { pid: process.pid, uid: 0, gid: 0 },
      },
      resolved,
    );
    this.maxClaimBytes = Math.min(options.maxClaimBytes ?? 1 << 16, resolved.maxFrameBytes);
    this.#capacity = options.capacity ?? Infinity;
  }

  get claimBuffer(): Uint8Array {
    return this.#claim as Uint8Array; // only between a claim and its end
  }

  get #full(): boolean {
    return this.other!.#inbox.length + this.#corkedFrames.length >= this.#capacity;
  }

  tryClaim(length: number): number {
    if (length > this.maxClaimBytes) throw this.claimTooLarge(length);
    if (!this.sendable) return CLOSED;
    if (this.sends.waiting > 0 || this.#full) {
      this.backPressured++;
      return BACK_PRESSURED;
    }
    this.#claim = new Uint8Array(length);
    return 0;
  }

  commit(): void {
    const frame = this.#claim as Uint8Array; // a claim is open
    this.#claim = undefined;
    this.#push(frame);
  }

  abort(): void {
    this.#claim = undefined;
  }

  offer(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (length > this.maxFrameBytes) throw this.tooLarge(length, this.maxFrameBytes);
    if (!this.sendable) return CLOSED;
    if (this.sends.waiting > 0 || this.#full) {
      this.backPressured++;
      return BACK_PRESSURED;
    }
    this.#push(bytes.slice(offset, offset + length));
    return 0;
  }

  cork(): void {
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
    this.#flush();
  }

  ref(): void {}
  unref(): void {}

  /** The peer died: what it sent before is still delivered. */
  lose(): void {
    const { endpoint } = this;
    this.ended(new TendonError('CONNECTION_LOST', 'the peer died', { endpoint, unknownBytes: 0 }));
  }

  #push(frame: Uint8Array): void {
    this.framesSent++;
    if (this.recording) this.sentFrames.push(frame);
    this.#corkedFrames.push(frame);
    if (!this.#corked) this.#flush();
  }

  #flush(): void {
    if (this.#corkedFrames.length === 0) return;
    this.flushes++;
    const { other } = this;
    if (other!.state !== 'closed') other!.#inbox.push(...this.#corkedFrames);
    this.#corkedFrames = [];
    other!.#ring();
  }

  #ring(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  protected pollFrames(handler: FrameHandler, limit: number): number {
    const count = Math.min(limit, this.#inbox.length);
    for (let index = 0; index < count && this.state !== 'closed'; index++) {
      const frame = this.#inbox.shift() as Uint8Array; // counted above
      this.framesReceived++;
      // In the middle of a larger buffer, which is wiped after the call: nobody may keep a view of it.
      const ring = new Uint8Array(frame.length + 48).fill(0xee);
      ring.set(frame, 24);
      try {
        handler(ring, 24, frame.length);
      } finally {
        ring.fill(0xdd);
      }
    }
    if (count > 0 && this.other!.#wantsRoom) this.other!.#ring();
    return count;
  }

  protected hasUnread(): boolean {
    return this.#inbox.length > 0;
  }

  protected writeSome(bytes: Uint8Array): number {
    if (this.#full) return BACK_PRESSURED;
    this.#push(bytes.slice());
    return bytes.length;
  }

  protected arm(readable: boolean, writable: boolean, wake: () => void): boolean {
    if (readable && this.#inbox.length > 0) return false;
    if (writable && !this.#full) return false;
    this.#wake = wake;
    this.#wantsRoom = writable;
    return true;
  }

  protected disarm(): void {
    this.#wake = undefined;
    this.#wantsRoom = false;
  }

  protected async shutdown(): Promise<void> {
    this.#flush();
    this.other!.ended(undefined);
  }

  protected release(): void {
    this.#inbox = [];
    if (this.other!.state !== 'closed') {
      const { endpoint } = this;
      this.other!.ended(new TendonError('CONNECTION_LOST', 'the peer let go', { endpoint, unknownBytes: 0 }));
    }
  }

  protected get active(): string {
    return 'loopback';
  }
}

/** A listener whose clients the test makes. */
export class LoopbackListener extends ListenerBase {
  readonly endpoint = 'loopback:test';
  readonly #context: Context;
  constructor(context: Context) {
    super(64);
    this.#context = context;
  }
  connect(options: LoopbackOptions = {}): Loopback {
    const [client, server] = loopback({ context: this.#context, ...options });
    this.deliver(server satisfies Connection);
    return client;
  }
  protected async stop(): Promise<void> {}
  ref(): void {}
  unref(): void {}
}
