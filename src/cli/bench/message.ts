/**
 * What the benchmark sends. Every byte of every message is written by its sender and differs from message to
 * message; the receiver checks length, sequence and last word of each, and in the verifying mode every byte.
 *
 * ```
 *  0        4        8                       bytes - 4     bytes
 *  +--------+--------+-----------------------+--------+
 *  | u32 seq| u32    | body: a function of   | u32    |     little-endian
 *  |        | kind   | seq and position      | ~seq   |
 *  +--------+--------+-----------------------+--------+
 * ```
 */
const SEQUENCE_OFFSET = 0;
const KIND_OFFSET = 4;
const BODY_OFFSET = 8;
const LAST_WORD_BYTES = 4;
const KIND_DATA = 0;
/** The last message of a window: tells the receiver to stop. */
const KIND_LAST = 1;

/** The smallest message: header, one word of body, last word. */
const MIN_MESSAGE_BYTES = 16;

/** Up to here the body is written word by word (a call of `set` costs more than the copy). */
const WORDWISE_BYTES = 256;
const WORD_STEP = 0x85ebca6b;
const SEQUENCE_STEP = 0x9e3779b1;
/** Bodies above WORDWISE_BYTES are windows of one random block, one of SHIFTS windows, 8 bytes apart. */
const SHIFTS = 64;
const SHIFT_BYTES = 8;

/** Body block from a fixed seed (xorshift32): both sides make the same one. */
function patternViews(bytes: number): readonly Uint8Array[] {
  if (bytes <= WORDWISE_BYTES) return [];
  const block = new Uint8Array(bytes + SHIFTS * SHIFT_BYTES);
  const words = new Uint32Array(block.buffer);
  let state = 0x2545f491;
  for (let i = 0; i < words.length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  const views: Uint8Array[] = [];
  for (let shift = 0; shift < SHIFTS; shift += 1) {
    views.push(block.subarray(shift * SHIFT_BYTES, shift * SHIFT_BYTES + bytes));
  }
  return views;
}

/** Writes messages, in place where the subject wants them. */
export class MessageWriter {
  readonly bytes: number;
  readonly #patterns: readonly Uint8Array[];
  #target: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(bytes: number) {
    if (bytes < MIN_MESSAGE_BYTES || bytes % 4 !== 0) {
      throw new RangeError(
        `a message must have at least ${MIN_MESSAGE_BYTES} bytes and whole words, got ${bytes}`,
      );
    }
    this.bytes = bytes;
    this.#patterns = patternViews(bytes);
  }

  /** @hot Writes all `bytes` bytes of message `sequence` at `target[offset]`. */
  write(target: Uint8Array, offset: number, sequence: number, last: boolean): void {
    if (target !== this.#target) {
      this.#target = target;
      this.#view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    }
    const view = this.#view;
    const bytes = this.bytes;
    if (bytes <= WORDWISE_BYTES) {
      let word = Math.imul(sequence, SEQUENCE_STEP);
      const end = offset + bytes - LAST_WORD_BYTES;
      for (let at = offset + BODY_OFFSET; at < end; at += 4) {
        view.setInt32(at, word, true);
        word = (word + WORD_STEP) | 0;
      }
    } else {
      target.set(this.#patterns[sequence & (SHIFTS - 1)]!, offset);
    }
    view.setInt32(offset + SEQUENCE_OFFSET, sequence, true);
    view.setInt32(offset + KIND_OFFSET, last ? KIND_LAST : KIND_DATA, true);
    view.setInt32(offset + bytes - LAST_WORD_BYTES, ~sequence, true);
  }
}

/** Reads messages back and counts what is wrong with them. */
export class MessageReader {
  readonly bytes: number;
  readonly #verify: boolean;
  readonly #patterns: readonly Buffer[];
  #target: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** of the message read last */
  sequence = -1;
  /** whether the message read last was the last of its window */
  last = false;

  constructor(bytes: number, verify: boolean) {
    this.bytes = bytes;
    this.#verify = verify;
    this.#patterns = patternViews(bytes).map((view) => Buffer.from(view.buffer, view.byteOffset, bytes));
  }

  /** @hot @returns whether length, last word and (verifying) every byte are what the sequence says */
  read(source: Uint8Array, offset: number, length: number): boolean {
    if (length !== this.bytes) return false;
    if (source !== this.#target) {
      this.#target = source;
      this.#view = new DataView(source.buffer, source.byteOffset, source.byteLength);
    }
    const view = this.#view;
    const sequence = view.getInt32(offset + SEQUENCE_OFFSET, true);
    this.sequence = sequence;
    this.last = view.getInt32(offset + KIND_OFFSET, true) === KIND_LAST;
    if (view.getInt32(offset + length - LAST_WORD_BYTES, true) !== ~sequence) return false;
    return !this.#verify || this.#bodyMatches(source, offset, sequence);
  }

  #bodyMatches(source: Uint8Array, offset: number, sequence: number): boolean {
    const end = offset + this.bytes - LAST_WORD_BYTES;
    if (this.bytes > WORDWISE_BYTES) {
      const pattern = this.#patterns[sequence & (SHIFTS - 1)]!;
      return (
        pattern.compare(source, offset + BODY_OFFSET, end, BODY_OFFSET, this.bytes - LAST_WORD_BYTES) === 0
      );
    }
    let word = Math.imul(sequence, SEQUENCE_STEP);
    for (let at = offset + BODY_OFFSET; at < end; at += 4) {
      if (this.#view.getInt32(at, true) !== word) return false;
      word = (word + WORD_STEP) | 0;
    }
    return true;
  }
}

/** The messages of one window of one-way sending: numbered from 0, the last one marked, bounded by time. */
export class MessageSource {
  readonly bytes: number;
  readonly #writer: MessageWriter;
  readonly #endMs: number;
  readonly #checkMask: number;
  /** messages written so far; the sequence of the next one */
  written = 0;
  /** the last message was written: nothing more may be sent */
  done = false;

  constructor(writer: MessageWriter, seconds: number) {
    this.bytes = writer.bytes;
    this.#writer = writer;
    this.#endMs = performance.now() + seconds * 1000;
    // The clock is read once per about 16 KiB of messages, at most every 256th of them.
    this.#checkMask = 2 ** Math.min(8, Math.max(0, Math.ceil(Math.log2(16_384 / writer.bytes)))) - 1;
  }

  /** @hot Writes the next message at `target[offset]`; afterwards `done` says whether it was the last. */
  write(target: Uint8Array, offset: number): void {
    const sequence = this.written;
    const last = (sequence & this.#checkMask) === this.#checkMask && performance.now() >= this.#endMs;
    this.#writer.write(target, offset, sequence, last);
    this.written = sequence + 1;
    this.done = last;
  }
}

/** The receiving end of a window: counts messages and faults (lost, repeated, reordered, torn). */
export class MessageSink {
  readonly #reader: MessageReader;
  received = 0;
  faults = 0;
  /** the marked last message has arrived */
  done = false;

  constructor(reader: MessageReader) {
    this.#reader = reader;
  }

  /** @hot */
  accept(source: Uint8Array, offset: number, length: number): void {
    const intact = this.#reader.read(source, offset, length);
    if (!intact || this.#reader.sequence !== this.received) this.faults += 1;
    this.received += 1;
    if (this.#reader.last) this.done = true;
  }
}
