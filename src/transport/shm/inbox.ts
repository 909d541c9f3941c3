import type { FrameHandler } from '../contract.ts';

/** What one item costs beside its bytes, so that empty frames and switches are bounded too. */
const ITEM_BYTES = 64;

/** What came by socket and waits for its turn: frames, and where the sender went (back) to memory. */
export class Inbox {
  readonly #pauseBytes: number;
  #items: (Uint8Array | undefined)[] = [];
  #first = 0;
  #bytes = 0;

  /** @param pauseBytes with so much unread, `full` asks not to read on */
  constructor(pauseBytes: number) {
    this.#pauseBytes = pauseBytes;
  }

  get empty(): boolean {
    return this.#first === this.#items.length;
  }

  get full(): boolean {
    return this.#bytes >= this.#pauseBytes;
  }

  /** The next thing is a switch, not a frame. */
  get atSwitch(): boolean {
    return !this.empty && this.#items[this.#first] === undefined;
  }

  /** @param frame owned by the inbox from now on */
  addFrame(frame: Uint8Array): void {
    this.#items.push(frame);
    this.#bytes += frame.length + ITEM_BYTES;
  }

  addSwitch(): void {
    this.#items.push(undefined);
    this.#bytes += ITEM_BYTES;
  }

  takeSwitch(): void {
    this.#advance();
  }

  /** Hands over the next frame; a handler that throws has consumed it. @returns its length, or -1 without one */
  deliver(handler: FrameHandler): number {
    const frame = this.#items[this.#first];
    if (frame === undefined) return -1;
    this.#bytes -= frame.length;
    this.#advance();
    handler(frame, 0, frame.length);
    return frame.length;
  }

  #advance(): void {
    this.#bytes -= ITEM_BYTES;
    this.#items[this.#first] = undefined;
    this.#first++;
    if (this.#first === this.#items.length) {
      this.#items.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
  }
}
