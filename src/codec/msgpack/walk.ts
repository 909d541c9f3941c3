import { isUtf8 } from 'node:buffer';

/**
 * Walks MessagePack without making values of it: the gate before the library, which is lenient where a hostile peer
 * would like it to be (records, references, bundled strings, regular expressions, nested to the end of the stack) and
 * silent where it replaces what it cannot express. Both directions pass it, so what is encoded can be decoded.
 *
 * It lets pass what the MessagePack specification defines, timestamps included, and of the library's extensions
 * `undefined` (0x00) and typed arrays (0x74). Map keys are texts, numbers, booleans or nil.
 */

const MAX_DEPTH = 512;

const TIMESTAMP = 0xff; // -1
const UNDEFINED = 0x00;
const TYPED_ARRAY = 0x74;
const UINT8_ARRAY = 1;
/** Bytes of an element by the code in a typed array's first byte; 16 is an ArrayBuffer. */
const ELEMENT_BYTES: readonly number[] = [1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 0, 0, 0, 0, 0, 1];

const PROTO = Buffer.from('__proto__');

export class Walk {
  /** What is wrong at the position that `check` returned. */
  problem: string;
  /** Where the library wrote a Uint8Array as an extension, in order; `asBinaries` makes them what everybody reads. */
  readonly byteArrays: number[];
  readonly #remaining: Float64Array;
  readonly #isMap: Uint8Array;
  #bytes: Uint8Array;
  #view: DataView;
  #end: number;
  #at: number;
  #openedMap: boolean;
  #sawByteArray: boolean;

  constructor() {
    this.problem = '';
    this.byteArrays = [];
    this.#remaining = new Float64Array(MAX_DEPTH + 1);
    this.#isMap = new Uint8Array(MAX_DEPTH + 1);
    this.#bytes = new Uint8Array(0);
    this.#view = new DataView(this.#bytes.buffer);
    this.#end = 0;
    this.#at = 0;
    this.#openedMap = false;
    this.#sawByteArray = false;
  }

  /**
   * Checks that `bytes` are exactly one value.
   *
   * @returns -1, or the position of the first byte that must not be there; then `problem` says why
   */
  check(bytes: Uint8Array): number {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
    this.#at = 0;
    this.byteArrays.length = 0;
    let depth = 0;
    this.#remaining[0] = 1;
    this.#isMap[0] = 0;
    for (;;) {
      const remaining = this.#remaining[depth]!;
      if (remaining === 0) {
        if (depth === 0) break;
        depth--;
        continue;
      }
      this.#remaining[depth] = remaining - 1;
      const isKey = this.#isMap[depth] === 1 && remaining % 2 === 0;
      const start = this.#at;
      const members = this.#value(isKey);
      if (this.#sawByteArray) {
        this.#sawByteArray = false;
        this.byteArrays.push(start);
      }
      if (members === MALFORMED) return start;
      if (members === SCALAR) continue;
      if (depth === MAX_DEPTH) return this.#refuse(start, `nested deeper than ${MAX_DEPTH}`);
      depth++;
      this.#isMap[depth] = this.#openedMap ? 1 : 0;
      this.#remaining[depth] = members;
    }
    return this.#at === this.#end
      ? -1
      : this.#refuse(this.#at, `${this.#end - this.#at} bytes behind the value`);
  }

  /** One value or a container's head: MALFORMED, SCALAR, or the values to come: members, or keys and values. */
  #value(isKey: boolean): number {
    if (this.#at >= this.#end) return this.#malformed('end inside a value');
    const token = this.#bytes[this.#at++]!;
    if (token < 0x80 || token >= 0xe0) return SCALAR;
    if (token < 0x90) return this.#map(token & 0x0f, isKey);
    if (token < 0xa0) return this.#array(token & 0x0f, isKey);
    if (token < 0xc0) return this.#text(token & 0x1f, isKey);
    switch (token) {
      case 0xc0: // nil
      case 0xc2:
      case 0xc3:
        return SCALAR;
      case 0xc4:
        return this.#binary(this.#length(1), isKey);
      case 0xc5:
        return this.#binary(this.#length(2), isKey);
      case 0xc6:
        return this.#binary(this.#length(4), isKey);
      case 0xc7:
        return this.#extension(this.#length(1), isKey);
      case 0xc8:
        return this.#extension(this.#length(2), isKey);
      case 0xc9:
        return this.#extension(this.#length(4), isKey);
      case 0xcc: // uint 8
      case 0xd0: // int 8
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xca: // float 32
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcb: // float 64
      case 0xcf:
      case 0xd3:
        return this.#skip(8);
      case 0xd4:
        return this.#extension(1, isKey);
      case 0xd5:
        return this.#extension(2, isKey);
      case 0xd6:
        return this.#extension(4, isKey);
      case 0xd7:
        return this.#extension(8, isKey);
      case 0xd8:
        return this.#extension(16, isKey);
      case 0xd9:
        return this.#text(this.#length(1), isKey);
      case 0xda:
        return this.#text(this.#length(2), isKey);
      case 0xdb:
        return this.#text(this.#length(4), isKey);
      case 0xdc:
        return this.#array(this.#length(2), isKey);
      case 0xdd:
        return this.#array(this.#length(4), isKey);
      case 0xde:
        return this.#map(this.#length(2), isKey);
      case 0xdf:
        return this.#map(this.#length(4), isKey);
      default:
        return this.#malformed(`token 0x${token.toString(16)}`);
    }
  }

  /** A length of 1, 2 or 4 bytes, -1 when the input ends in it. */
  #length(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end) return -1;
    this.#at = at + bytes;
    if (bytes === 1) return this.#bytes[at]!;
    return bytes === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(bytes: number): number {
    if (bytes < 0 || bytes > this.#end - this.#at) return this.#malformed('end inside a value');
    this.#at += bytes;
    return SCALAR;
  }

  #binary(bytes: number, isKey: boolean): number {
    return isKey ? this.#malformed('bytes as a map key') : this.#skip(bytes);
  }

  #array(members: number, isKey: boolean): number {
    if (isKey) return this.#malformed('an array as a map key');
    if (members < 0 || members > this.#end - this.#at) return this.#malformed('array longer than its bytes');
    this.#openedMap = false;
    return members;
  }

  #map(entries: number, isKey: boolean): number {
    if (isKey) return this.#malformed('a map as a map key');
    if (entries < 0 || 2 * entries > this.#end - this.#at)
      return this.#malformed('map longer than its bytes');
    this.#openedMap = true;
    return 2 * entries;
  }

  #text(bytes: number, isKey: boolean): number {
    const start = this.#at;
    if (this.#skip(bytes) === MALFORMED) return MALFORMED;
    if (isKey && bytes === PROTO.length && PROTO.equals(this.#bytes.subarray(start, start + bytes))) {
      return this.#malformed('the map key "__proto__"');
    }
    let at = start;
    const shortEnd = Math.min(this.#at, start + SHORT_TEXT);
    while (at < shortEnd && this.#bytes[at]! < 0x80) at++;
    if (at === this.#at || isUtf8(this.#bytes.subarray(at, this.#at))) return SCALAR;
    return this.#malformed('text that is not UTF-8');
  }

  #extension(bytes: number, isKey: boolean): number {
    if (bytes < 0 || this.#at >= this.#end) return this.#malformed('end inside an extension');
    const type = this.#bytes[this.#at++]!;
    const start = this.#at;
    if (this.#skip(bytes) === MALFORMED) return MALFORMED;
    if (isKey) return this.#malformed('an extension as a map key');
    if (type === TIMESTAMP && this.#isInstant(start, bytes)) return SCALAR;
    // fixext 1 only: in the long form the library would read on behind it
    if (type === UNDEFINED && this.#bytes[start - 2] === 0xd4) return SCALAR;
    if (type === TYPED_ARRAY && bytes >= 1) {
      const code = this.#bytes[start]!;
      const elementBytes = ELEMENT_BYTES[code] ?? 0;
      this.#sawByteArray = code === UINT8_ARRAY;
      if (elementBytes > 0 && (bytes - 1) % elementBytes === 0) return SCALAR;
    }
    return this.#malformed(`extension ${type} of ${bytes} bytes`);
  }

  /** A timestamp of 32, 64 or 96 bits within what a Date can hold. */
  #isInstant(start: number, bytes: number): boolean {
    if (bytes === 4) return true;
    if (bytes !== 8 && bytes !== 12) return false;
    const word = this.#view.getUint32(start); // nanoseconds, in the 64-bit form shifted by two bits of the seconds
    if ((bytes === 8 ? word >>> 2 : word) >= 1_000_000_000) return false;
    if (bytes === 8) return true;
    const seconds = this.#view.getInt32(start + 4) * 2 ** 32 + this.#view.getUint32(start + 8); // exact where it matters
    return (
      seconds >= -MOST_DATE_SECONDS &&
      (seconds < MOST_DATE_SECONDS || (seconds === MOST_DATE_SECONDS && word === 0))
    );
  }

  #malformed(problem: string): number {
    this.problem = problem;
    return MALFORMED;
  }

  #refuse(position: number, problem: string): number {
    this.problem = problem;
    return position;
  }
}

/** A Date ends 100 000 000 days from 1970, either way. */
const MOST_DATE_SECONDS = 8.64e12;

/** Texts up to this are scanned here before anybody else is called: most are short and ASCII. */
const SHORT_TEXT = 32;

const SCALAR = -1;
const MALFORMED = -2;

/**
 * `bytes` with each extension at `starts` turned into a binary. The library, when asked for typed arrays, writes a
 * Uint8Array as one of them: c7 n+1 74 01, c8 and c9 with longer lengths; a binary is c4 n, c5, c6.
 */
export function asBinaries(bytes: Uint8Array, starts: readonly number[]): Uint8Array {
  const binaries = new Uint8Array(bytes.length - 2 * starts.length);
  const view = new DataView(binaries.buffer);
  let from = 0;
  let to = 0;
  const copy = (until: number): void => {
    binaries.set(bytes.subarray(from, until), to);
    to += until - from;
    from = until;
  };
  for (const start of starts) {
    const token = bytes[start]!;
    const lengthBytes = 1 << (token - 0xc7);
    copy(start + 1 + lengthBytes);
    binaries[to - 1 - lengthBytes] = token - 3;
    const at = to - lengthBytes;
    if (lengthBytes === 1) view.setUint8(at, view.getUint8(at) - 1);
    else if (lengthBytes === 2) view.setUint16(at, view.getUint16(at) - 1);
    else view.setUint32(at, view.getUint32(at) - 1);
    from += 2; // the extension's type and the array's
  }
  copy(bytes.length);
  return binaries;
}
