import { closeSync, openSync, readSync } from 'node:fs';

const FIRST_BYTES = 8 * 1024;
const ZERO = 0x30;
const NINE = 0x39;

/** A file of /proc, opened once and read again and again; its numbers are picked out of the bytes. */
export class ProcFile implements Disposable {
  readonly #fd: number;
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #end = 0;
  #at = 0;

  /** @throws Error of the system, ENOENT where this kernel has no such file */
  constructor(path: string) {
    this.#fd = openSync(path, 'r');
  }

  /** The file, or undefined where this kernel (or container) has none. */
  static open(path: string): ProcFile | undefined {
    try {
      const file = new ProcFile(path);
      file.read();
      return file;
    } catch {
      return undefined; // no such file, or one that may not be read: its figures are shown as unknown
    }
  }

  /** Reads it anew; the position is its beginning. */
  read(): void {
    for (;;) {
      this.#end = readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
      if (this.#end < this.#bytes.length) break;
      this.#bytes = Buffer.allocUnsafe(this.#bytes.length * 2);
    }
    this.#at = 0;
  }

  /** Moves behind the next `text`; false, and nothing moves, when there is none. */
  find(text: string): boolean {
    const found = this.#bytes.indexOf(text, this.#at, 'latin1');
    if (found < 0 || found + text.length > this.#end) return false;
    this.#at = found + text.length;
    return true;
  }

  /** The next decimal number, whatever stands before it; NaN at the end. */
  number(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < this.#end && !(bytes[at]! >= ZERO && bytes[at]! <= NINE)) at++;
    if (at === this.#end) {
      this.#at = at;
      return Number.NaN;
    }
    let value = 0;
    for (; at < this.#end && bytes[at]! >= ZERO && bytes[at]! <= NINE; at++)
      value = value * 10 + bytes[at]! - ZERO;
    this.#at = at;
    return value;
  }

  skip(numbers: number): this {
    for (let n = 0; n < numbers; n++) this.number();
    return this;
  }

  /** What stands before the next `mark`, without blanks around it, moving behind the mark; undefined when there is none. */
  textBefore(mark: string): string | undefined {
    const from = this.#at;
    if (!this.find(mark)) return undefined;
    return this.#bytes.toString('latin1', from, this.#at - mark.length).trim();
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
