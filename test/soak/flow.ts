import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { TendonError } from 'tendon/core';
import type { SeededRandom } from 'tendon/testing';
import type { Connection } from 'tendon/transport';
import type { ShmConnection } from 'tendon/transport/shm';
import type { Gate } from './gate.ts';
import { END, FrameMaker, HEADER_BYTES, HELLO, randomLength, readHead, readName } from './traffic.ts';

export interface FlowOptions {
  readonly random: SeededRandom;
  readonly gate: Gate;
  /** what the first frame says; undefined for the side that hears it */
  readonly name?: string;
  /** chance of a switch between memory and socket after a burst */
  readonly switching: number;
  /** told how many frames are certain to arrive even if this process is killed now */
  readonly journal?: (frames: number) => void;
  /** a frame was lost, doubled, reordered or torn */
  readonly failed: (error: Error) => void;
}

/** Numbered frames both ways over one connection, checked. */
export class Flow {
  readonly connection: Connection;
  /** of the other side, once it has said hello */
  name: string;
  sent = 0;
  received = 0;
  switches = 0;
  /** the other side's last frame is here */
  peerEnded = false;
  readonly #options: FlowOptions;
  readonly #maker: FrameMaker;
  /** some connections have small frames only, so that many of them fit the ring */
  readonly #largestBytes: number;
  /** frames that the other side says it has received */
  #acknowledged = 0;
  /** what has to be acknowledged before frames in the ring are certain to arrive */
  #settledAt = 0;
  #fallbacks = -1;
  /** the last frame was taken, but its rest may still wait for room */
  #partly = false;

  constructor(connection: Connection, options: FlowOptions) {
    this.connection = connection;
    this.name = options.name ?? '';
    this.#options = options;
    this.#maker = new FrameMaker(options.random);
    this.#largestBytes = options.random.chance(0.4) ? 300 : connection.maxFrameBytes;
    connection.consume((bytes, offset, length) => this.#take(bytes, offset, length));
  }

  /** Sends bursts until `done`, or until the connection ends. @returns whether frames can still be sent */
  async run(done: () => boolean): Promise<boolean> {
    const { random, gate, name } = this.#options;
    try {
      if (name !== undefined) await this.#send(this.#maker.hello(name));
      while (!done()) {
        await gate.pass();
        await this.#burst();
        this.#switchPerhaps();
        if (random.chance(0.5)) await sleep(random.integer(1, 6));
        else await nextTurn();
      }
      return true;
    } catch (error) {
      if (!TendonError.is(error, 'CONNECTION_LOST') && !TendonError.is(error, 'CONNECTION_CLOSED'))
        throw error;
      return false;
    }
  }

  /** Sends the last frame. */
  async end(): Promise<void> {
    await this.#send(this.#maker.make({ number: this.sent, seen: this.received, flags: END }, HEADER_BYTES));
  }

  async #burst(): Promise<void> {
    const { random } = this.#options;
    const { connection } = this;
    const count = random.integer(1, 40);
    const corked = random.chance(0.2);
    if (corked) connection.cork();
    try {
      for (let index = 0; index < count; index++) {
        const length = randomLength(
          random,
          corked ? Math.min(2_000, this.#largestBytes) : this.#largestBytes,
        );
        const frame = this.#maker.make({ number: this.sent, seen: this.received, flags: 0 }, length);
        if (random.chance(0.3) && length <= connection.maxClaimBytes) {
          this.#claim(frame);
        } else if (random.chance(0.9) && connection.offer(frame) === 0) {
          this.sent++;
          this.#partly = length > connection.maxClaimBytes;
        } else {
          if (corked) connection.uncork(); // a frame that waits for room must see what lies before it read
          await this.#send(frame);
          if (corked) connection.cork();
        }
        if (!corked) this.#journal();
      }
    } finally {
      if (corked) connection.uncork();
    }
    this.#journal();
  }

  /** In place where there is room; what finds none is not sent, and its number goes to the next. */
  #claim(frame: Buffer): void {
    const { connection } = this;
    const at = connection.tryClaim(frame.length);
    if (at < 0) return;
    connection.claimBuffer.set(frame, at);
    if (this.#options.random.chance(0.05)) {
      connection.abort();
      return;
    }
    connection.commit();
    this.sent++;
    this.#partly = false;
  }

  /** Counted even when it fails: the peer may have got it, and have said so, before it died. */
  async #send(frame: Buffer): Promise<void> {
    this.sent++;
    await this.connection.send(frame);
    this.#partly = false;
  }

  /**
   * Frames committed to the ring outlive this process. Those that went by socket may still wait in it, and so may
   * the switch back to memory: only when all of them are acknowledged is the ring again all that counts.
   */
  #journal(): void {
    if (this.#options.journal === undefined) return;
    const { active, fallbackCount } = this.connection.stats;
    if (active !== 'shm' || fallbackCount !== this.#fallbacks) {
      this.#fallbacks = active === 'shm' ? fallbackCount : -1;
      this.#settledAt = this.sent;
    } else if (this.#acknowledged >= this.#settledAt && !this.#partly) {
      this.#options.journal(this.sent);
    }
  }

  #switchPerhaps(): void {
    const { random, switching } = this.#options;
    if (!random.chance(switching) || !('useSocket' in this.connection)) return;
    const channel = this.connection as ShmConnection; // only channels have it
    if (channel.stats.fallbackReason === undefined) channel.useSocket();
    else if (channel.stats.fallbackReason.startsWith('requested')) channel.useMemory();
    else throw new Error(`${channel.endpoint} fell back: ${channel.stats.fallbackReason}`);
    this.switches++;
  }

  #take(bytes: Uint8Array, offset: number, length: number): void {
    try {
      const { number, seen, flags } = readHead(bytes, offset, length);
      if (number !== this.received)
        throw new Error(`frame ${number} came where ${this.received} should: lost, doubled or reordered`);
      if (this.peerEnded) throw new Error(`frame ${number} came after the last one`);
      this.received++;
      if (seen < this.#acknowledged || seen > this.sent)
        throw new Error(
          `the peer says it saw ${seen} of ${this.sent} frames, and ${this.#acknowledged} before`,
        );
      this.#acknowledged = seen;
      if (flags & HELLO) this.name = readName(bytes, offset, length);
      if (flags & END) this.peerEnded = true;
    } catch (error) {
      this.#options.failed(new Error(`${this.connection.endpoint} ${this.name}`, { cause: error }));
      this.connection.destroy();
    }
  }
}
