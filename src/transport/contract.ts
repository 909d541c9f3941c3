import type { EventEmitter } from 'node:events';
import type { Context, TendonError } from '../core/index.ts';

/**
 * The transport contract: a connection carries frames and never looks inside them.
 *
 * Every transport of Tendon passes the suite that `tendon/testing` publishes as `transportContract`; what a
 * transport may differ in, its `capabilities` say.
 */

/**
 * A frame in place: `length` bytes of `bytes` from `offset`. They are valid during the call only; what must
 * outlive it is copied (`bytes.slice(offset, offset + length)`).
 */
export type FrameHandler = (bytes: Uint8Array, offset: number, length: number) => void;

export type ConnectionState = 'connecting' | 'open' | 'degraded' | 'reconnecting' | 'draining' | 'closed';

export interface Capabilities {
  /** frames arrive in the order they were sent */
  readonly ordered: boolean;
  /** no frame is lost while the connection is open */
  readonly reliable: boolean;
  /** `tryClaim` hands out the memory that the receiver reads */
  readonly zeroCopy: boolean;
  /** both ends are on this host */
  readonly local: boolean;
  readonly encrypted: boolean;
  /** open file descriptors can travel with frames */
  readonly descriptorPassing: boolean;
}

/** Who is at the other end, as the kernel vouches for it. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A snapshot; counts are since the connection was opened. */
export interface ConnectionStats {
  readonly framesSent: number;
  readonly framesReceived: number;
  /** payload bytes, without headers and padding */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** how often `tryClaim` and `offer` answered BACK_PRESSURED, and `send` had to wait */
  readonly backPressured: number;
  /** what carries outgoing frames now: `'shm'`, `'unix'`, `'tcp'`, `'inproc'` */
  readonly active: string;
  /** how often outgoing frames fell back from memory to the socket, the first choice at connect included */
  readonly fallbackCount: number;
  /** why memory is not used, in words; undefined while it is (or where there is none to use) */
  readonly fallbackReason: string | undefined;
}

export interface ConnectionEvents {
  /** a new state and, for `degraded`, `draining` and `closed`, why */
  state: [state: ConnectionState, reason: TendonError | undefined];
}

export interface Connection extends AsyncDisposable {
  /** the endpoint this connection was opened or accepted at */
  readonly endpoint: string;
  readonly capabilities: Capabilities;
  readonly peer: Peer | undefined;
  readonly state: ConnectionState;
  /** why the connection ended: undefined while it is open and after an orderly close */
  readonly closeReason: TendonError | undefined;
  /** Resolves, never rejects, when the state is `closed`: with `closeReason`. */
  readonly closed: Promise<TendonError | undefined>;
  readonly stats: ConnectionStats;
  /** State changes, for people and dashboards. Frames never travel here. */
  readonly events: EventEmitter<ConnectionEvents>;
  /** the largest frame either side sends */
  readonly maxFrameBytes: number;
  /** the largest frame that can be claimed in place; larger ones take `offer` or `send` */
  readonly maxClaimBytes: number;

  // The fast face: synchronous, no allocation, one outcome a call.

  /** Where a claimed frame is written. Read it anew after each claim: it may be another buffer. */
  readonly claimBuffer: Uint8Array;
  /**
   * Reserves a frame of exactly `length` bytes to be written into `claimBuffer` from the returned offset, and
   * then to be committed or aborted before anything else is sent.
   *
   * @returns the offset, or BACK_PRESSURED (no room, or queued `send`s go first), or CLOSED
   * @throws TendonError FRAME_TOO_LARGE beyond `maxClaimBytes`; STATE_INVALID when a claim is open
   */
  tryClaim(length: number): number;
  /**
   * Publishes the claimed frame: the peer can see it (corked: with the next `uncork`). A claim that was open when
   * the connection ended is dropped in silence.
   *
   * @throws TendonError STATE_INVALID when no claim is open
   */
  commit(): void;
  /** Gives the claim back; nothing is sent. */
  abort(): void;
  /**
   * Sends a copy of `length` bytes of `bytes` from `offset` (default: all of them).
   *
   * @returns 0 when it was taken, or BACK_PRESSURED (nothing was taken: offer again later), or CLOSED
   * @throws TendonError FRAME_TOO_LARGE beyond `maxFrameBytes`
   */
  offer(bytes: Uint8Array, offset?: number, length?: number): number;
  /** Until `uncork`, committed frames are published together: one store, one wake-up for all of them. */
  cork(): void;
  uncork(): void;
  /**
   * Hands up to `limit` (default 256) received frames to `handler`, in order. A handler that throws has
   * consumed its frame, and the error reaches the caller.
   *
   * @returns how many frames were handed over; 0 when there were none
   * @throws TendonError STATE_INVALID when the receiving side belongs to `receive` or `consume`
   */
  poll(handler: FrameHandler, limit?: number): number;
  /**
   * Gives the receiving side to the context's poller: `handler` gets each frame in place as it comes, for the
   * life of the connection. An idle connection parks and costs nothing.
   *
   * @throws TendonError STATE_INVALID when the receiving side belongs to `poll` or `receive`
   */
  consume(handler: FrameHandler): void;

  // The comfortable face.

  /**
   * Sends `bytes`, waiting for room where there is none; concurrent calls are served in order. The bytes must
   * not change until the promise settles.
   *
   * @throws TendonError FRAME_TOO_LARGE; QUEUE_FULL beyond `maxQueuedSends` waiting calls or `maxQueuedBytes` of
   *   their frames; CONNECTION_CLOSED or CONNECTION_LOST; ABORTED
   */
  send(bytes: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Received frames in batches of what is there, as copies of the caller's own. Ends after an orderly close;
   * throws CONNECTION_LOST when the peer died, after everything it had committed.
   *
   * @throws TendonError STATE_INVALID when the receiving side belongs to `poll`, `consume` or another loop
   */
  receive(options?: ReceiveOptions): AsyncIterable<readonly Uint8Array[]>;

  /** Sends what is queued (at most `lingerMs`), tells the peer, lets go. Every call returns the same promise. */
  close(): Promise<void>;
  /** Drops everything now; waiting calls reject with `reason`. */
  destroy(reason?: TendonError): void;
  /** Keep the process alive while the connection is open (the default), or do not. */
  ref(): void;
  unref(): void;
}

export interface ReceiveOptions {
  readonly signal?: AbortSignal;
  /** the most frames in one batch; 64 */
  readonly maxBatch?: number;
}

export interface ListenerEvents {
  /** somebody was turned away, or accepting failed; the listener goes on */
  refused: [reason: TendonError];
}

/** Accepts connections: `for await (const connection of listener)`, or `accept()`. */
export interface Listener extends AsyncDisposable, AsyncIterable<Connection> {
  /** the endpoint to connect to, with a port that the system chose filled in */
  readonly endpoint: string;
  readonly events: EventEmitter<ListenerEvents>;
  /** The next connection. @throws TendonError ABORTED; CONNECTION_CLOSED when the listener is closed */
  accept(options?: { readonly signal?: AbortSignal }): Promise<Connection>;
  /** One writer, many readers: see `Broadcast`. */
  broadcast(options?: BroadcastOptions): Broadcast;
  /** Stops accepting. Accepted connections live on. */
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}

/**
 * What happens when a subscriber does not keep up: `wait` for it (BACK_PRESSURED), `drop` for it and count, or
 * `disconnect` it.
 */
export type SlowSubscriberPolicy = 'wait' | 'drop' | 'disconnect';

export interface BroadcastOptions {
  /** default `wait` */
  readonly slow?: SlowSubscriberPolicy;
  /** ring size where the broadcast has one of its own: a power of two; default 1 MiB */
  readonly ringBytes?: number;
}

/**
 * Sends each frame to every subscriber; a subscriber receives it on its connection like any other frame (the
 * order between broadcast and other frames of a connection is not defined). Where the transport can, a frame is
 * written once for all.
 */
export interface Broadcast extends Disposable {
  /** whether a frame is written once for all subscribers, or once for each */
  readonly writtenOnce: boolean;
  readonly subscribers: number;
  /** frames that were not delivered to somebody, summed over all subscribers */
  readonly dropped: number;
  /** `connection` gets what is sent from now on. It must come from the listener of this broadcast. */
  add(connection: Connection): void;
  remove(connection: Connection): void;
  readonly claimBuffer: Uint8Array;
  readonly maxClaimBytes: number;
  tryClaim(length: number): number;
  commit(): void;
  abort(): void;
  offer(bytes: Uint8Array, offset?: number, length?: number): number;
  cork(): void;
  uncork(): void;
}

export interface ConnectionOptions {
  /** shared poller, names, clock and log; a new one when absent (`inproc:` needs the listener's) */
  readonly context?: Context;
  /** the largest frame, in bytes; 16 MiB. Both ends agree on the smaller. */
  readonly maxFrameBytes?: number;
  /** how many `send` calls may wait for room before further ones are refused with QUEUE_FULL; 1024 */
  readonly maxQueuedSends?: number;
  /**
   * how many bytes of frames may wait in these calls before further ones are refused with QUEUE_FULL; a single frame
   * always may. 64 MiB, or twice `maxFrameBytes` where that is more
   */
  readonly maxQueuedBytes?: number;
  /** how long `close` waits for queued frames to leave, in ms; 5000 */
  readonly lingerMs?: number;
}

export interface ConnectOptions extends ConnectionOptions {
  readonly signal?: AbortSignal;
  /** for everything until the connection is open, handshake included, in ms; 5000 */
  readonly timeoutMs?: number;
}

export interface ListenOptions extends ConnectionOptions {
  readonly signal?: AbortSignal;
  /** connections that are open but not accepted yet; further ones are refused; 128 */
  readonly backlog?: number;
  /** how long a peer may take for its handshake, in ms; 1000 */
  readonly handshakeTimeoutMs?: number;
  /** handshakes under way at once; 64. A further peer takes the place of the one that kept silent for longest. */
  readonly maxHandshakes?: number;
}

/** Opens and accepts connections of one scheme. Transports never look names up. */
export interface Transport {
  readonly scheme: string;
  connect(endpoint: string, options?: ConnectOptions): Promise<Connection>;
  listen(endpoint: string, options?: ListenOptions): Promise<Listener>;
}
