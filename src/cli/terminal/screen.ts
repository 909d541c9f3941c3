import type { WriteStream } from 'node:tty';
import { clip } from './text.ts';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** The whole terminal, drawn over and over, on its second screen: what was there before comes back at the end. */
export class Screen implements Disposable {
  readonly #stream: WriteStream;
  readonly #leave = (): void => this.#restore();
  #open = true;

  constructor(stream: WriteStream) {
    this.#stream = stream;
    stream.write(ENTER);
    process.once('exit', this.#leave); // also when the program fails: a terminal without a cursor is a nuisance
  }

  get columns(): number {
    return this.#stream.columns || 80;
  }

  get rows(): number {
    return this.#stream.rows || 24;
  }

  /** Draws `lines`, cut to what fits; a slow terminal gets the next picture instead of a queue of them. */
  draw(lines: readonly string[]): void {
    if (!this.#open || this.#stream.writableLength > 0) return;
    const { columns, rows } = this;
    const picture = lines.slice(0, rows).map((line) => clip(line, columns) + CLEAR_LINE);
    this.#stream.write(HOME + picture.join('\r\n') + CLEAR_BELOW);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#leave);
    this.#restore();
  }

  #restore(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.write(LEAVE);
  }
}
