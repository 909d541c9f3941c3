import {
  BACK_PRESSURED,
  oneOfOption,
  powerOfTwoOption,
  refuseUnknownOptions,
  TendonError,
} from '../core/index.ts';
import type { Broadcast, BroadcastOptions, Connection, SlowSubscriberPolicy } from './contract.ts';
import { copyOf } from './copy.ts';

export const BROADCAST_DEFAULTS = { slow: 'wait', ringBytes: 1 << 20 } as const;

export interface ResolvedBroadcastOptions {
  readonly slow: SlowSubscriberPolicy;
  readonly ringBytes: number;
}

export function resolveBroadcastOptions(options: BroadcastOptions): ResolvedBroadcastOptions {
  refuseUnknownOptions('broadcast', options, ['slow', 'ringBytes']);
  return {
    slow: oneOfOption('slow', options.slow ?? BROADCAST_DEFAULTS.slow, ['wait', 'drop', 'disconnect']),
    ringBytes: powerOfTwoOption(
      'ringBytes',
      options.ringBytes ?? BROADCAST_DEFAULTS.ringBytes,
      4096,
      1 << 30,
    ),
  };
}

/**
 * A broadcast over connections that have no ring for it: each frame is offered to each subscriber.
 *
 * With policy `wait` a frame that some have taken and others not waits in the queue of the slow ones and leaves as
 * they make room; until it has, further frames are answered with BACK_PRESSURED, so every subscriber sees every
 * frame once.
 */
export class FanOut implements Broadcast {
  readonly writtenOnce = false;
  readonly #slow: SlowSubscriberPolicy;
  readonly #subscribers = new Set<Connection>();
  /** whose last frame still waits for room */
  readonly #behind = new Set<Connection>();
  #claimed: Uint8Array = new Uint8Array(4096);
  #claimLength = -1;
  #dropped = 0;

  constructor(options: BroadcastOptions) {
    this.#slow = resolveBroadcastOptions(options).slow;
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Everybody has taken the last frame: `offer` takes the next. */
  get ready(): boolean {
    return this.#behind.size === 0;
  }

  get claimBuffer(): Uint8Array {
    return this.#claimed;
  }

  get maxClaimBytes(): number {
    let limit = Number.MAX_SAFE_INTEGER;
    for (const connection of this.#subscribers) limit = Math.min(limit, connection.maxFrameBytes);
    return this.#subscribers.size === 0 ? 16 * 1024 * 1024 : limit;
  }

  add(connection: Connection): void {
    this.#subscribers.add(connection);
  }

  remove(connection: Connection): void {
    this.#subscribers.delete(connection);
    this.#behind.delete(connection);
  }

  tryClaim(length: number): number {
    if (this.#claimLength >= 0)
      throw new TendonError('STATE_INVALID', 'commit or abort the open claim first', {});
    this.#checkLength(length);
    if (this.#behind.size > 0) return BACK_PRESSURED;
    if (this.#claimed.length < length) this.#claimed = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
    this.#claimLength = length;
    return 0;
  }

  commit(): void {
    if (this.#claimLength < 0) throw new TendonError('STATE_INVALID', 'there is no open claim to commit', {});
    const length = this.#claimLength;
    this.#claimLength = -1;
    this.#distribute(this.#claimed, 0, length);
  }

  abort(): void {
    this.#claimLength = -1;
  }

  offer(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.#claimLength >= 0)
      throw new TendonError('STATE_INVALID', 'commit or abort the open claim first', {});
    this.#checkLength(length);
    if (this.#behind.size > 0) return BACK_PRESSURED;
    this.#distribute(bytes, offset, length);
    return 0;
  }

  cork(): void {
    for (const connection of this.#subscribers) connection.cork();
  }

  uncork(): void {
    for (const connection of this.#subscribers) connection.uncork();
  }

  [Symbol.dispose](): void {
    this.#subscribers.clear();
    this.#behind.clear();
  }

  #distribute(bytes: Uint8Array, offset: number, length: number): void {
    let copy: Uint8Array | undefined;
    for (const connection of this.#subscribers) {
      const taken = connection.offer(bytes, offset, length);
      if (taken >= 0) continue;
      if (taken !== BACK_PRESSURED) {
        this.remove(connection);
      } else if (this.#slow === 'wait') {
        copy ??= copyOf(bytes, offset, length);
        this.#waitFor(connection, copy);
      } else {
        this.#dropped++;
        if (this.#slow === 'disconnect') this.#disconnect(connection);
      }
    }
  }

  #waitFor(connection: Connection, frame: Uint8Array): void {
    this.#behind.add(connection);
    connection.send(frame).then(
      () => this.#behind.delete(connection),
      () => {
        this.#dropped++;
        this.#behind.delete(connection);
      },
    );
  }

  #checkLength(length: number): void {
    const limitBytes = this.maxClaimBytes;
    if (length >= 0 && length <= limitBytes) return;
    const what = `a broadcast frame of ${length} bytes is not from 0 to the ${limitBytes} that every subscriber takes`;
    throw new TendonError('FRAME_TOO_LARGE', what, { bytes: length, limitBytes });
  }

  #disconnect(connection: Connection): void {
    this.remove(connection);
    const message = `${connection.endpoint} did not keep up with the broadcast and its policy is "disconnect"`;
    connection.destroy(new TendonError('QUEUE_FULL', message, { queue: 'broadcast', limit: 0 }));
  }
}
