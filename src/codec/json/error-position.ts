/**
 * Where JSON in UTF-8 stops being JSON: for error messages only, since the engine's own say it in words that change
 * between versions, and often do not say it.
 *
 * @returns the first byte, counted from `offset`, at which no JSON text can go on; `length` when the input ends too
 *   early; -1 when it is JSON
 */
export function jsonErrorPosition(bytes: Uint8Array, offset: number, length: number): number {
  return new Scan(bytes, offset, length).run();
}

const OBJECT = 1;
const ARRAY = 2;

/** A failed expectation unwinds by this; it never leaves the file. */
class Stop extends Error {}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #at: number;
  /** open containers, innermost last: depth is bounded by the input, not by the stack */
  readonly #open: number[];

  constructor(bytes: Uint8Array, offset: number, length: number) {
    this.#bytes = bytes;
    this.#start = offset;
    this.#end = offset + length;
    this.#at = offset;
    this.#open = [];
  }

  run(): number {
    try {
      this.#document();
      return -1;
    } catch (error) {
      if (error instanceof Stop) return this.#at - this.#start;
      throw error;
    }
  }

  #document(): void {
    this.#value();
    while (this.#open.length > 0) {
      const container = this.#open.at(-1);
      this.#space();
      if (this.#peek() === 0x2c) {
        this.#at++;
        this.#space();
        if (container === OBJECT) this.#key();
        this.#value();
      } else {
        this.#expect(container === OBJECT ? 0x7d : 0x5d);
        this.#open.pop();
      }
    }
    this.#space();
    if (this.#at < this.#end) throw new Stop();
  }

  /** One value; of a container, all up to and including its first member's value, or its end when it is empty. */
  #value(): void {
    for (;;) {
      this.#space();
      const byte = this.#peek();
      if (byte === 0x7b) {
        this.#at++;
        this.#space();
        if (this.#peek() === 0x7d) {
          this.#at++;
          return;
        }
        this.#open.push(OBJECT);
        this.#key();
      } else if (byte === 0x5b) {
        this.#at++;
        this.#space();
        if (this.#peek() === 0x5d) {
          this.#at++;
          return;
        }
        this.#open.push(ARRAY);
      } else {
        this.#scalar(byte);
        return;
      }
    }
  }

  #key(): void {
    this.#string();
    this.#space();
    this.#expect(0x3a);
  }

  #scalar(byte: number): void {
    if (byte === 0x22) this.#string();
    else if (byte === 0x74) this.#word('true');
    else if (byte === 0x66) this.#word('false');
    else if (byte === 0x6e) this.#word('null');
    else this.#number();
  }

  #word(word: string): void {
    for (let index = 0; index < word.length; index++) this.#expect(word.charCodeAt(index));
  }

  #number(): void {
    if (this.#peek() === 0x2d) this.#at++;
    if (this.#peek() === 0x30) this.#at++;
    else this.#digits();
    if (this.#peek() === 0x2e) {
      this.#at++;
      this.#digits();
    }
    if ((this.#peek() | 0x20) === 0x65) {
      this.#at++;
      if (this.#peek() === 0x2b || this.#peek() === 0x2d) this.#at++;
      this.#digits();
    }
  }

  #digits(): void {
    if (!isDigit(this.#peek())) throw new Stop();
    while (isDigit(this.#peek())) this.#at++;
  }

  #string(): void {
    this.#expect(0x22);
    for (;;) {
      const byte = this.#peek();
      if (byte === 0x22) {
        this.#at++;
        return;
      }
      if (byte < 0x20) throw new Stop(); // also the end
      if (byte === 0x5c) this.#escape();
      else if (byte < 0x80) this.#at++;
      else this.#sequence(byte);
    }
  }

  #escape(): void {
    this.#at++;
    const byte = this.#peek();
    if (byte === 0x75) {
      this.#at++;
      for (let digit = 0; digit < 4; digit++) {
        if (!isHexDigit(this.#peek())) throw new Stop();
        this.#at++;
      }
    } else if (byte >= 0 && '"\\/bfnrt'.includes(String.fromCharCode(byte))) {
      this.#at++;
    } else {
      throw new Stop();
    }
  }

  /** A UTF-8 sequence of two to four bytes, shortest form, no surrogates, at most U+10FFFF. */
  #sequence(lead: number): void {
    let low = 0x80;
    let high = 0xbf;
    let rest = 1;
    if (lead >= 0xc2 && lead <= 0xdf) rest = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      rest = 2;
      if (lead === 0xe0) low = 0xa0;
      if (lead === 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      rest = 3;
      if (lead === 0xf0) low = 0x90;
      if (lead === 0xf4) high = 0x8f;
    } else throw new Stop();
    this.#at++;
    for (; rest > 0; rest--) {
      const byte = this.#peek();
      if (byte < low || byte > high) throw new Stop();
      this.#at++;
      low = 0x80;
      high = 0xbf;
    }
  }

  #space(): void {
    for (;;) {
      const byte = this.#peek();
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }

  #expect(byte: number): void {
    if (this.#peek() !== byte) throw new Stop();
    this.#at++;
  }

  /** The next byte, -1 at the end. */
  #peek(): number {
    return this.#at < this.#end ? this.#bytes[this.#at]! : -1;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}
