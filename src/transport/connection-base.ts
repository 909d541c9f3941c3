// Over 400 lines because the way down (draining, closed, released) and who owns the receiving side are one state machine.
import { EventEmitter } from 'node:events';
import { type AgentHandle, type ClockTimer, type Context, TendonError } from '../core/index.ts';
import type {
  Capabilities,
  Connection,
  ConnectionEvents,
  ConnectionState,
  ConnectionStats,
  FrameHandler,
  Peer,
  ReceiveOptions,
} from './contract.ts';
import { copyOf } from './copy.ts';
import { FrameIterator, resolveReceiveOptions } from './frame-iterator.ts';
import type { ResolvedConnectionOptions } from './options.ts';
import { SendQueue } from './send-queue.ts';

/** Frames handed over in one duty cycle before other agents and the event loop get their turn. */
const FRAMES_PER_CYCLE = 256;

export interface ConnectionIdentity {
  readonly endpoint: string;
  readonly capabilities: Capabilities;
  readonly peer: Peer | undefined;
}

/**
 * What all connections have in common: who owns the receiving side, waiting senders and receivers, states, the
 * way down. A transport adds the moving of frames:
 *
 * - the fast face (`tryClaim`, `commit`, `abort`, `offer`, `cork`, `uncork`), answering BACK_PRESSURED while
 *   `this.sends.waiting > 0` and CLOSED once `this.sendable` is false;
 * - the protected hooks below.
 *
 * It reports with `opened`, `degraded`, `ended` (nothing more will come; what is there is still delivered) and
 * `destroy`.
 */
export abstract class ConnectionBase implements Connection {
  readonly endpoint: string;
  readonly capabilities: Capabilities;
  readonly peer: Peer | undefined;
  readonly events: EventEmitter<ConnectionEvents> = new EventEmitter();
  abstract readonly maxClaimBytes: number;

  /** the queue of waiting `send` calls */
  protected readonly sends: SendQueue;
  /** false once nothing can be sent any more */
  protected sendable = true;
  protected framesSent = 0;
  protected framesReceived = 0;
  protected bytesSent = 0;
  protected bytesReceived = 0;
  protected backPressured = 0;

  readonly #context: Context;
  readonly #lingerMs: number;
  #maxFrameBytes: number;
  #state: ConnectionState = 'open';
  #closeReason: TendonError | undefined = undefined;
  #receiver: Receiver = NOBODY;
  #consumer: FrameHandler | undefined = undefined;
  #iterator: FrameIterator | undefined = undefined;
  #ended = false;
  #endReason: TendonError | undefined = undefined;
  #duty: AgentHandle | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  /** made when somebody asks */
  #closed: Promise<TendonError | undefined> | undefined = undefined;
  #tellClosed: ((reason: TendonError | undefined) => void) | undefined = undefined;
  /** a handler of ours is on the stack: memory it looks at must stay, and polling again would tear its frame */
  #polling = false;
  #released = false;

  protected constructor(identity: ConnectionIdentity, options: ResolvedConnectionOptions) {
    this.endpoint = identity.endpoint;
    this.capabilities = identity.capabilities;
    this.peer = identity.peer;
    this.#context = options.context;
    this.#maxFrameBytes = options.maxFrameBytes;
    this.#lingerMs = options.lingerMs;
    this.sends = new SendQueue(options.maxQueuedSends, options.maxQueuedBytes);
  }

  // --- what a transport adds -----------------------------------------------------------------------------

  abstract get claimBuffer(): Uint8Array;
  abstract tryClaim(length: number): number;
  abstract commit(): void;
  abstract abort(): void;
  abstract offer(bytes: Uint8Array, offset?: number, length?: number): number;
  abstract cork(): void;
  abstract uncork(): void;
  abstract ref(): void;
  abstract unref(): void;

  /** Hands over frames as `poll` does. May call `destroy` or `ended`; errors of the handler pass through. */
  protected abstract pollFrames(handler: FrameHandler, limit: number): number;
  /** True while there are received frames (or parts of some) that `pollFrames` has not handed over. */
  protected abstract hasUnread(): boolean;
  /** The connection was destroyed by a handler that `pollFrames` is calling: hand over nothing more. */
  protected halt(): void {}
  /**
   * Writes what fits of a frame, starting `from` bytes into it. Also called while the connection is draining.
   *
   * @param held the bytes do not change until the frame is complete or the connection is released, so they may
   *   be referred to instead of copied; otherwise what was not written is not kept
   * @returns how many of its bytes are written now; `bytes.length` when the frame is complete. BACK_PRESSURED
   *   when none of it could be written yet.
   * @throws TendonError STATE_INVALID while a claim is open
   */
  protected abstract writeSome(bytes: Uint8Array, from: number, held: boolean): number;
  /**
   * Arranges that `wake` is called once when frames may be polled (`readable`) or written (`writable`).
   * Answers false, with nothing armed, when that is so already.
   */
  protected abstract arm(readable: boolean, writable: boolean, wake: (atOnce?: boolean) => void): boolean;
  protected abstract disarm(): void;
  /** Tells the peer that nothing more follows, and flushes; resolves when the system has taken all. */
  protected abstract shutdown(): Promise<void>;
  /** Frees every resource; called once, last, never from within `pollFrames`. */
  protected abstract release(): void;
  /** Whether polling on for a while beats being woken; not where the event loop watches the descriptor anyway. */
  protected get spins(): boolean {
    return true;
  }
  /** what carries outgoing frames, for `stats.active` */
  protected abstract get active(): string;
  protected get fallbackCount(): number {
    return 0;
  }
  protected get fallbackReason(): string | undefined {
    return undefined;
  }

  // --- the contract --------------------------------------------------------------------------------------

  get maxFrameBytes(): number {
    return this.#maxFrameBytes;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get closeReason(): TendonError | undefined {
    return this.#closeReason;
  }

  get closed(): Promise<TendonError | undefined> {
    this.#closed ??=
      this.#state === 'closed'
        ? Promise.resolve(this.#closeReason)
        : new Promise((resolve) => {
            this.#tellClosed = resolve;
          });
    return this.#closed;
  }

  get stats(): ConnectionStats {
    return {
      framesSent: this.framesSent,
      framesReceived: this.framesReceived,
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      backPressured: this.backPressured,
      active: this.active,
      fallbackCount: this.fallbackCount,
      fallbackReason: this.fallbackReason,
    };
  }

  poll(handler: FrameHandler, limit = FRAMES_PER_CYCLE): number {
    if (this.#receiver !== POLLER) this.#own(POLLER);
    if (this.#state === 'closed') return 0;
    return this.#poll(handler, limit);
  }

  consume(handler: FrameHandler): void {
    this.#own(CONSUMER);
    this.#consumer = handler;
    this.#wakeDuty();
  }

  send(bytes: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<void> {
    if (bytes.length > this.#maxFrameBytes)
      return Promise.reject(this.tooLarge(bytes.length, this.#maxFrameBytes));
    if (!this.sendable) return Promise.reject(this.#endedError());
    const signal = options?.signal;
    if (this.sends.waiting === 0 && !signal?.aborted) {
      let written: number;
      try {
        written = this.writeSome(bytes, 0, signal === undefined);
      } catch (error) {
        return Promise.reject(error);
      }
      if (written === bytes.length) return SENT;
      if (!this.sendable) return Promise.reject(this.#endedError());
      this.backPressured++;
      const sent = this.sends.add(bytes, Math.max(written, 0), signal);
      this.#wakeDuty();
      return sent;
    }
    return this.sends.add(bytes, 0, signal);
  }

  receive(options: ReceiveOptions = {}): AsyncIterable<readonly Uint8Array[]> {
    return {
      [Symbol.asyncIterator]: () => {
        const checked = resolveReceiveOptions(options); // before the receiving side is taken
        this.#own(ITERATOR);
        const iterator = new FrameIterator(checked, {
          poll: (handler, limit) => {
            return this.#state === 'closed' ? 0 : this.#poll(handler, limit);
          },
          get ended() {
            return connection.#ended && (connection.#state === 'closed' || !connection.hasUnread());
          },
          get endReason() {
            return connection.#endReason;
          },
          wait: () => this.#wakeDuty(),
          done: () => {
            this.#iterator = undefined;
            if (this.#receiver === ITERATOR) this.#receiver = NOBODY;
          },
        });
        const connection = this;
        this.#iterator = iterator;
        return iterator;
      },
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  destroy(reason?: TendonError): void {
    if (this.#state === 'closed') return;
    this.#finish(reason ?? this.#endReason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- what a transport reports --------------------------------------------------------------------------

  /** The smaller of both ends' limits, once it is known. */
  protected agreeOnFrameLimit(theirs: number): void {
    this.#maxFrameBytes = Math.min(this.#maxFrameBytes, theirs);
  }

  /** The peer does not move, or the transport runs on its second choice; frames may be late, none is lost. */
  protected degraded(reason: TendonError): void {
    if (this.#state === 'open') this.#setState('degraded', reason);
  }

  protected recovered(): void {
    if (this.#state === 'degraded') this.#setState('open', undefined);
  }

  /** Nothing more will come from the peer and nothing can be sent to it. What it sent is still delivered. */
  protected ended(reason: TendonError | undefined): void {
    if (this.#ended || this.#state === 'closed') return;
    this.#ended = true;
    this.#endReason = reason;
    this.sendable = false;
    this.sends.failAll(this.#endedError());
    if (this.#state !== 'draining') this.#setState('draining', reason);
    this.#settleEnd();
    this.#wakeDuty();
  }

  /** The rest of a frame that `offer` took in part leaves, from a copy, as room appears and before anything else. */
  protected finishLater(bytes: Uint8Array, written: number): void {
    // Nobody waits for it: `offer` has answered, and the close tells what became of the frame.
    this.sends.add(copyOf(bytes), written, undefined).catch(() => {});
    this.#wakeDuty();
  }

  /** Room or frames appeared: lets waiting `send`, `receive` and `consume` go on. */
  protected wakeUp(): void {
    this.#duty?.wake();
  }

  protected tooLarge(bytes: number, limitBytes: number): TendonError {
    return new TendonError(
      'FRAME_TOO_LARGE',
      `a frame of ${bytes} bytes does not fit the limit of ${limitBytes} of ${this.endpoint}; raise maxFrameBytes on both ends or send it in parts`,
      { bytes, limitBytes },
    );
  }

  protected claimTooLarge(bytes: number): TendonError {
    return new TendonError(
      'FRAME_TOO_LARGE',
      `a claim of ${bytes} bytes is not from 0 to the ${this.maxClaimBytes} that ${this.endpoint} can claim in place; use offer or send`,
      { bytes, limitBytes: this.maxClaimBytes },
    );
  }

  protected misuse(what: string): TendonError {
    return new TendonError('STATE_INVALID', `${what} (connection ${this.endpoint})`, {});
  }

  protected get clock() {
    return this.#context.clock;
  }

  protected get context(): Context {
    return this.#context;
  }

  // --- within --------------------------------------------------------------------------------------------

  #own(receiver: Receiver): void {
    if (this.#receiver === receiver && receiver === POLLER) return;
    if (this.#receiver !== NOBODY) {
      throw this.misuse(`the receiving side already belongs to ${this.#receiver}, which came first`);
    }
    this.#receiver = receiver;
  }

  /** Every way of receiving ends here; nothing is released while a handler is on the stack. */
  #poll(handler: FrameHandler, limit: number): number {
    if (!(limit >= 1)) return 0;
    if (this.#polling) throw this.misuse('a handler may not poll the connection that is calling it');
    this.#polling = true;
    try {
      return this.pollFrames(handler, limit);
    } finally {
      this.#polling = false;
      if (this.#state === 'closed') this.#letGo();
      else if (this.#ended) this.#settleEnd();
    }
  }

  /** Starts (or wakes) the duty cycle that serves those who wait. */
  #wakeDuty(): void {
    if (this.#state === 'closed') return;
    if (this.#duty !== undefined) {
      this.#duty.wake();
      return;
    }
    this.#duty = this.#context.poller.add({
      name: `connection ${this.endpoint}`,
      parksAtOnce: !this.spins,
      doWork: () => this.#doWork(),
      park: (wake) => {
        const readable = this.#consumer !== undefined || this.#iterator?.waiting === true;
        const writable = this.sends.waiting > 0;
        if (!readable && !writable) return true;
        return this.arm(readable, writable, wake);
      },
      unpark: () => this.disarm(),
      failed: (error) => {
        this.destroy(
          TendonError.is(error)
            ? error
            : new TendonError(
                'PROTOCOL_ERROR',
                `connection ${this.endpoint} failed`,
                { endpoint: this.endpoint },
                { cause: error },
              ),
        );
      },
    });
  }

  #doWork(): number {
    let work = 0;
    if (this.sends.waiting > 0) work += this.pumpSends();
    if (this.#consumer !== undefined) {
      try {
        work += this.#poll(this.#consumer, FRAMES_PER_CYCLE);
      } catch (error) {
        work++;
        // The handler's own error is its program's: it surfaces like that of any event listener.
        process.nextTick(() => {
          throw error;
        });
      }
    } else if (this.#iterator?.waiting === true) {
      work += this.#iterator.serve();
    }
    if (this.#ended) this.#settleEnd();
    return work;
  }

  /** Writes what waits, as far as it goes; the fast face calls it so that a program that never yields gets on. */
  protected pumpSends(): number {
    let work = 0;
    for (let head = this.sends.head; head !== undefined; head = this.sends.head) {
      const before = head.written;
      const written = this.writeSome(head.bytes, before, head.signal === undefined);
      if (this.#ended) break;
      if (written === head.bytes.length) {
        this.sends.complete();
        work++;
        continue;
      }
      if (written > before) {
        head.written = written;
        work++;
      }
      break;
    }
    return work;
  }

  /** After the end: closed once everything that had arrived is handed over. */
  #settleEnd(): void {
    if (this.#state === 'closed' || this.#polling || this.hasUnread()) return;
    this.#finish(this.#endReason);
  }

  async #close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.sendable = false; // for new frames; what waits in `sends` still leaves
    if (this.#state !== 'draining') this.#setState('draining', undefined);
    let timer: ClockTimer | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = this.#context.clock.setTimer(resolve, this.#lingerMs, true);
    });
    try {
      if (this.sends.waiting > 0) await Promise.race([this.sends.idle(), timeout]);
      if (this.#state !== ('closed' as ConnectionState)) await Promise.race([this.shutdown(), timeout]);
    } finally {
      timer?.cancel();
      this.#finish(this.#endReason);
    }
  }

  #endedError(): TendonError {
    const reason = this.#closeReason ?? this.#endReason;
    if (reason !== undefined) return reason;
    return new TendonError('CONNECTION_CLOSED', `the connection ${this.endpoint} is closed`, {
      endpoint: this.endpoint,
    });
  }

  #finish(reason: TendonError | undefined): void {
    if (this.#state === 'closed') return;
    this.#ended = true;
    this.#endReason = reason;
    this.#closeReason = reason;
    this.sendable = false;
    this.#duty?.remove();
    this.#state = 'closed';
    this.sends.failAll(this.#endedError());
    if (this.#polling) this.halt();
    else this.#letGo();
    this.#tellClosed?.(reason);
    this.#tell('closed', reason);
  }

  /** After `#finish`, once no handler is on the stack. */
  #letGo(): void {
    if (this.#released) return;
    this.#released = true;
    this.release();
    this.#iterator?.serve();
  }

  #setState(state: ConnectionState, reason: TendonError | undefined): void {
    this.#state = state;
    this.#tell(state, reason);
  }

  /** A listener's error is its program's: it surfaces like that of any other, and the way down goes on. */
  #tell(state: ConnectionState, reason: TendonError | undefined): void {
    try {
      this.events.emit('state', state, reason);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

/** One promise for every `send` that needed no waiting. */
const SENT: Promise<void> = Promise.resolve();

const NOBODY = 'nobody';
const POLLER = 'poll()';
const CONSUMER = 'consume()';
const ITERATOR = 'receive()';
type Receiver = typeof NOBODY | typeof POLLER | typeof CONSUMER | typeof ITERATOR;
