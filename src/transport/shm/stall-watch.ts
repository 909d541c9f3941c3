import type { Clock, ClockTimer } from '../../core/index.ts';

/** How often a peer that leaves our frames lying is asked whether it still runs. */
export const STALL_CHECK_MS = 1_000;

/** What a `StallWatch` looks at, and whom it tells. */
export interface StallSubject {
  /** how far the peer has read, in a count that wraps */
  readonly position: number;
  /** something lies there that the peer should take */
  readonly waiting: boolean;
  /** Asks the peer for an answer with `token`. */
  ask(token: number): void;
  /** The peer took nothing and did not answer within `STALL_CHECK_MS`. */
  stalled(): void;
  /** The peer answered, or went on reading. */
  moved(): void;
}

/**
 * Tells a peer that is slow from one that does not run. It looks once a second while something lies there for the
 * peer, asks when the peer has not moved, and ends by itself when nothing is left: an idle connection has no timer.
 */
export class StallWatch {
  readonly #subject: StallSubject;
  readonly #clock: Clock;
  #timer: ClockTimer | undefined = undefined;
  #position = 0;
  #asked = 0;
  #answered = 0;

  constructor(subject: StallSubject, clock: Clock) {
    this.#subject = subject;
    this.#clock = clock;
  }

  /** Called where the peer should move soon: it was woken, or the ring is full. */
  expect(): void {
    if (this.#timer === undefined) this.#lookLater();
  }

  answered(token: number): void {
    if (token !== this.#asked) return; // of an earlier question, or of none
    this.#answered = token;
    this.#subject.moved();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #lookLater(): void {
    this.#position = this.#subject.position;
    this.#timer = this.#clock.setTimer(() => this.#look(), STALL_CHECK_MS);
  }

  #look(): void {
    this.#timer = undefined;
    const subject = this.#subject;
    const { waiting } = subject;
    if (!waiting || subject.position !== this.#position) {
      subject.moved();
      if (!waiting) return;
      this.#answered = this.#asked; // it reads: an answer that is still out proves nothing against it
    } else if (this.#asked !== this.#answered) {
      subject.stalled();
    } else {
      this.#asked = (this.#asked + 1) >>> 0;
      subject.ask(this.#asked);
    }
    this.#lookLater();
  }
}
