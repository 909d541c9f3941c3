/** Over 400 lines because what the reader checks once and reads later is private to it; a fifth are imports. */

import { type Crc32, crc32c, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { malformed } from './failure.ts';
import type { Kind, Priority } from './layout.ts';
import * as layout from './layout.ts';
import type {
  DeliveryInfo,
  ExtensionBlock,
  MessageEndpoints,
  MessageError,
  MessageIds,
  MetadataEntry,
  SequenceInfo,
  TraceContext,
} from './message.ts';
import { readText } from './text.ts';

// Locals, not imports, for speed: see base.ts.
const {
  BASE_BYTES,
  BLOCK_COUNT,
  BLOCK_HEADER_BYTES,
  BLOCK_TYPE_SHIFT,
  BlockBit,
  blockBytes,
  blockType,
  CALL_ID_OFFSET,
  CHECKSUM_OFFSET,
  CODEC_MASK,
  CODEC_SHIFT,
  DELIVERY_ATTRIBUTES_OFFSET,
  DELIVERY_CONTENT_TYPE_OFFSET,
  DELIVERY_MAX_RETRIES_OFFSET,
  DELIVERY_RETRY_COUNT_OFFSET,
  ENDPOINTS_SOURCE_OFFSET,
  ENVELOPE_VERSION,
  ERROR_BITS_OFFSET,
  ERROR_CATEGORY_BYTES_OFFSET,
  ERROR_CODE_BYTES_OFFSET,
  ERROR_CONTEXT_BYTES_OFFSET,
  ERROR_HAS_DETAILS,
  ERROR_MESSAGE_BYTES_OFFSET,
  ERROR_NUMBER_OFFSET,
  ERROR_RETRYABLE,
  ERROR_TEXTS_OFFSET,
  EXTENSIONS_ENTRIES_OFFSET,
  FIRST_CRITICAL_EXTENSION_TYPE,
  FIRST_EXTENSION_TYPE,
  FIRST_KIND,
  FLAGS_SHIFT,
  Flag,
  ID_BYTES,
  INSTANT_NS_OFFSET,
  KIND_MASK,
  LAST_KIND,
  MAX_BLOCK_BODY,
  MAX_BODY,
  MAX_PARTS,
  METADATA_BYTES,
  METADATA_ENTRIES_OFFSET,
  METADATA_ENTRY_BYTES,
  METADATA_TEXT,
  METADATA_TYPE_OFFSET,
  METADATA_VALUE_BYTES_OFFSET,
  METADATA_ZERO_OFFSET,
  METHOD_ID_OFFSET,
  MIN_BODY,
  PART_LENGTH_BYTES,
  PRIORITY_MASK,
  PRIORITY_SHIFT,
  REMAINING_OFFSET,
  SEQUENCE_EPOCH_OFFSET,
  SEQUENCE_NUMBER_OFFSET,
  SEQUENCE_RESERVED_OFFSET,
  SEQUENCE_SOURCE_OFFSET,
  TRACE_FLAGS_OFFSET,
  TRACE_ID_BYTES,
  TRACE_ID_OFFSET,
  TRACE_PARENT_BYTES,
  TRACE_PARENT_OFFSET,
  TRACE_STATE_OFFSET,
  VERSION_MASK,
  VERSION_SHIFT,
  WORD_OFFSET,
} = layout;

export interface EnvelopeReaderOptions {
  /**
   * `'verify'` (default): a checksum that is there must be right. `'require'`: and one must be there (a flipped
   * CHECKSUM bit hides the block, so a link that agreed on checksums wants this). `'skip'`: not looked at.
   */
  readonly checksum?: 'verify' | 'require' | 'skip';
  /** CRC-32C to verify with; default: the one in TypeScript */
  readonly crc32c?: Crc32;
  /** types of EXTENSIONS entries that the caller understands; any other critical one is refused. Default: none */
  readonly knownExtensions?: readonly number[];
}

export const ENVELOPE_READER_DEFAULTS: Required<EnvelopeReaderOptions> = {
  checksum: 'verify',
  crc32c,
  knownExtensions: [],
};

/**
 * A flyweight over one frame: `wrap` checks it once, getters read it in place without allocation, `read...` methods
 * make objects whose bytes are copies.
 *
 * The base and the extent of each block are read once, in `wrap`, so a peer that changes shared memory afterwards
 * can alter values but never where this object reads. Lengths inside a block are checked when the block is read.
 * Texts that are not UTF-8 and broken inner lengths throw DECODE_FAILED from the `read...` that meets them.
 */
export class EnvelopeReader {
  readonly #checksum: 'verify' | 'require' | 'skip';
  readonly #crc32c: Crc32;
  readonly #knownExtensions: readonly number[];
  /** by flag bit: where the block's body starts, from the frame's start, and its bytes */
  readonly #bodyStarts: Int32Array;
  readonly #bodyBytes: Int32Array;
  /** call id, remaining milliseconds, method id: in fields, u32 above 2^31 would cost an object each, every wrap */
  readonly #words: Uint32Array;
  #bytes: Uint8Array;
  #view: DataView;
  #offset: number;
  #length: number;
  #low: number;
  #flags: number;
  #headerBytes: number;

  constructor(options: EnvelopeReaderOptions = {}) {
    refuseUnknownOptions('EnvelopeReader', options, Object.keys(ENVELOPE_READER_DEFAULTS));
    this.#checksum = oneOfOption('checksum', options.checksum ?? ENVELOPE_READER_DEFAULTS.checksum, [
      'verify',
      'require',
      'skip',
    ]);
    this.#crc32c = options.crc32c ?? ENVELOPE_READER_DEFAULTS.crc32c;
    this.#knownExtensions = [...(options.knownExtensions ?? ENVELOPE_READER_DEFAULTS.knownExtensions)];
    this.#bodyStarts = new Int32Array(BLOCK_COUNT);
    this.#bodyBytes = new Int32Array(BLOCK_COUNT);
    this.#words = new Uint32Array(3);
    this.#bytes = new Uint8Array(0);
    this.#view = new DataView(this.#bytes.buffer);
    this.#offset = 0;
    this.#length = 0;
    this.#low = 0;
    this.#flags = 0;
    this.#headerBytes = 0;
  }

  /**
   * Checks the frame at `offset` of `bytes` and shows it until the next `wrap`.
   *
   * @hot
   * @param length bytes of the frame, all of them: what follows the blocks is the payload
   * @returns this
   * @throws TendonError VERSION_UNSUPPORTED; CHECKSUM_MISMATCH; DECODE_FAILED with the position in the frame. After
   *   a throw the fields mean nothing
   */
  wrap(bytes: Uint8Array, offset: number, length: number): this {
    if (bytes !== this.#bytes) this.#rebind(bytes);
    if (!(length >= BASE_BYTES && offset >= 0 && offset + length <= bytes.length)) {
      this.#refuseExtent(bytes, offset, length);
    }
    const view = this.#view;
    const word = view.getUint32(offset + WORD_OFFSET, true);
    const flags = word >>> FLAGS_SHIFT;
    this.#offset = offset;
    this.#length = length;
    this.#low = word & 0xffff;
    this.#flags = flags;
    this.#words[0] = view.getUint32(offset + CALL_ID_OFFSET, true);
    this.#words[1] = view.getUint32(offset + REMAINING_OFFSET, true);
    this.#words[2] = view.getUint32(offset + METHOD_ID_OFFSET, true);
    this.#headerBytes = BASE_BYTES;
    const version = (word >>> VERSION_SHIFT) & VERSION_MASK;
    if (version !== ENVELOPE_VERSION) refuseVersion(version);
    if (flags !== 0 || this.#checksum === 'require') this.#wrapBlocks(flags);
    const kind = word & KIND_MASK;
    if (kind < FIRST_KIND || kind > LAST_KIND) malformed(0, `unknown kind ${kind}`);
    return this;
  }

  /** What the message is. */
  get kind(): Kind {
    return (this.#low & KIND_MASK) as Kind; // wrap refuses every other number
  }
  /** Number of the payload's codec, 0 to 63. */
  get codec(): number {
    return (this.#low >>> CODEC_SHIFT) & CODEC_MASK;
  }
  get priority(): Priority {
    return ((this.#low >>> PRIORITY_SHIFT) & PRIORITY_MASK) as Priority; // two bits, four priorities
  }
  /** Bits of `Flag`: the blocks that are there. */
  get flags(): number {
    return this.#flags;
  }
  /** u32 */
  get callId(): number {
    return this.#words[0]!;
  }
  /** u32 milliseconds; 0: no deadline */
  get remainingMs(): number {
    return this.#words[1]!;
  }
  /** u32 */
  get methodId(): number {
    return this.#words[2]!;
  }
  /** Bytes before the payload: base and blocks, a multiple of 8. */
  get headerBytes(): number {
    return this.#headerBytes;
  }
  /** Where the payload starts in the wrapped `bytes`. */
  get payloadOffset(): number {
    return this.#offset + this.#headerBytes;
  }
  get payloadLength(): number {
    return this.#length - this.#headerBytes;
  }

  /** Where the body of the block of `bit` starts in the wrapped `bytes`; -1 when the frame has none. */
  bodyOffset(bit: layout.BlockBit): number {
    return this.#flags & (1 << bit) ? this.#offset + this.#bodyStarts[bit]! : -1;
  }

  /** Bytes of the body of the block of `bit`; -1 when the frame has none. */
  bodyLength(bit: layout.BlockBit): number {
    return this.#flags & (1 << bit) ? this.#bodyBytes[bit]! : -1;
  }

  readIds(): MessageIds | undefined {
    if (!(this.#flags & Flag.IDS)) return undefined;
    const start = this.#bodyStarts[BlockBit.IDS]!;
    return { messageId: this.#copy(start, ID_BYTES), correlationId: this.#copy(start + ID_BYTES, ID_BYTES) };
  }

  readSubject(): string | undefined {
    if (!(this.#flags & Flag.SUBJECT)) return undefined;
    return this.#text(this.#bodyStarts[BlockBit.SUBJECT]!, this.#bodyBytes[BlockBit.SUBJECT]!);
  }

  readTopic(): string | undefined {
    if (!(this.#flags & Flag.TOPIC)) return undefined;
    return this.#text(this.#bodyStarts[BlockBit.TOPIC]!, this.#bodyBytes[BlockBit.TOPIC]!);
  }

  readError(): MessageError | undefined {
    if (!(this.#flags & Flag.ERROR)) return undefined;
    const start = this.#bodyStarts[BlockBit.ERROR]!;
    const end = start + this.#bodyBytes[BlockBit.ERROR]!;
    const bits = this.#uint8(start + ERROR_BITS_OFFSET);
    const codeBytes = this.#uint8(start + ERROR_CODE_BYTES_OFFSET);
    const categoryBytes = this.#uint16(start + ERROR_CATEGORY_BYTES_OFFSET);
    const messageBytes = this.#uint32(start + ERROR_MESSAGE_BYTES_OFFSET);
    const contextBytes = this.#uint32(start + ERROR_CONTEXT_BYTES_OFFSET);
    if (bits & ~(ERROR_RETRYABLE | ERROR_HAS_DETAILS)) {
      malformed(start + ERROR_BITS_OFFSET, `unknown error bits ${bits}`);
    }
    const code = start + ERROR_TEXTS_OFFSET;
    const category = code + codeBytes;
    const message = category + categoryBytes;
    const context = message + messageBytes; // sums of five numbers below 2^32: exact
    const details = context + contextBytes;
    const hasDetails = (bits & ERROR_HAS_DETAILS) !== 0;
    if (details > end || (!hasDetails && details !== end)) {
      malformed(start, `error texts of ${details - code} bytes in a body of ${end - start}`);
    }
    const error = {
      code: this.#text(code, codeBytes),
      message: this.#text(message, messageBytes),
      retryable: (bits & ERROR_RETRYABLE) !== 0,
      number: this.#uint32(start + ERROR_NUMBER_OFFSET),
      category: this.#text(category, categoryBytes),
      context: this.#text(context, contextBytes),
    };
    return hasDetails ? { ...error, details: this.#copy(details, end - details) } : error;
  }

  readTrace(): TraceContext | undefined {
    if (!(this.#flags & Flag.TRACE)) return undefined;
    const start = this.#bodyStarts[BlockBit.TRACE]!;
    const length = this.#bodyBytes[BlockBit.TRACE]!;
    return {
      version: this.#uint8(start),
      traceId: this.#copy(start + TRACE_ID_OFFSET, TRACE_ID_BYTES),
      parentId: this.#copy(start + TRACE_PARENT_OFFSET, TRACE_PARENT_BYTES),
      traceFlags: this.#uint8(start + TRACE_FLAGS_OFFSET),
      state: this.#text(start + TRACE_STATE_OFFSET, length - TRACE_STATE_OFFSET),
    };
  }

  readMetadata(): MetadataEntry[] | undefined {
    if (!(this.#flags & Flag.METADATA)) return undefined;
    const start = this.#bodyStarts[BlockBit.METADATA]!;
    const end = start + this.#bodyBytes[BlockBit.METADATA]!;
    const count = this.#uint32(start);
    const entries: MetadataEntry[] = []; // grows with what is really there, not with what `count` claims
    let at = start + METADATA_ENTRIES_OFFSET;
    for (let entry = 0; entry < count; entry++) {
      const name = at + METADATA_ENTRY_BYTES;
      if (name > end) malformed(at, `metadata entry ${entry} of ${count} beyond its block`);
      const nameBytes = this.#uint16(at);
      const type = this.#uint8(at + METADATA_TYPE_OFFSET);
      const valueBytes = this.#uint32(at + METADATA_VALUE_BYTES_OFFSET);
      const value = name + nameBytes;
      const next = value + valueBytes;
      if (next > end) malformed(at, `metadata entry ${entry} of ${count} beyond its block`);
      if (type > METADATA_BYTES) malformed(at + METADATA_TYPE_OFFSET, `unknown metadata type ${type}`);
      if (this.#uint8(at + METADATA_ZERO_OFFSET) !== 0) {
        malformed(at + METADATA_ZERO_OFFSET, 'reserved byte that is not zero');
      }
      const text = this.#text(name, nameBytes);
      entries.push([
        text,
        type === METADATA_TEXT ? this.#text(value, valueBytes) : this.#copy(value, valueBytes),
      ]);
      at = next;
    }
    if (at !== end) malformed(at, `${end - at} bytes behind the last metadata entry`);
    return entries;
  }

  readEndpoints(): MessageEndpoints | undefined {
    if (!(this.#flags & Flag.ENDPOINTS)) return undefined;
    const start = this.#bodyStarts[BlockBit.ENDPOINTS]!;
    const end = start + this.#bodyBytes[BlockBit.ENDPOINTS]!;
    const sourceBytes = this.#uint32(start);
    const source = start + ENDPOINTS_SOURCE_OFFSET;
    const destination = source + sourceBytes;
    if (destination > end) malformed(start, `source endpoint of ${sourceBytes} bytes beyond its block`);
    return {
      source: this.#text(source, sourceBytes),
      destination: this.#text(destination, end - destination),
    };
  }

  /** Nanoseconds since the Unix epoch. */
  readExpiresNs(): bigint | undefined {
    return this.#flags & Flag.EXPIRY ? this.#instant(BlockBit.EXPIRY) : undefined;
  }

  /** Nanoseconds since the Unix epoch. */
  readSentNs(): bigint | undefined {
    return this.#flags & Flag.TIME ? this.#instant(BlockBit.TIME) : undefined;
  }

  readDelivery(): DeliveryInfo | undefined {
    if (!(this.#flags & Flag.DELIVERY)) return undefined;
    const start = this.#bodyStarts[BlockBit.DELIVERY]!;
    const length = this.#bodyBytes[BlockBit.DELIVERY]!;
    return {
      contentType: this.#text(start + DELIVERY_CONTENT_TYPE_OFFSET, length - DELIVERY_CONTENT_TYPE_OFFSET),
      retryCount: this.#uint32(start + DELIVERY_RETRY_COUNT_OFFSET),
      maxRetries: this.#uint32(start + DELIVERY_MAX_RETRIES_OFFSET),
      attributes: this.#uint32(start + DELIVERY_ATTRIBUTES_OFFSET),
    };
  }

  readSequence(): SequenceInfo | undefined {
    if (!(this.#flags & Flag.SEQUENCE)) return undefined;
    const start = this.#bodyStarts[BlockBit.SEQUENCE]!;
    this.#zero(start + SEQUENCE_RESERVED_OFFSET);
    return {
      source: this.#uint32(start + SEQUENCE_SOURCE_OFFSET),
      epoch: this.#uint32(start + SEQUENCE_EPOCH_OFFSET),
      sequence: this.#view.getBigUint64(this.#offset + start + SEQUENCE_NUMBER_OFFSET, true),
    };
  }

  /** Bytes of each part; their sum is `payloadLength`. */
  readParts(): number[] | undefined {
    if (!(this.#flags & Flag.PARTS)) return undefined;
    const start = this.#bodyStarts[BlockBit.PARTS]!;
    const length = this.#bodyBytes[BlockBit.PARTS]!;
    const count = length / PART_LENGTH_BYTES;
    if (!Number.isInteger(count) || count > MAX_PARTS) malformed(start, `part table of ${length} bytes`);
    const parts: number[] = [];
    let sum = 0;
    for (let part = 0; part < count; part++) {
      const bytes = this.#uint32(start + part * PART_LENGTH_BYTES);
      sum += bytes;
      parts.push(bytes);
    }
    if (sum !== this.payloadLength) {
      malformed(start, `parts of ${sum} bytes in a payload of ${this.payloadLength}`);
    }
    return parts;
  }

  readRouting(): Uint8Array[] | undefined {
    if (!(this.#flags & Flag.ROUTING)) return undefined;
    const start = this.#bodyStarts[BlockBit.ROUTING]!;
    const end = start + this.#bodyBytes[BlockBit.ROUTING]!;
    const identities: Uint8Array[] = [];
    let at = start;
    while (at < end) {
      const length = this.#uint8(at);
      if (length === 0 || at + 1 + length > end) malformed(at, `routing identity of ${length} bytes`);
      identities.push(this.#copy(at + 1, length));
      at += 1 + length;
    }
    return identities;
  }

  /** Entries in order, known or not; critical ones that nobody declared known were refused by `wrap`. */
  readExtensions(): ExtensionBlock[] | undefined {
    if (!(this.#flags & Flag.EXTENSIONS)) return undefined;
    const entries: ExtensionBlock[] = [];
    this.#walkExtensions(entries);
    return entries;
  }

  #rebind(bytes: Uint8Array): void {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bytes = bytes;
  }

  #refuseExtent(bytes: Uint8Array, offset: number, length: number): never {
    if (offset >= 0 && length >= 0 && offset + length <= bytes.length) {
      malformed(length, `frame of ${length} bytes ends before the base of ${BASE_BYTES}`);
    }
    malformed(0, `frame at ${offset} of ${length} bytes outside its memory of ${bytes.length}`);
  }

  #wrapBlocks(flags: number): void {
    if (this.#checksum !== 'skip') {
      if (flags & Flag.CHECKSUM) this.#verify();
      else if (this.#checksum === 'require')
        malformed(WORD_OFFSET, 'no checksum on a link that requires one');
    }
    if (flags & Flag.RESERVED) malformed(WORD_OFFSET, 'reserved flag bit 14');
    let at = BASE_BYTES;
    for (let bit = 0; bit < BLOCK_COUNT; bit++) {
      if ((flags & (1 << bit)) === 0) continue;
      const bodyBytes = this.#block(at, this.#length, blockType(bit));
      if (bodyBytes < MIN_BODY[bit]! || bodyBytes > MAX_BODY[bit]!) {
        malformed(at, `body of ${bodyBytes} bytes in block type ${blockType(bit)}`);
      }
      this.#bodyStarts[bit] = at + BLOCK_HEADER_BYTES;
      this.#bodyBytes[bit] = bodyBytes;
      at += blockBytes(bodyBytes);
    }
    this.#headerBytes = at;
    if (flags & Flag.EXTENSIONS) this.#walkExtensions(undefined);
  }

  /** Checks a block's header, extent and padding; answers the bytes of its body. `type` -1: any extension's. */
  #block(at: number, limit: number, type: number): number {
    if (at + BLOCK_HEADER_BYTES > limit) malformed(at, `end of frame before block type ${type}`);
    const header = this.#uint32(at);
    const found = header >>> BLOCK_TYPE_SHIFT;
    const bodyBytes = header & MAX_BLOCK_BODY;
    if (type >= 0 && found !== type) malformed(at, `block type ${found} where ${type} was announced`);
    const next = at + blockBytes(bodyBytes);
    if (next > limit) malformed(at, `block type ${found} of ${bodyBytes} bytes beyond the end`);
    for (let pad = at + BLOCK_HEADER_BYTES + bodyBytes; pad < next; pad++) {
      if (this.#uint8(pad) !== 0) malformed(pad, 'padding that is not zero');
    }
    return bodyBytes;
  }

  #walkExtensions(into: ExtensionBlock[] | undefined): void {
    const start = this.#bodyStarts[BlockBit.EXTENSIONS]!;
    const end = start + this.#bodyBytes[BlockBit.EXTENSIONS]!;
    const count = this.#uint32(start);
    let at = start + EXTENSIONS_ENTRIES_OFFSET;
    for (let entry = 0; entry < count; entry++) {
      const bodyBytes = this.#block(at, end, -1);
      const type = this.#uint8(at + 3);
      if (type < FIRST_EXTENSION_TYPE) malformed(at, `extension of reserved type ${type}`);
      if (type >= FIRST_CRITICAL_EXTENSION_TYPE && !this.#knownExtensions.includes(type)) {
        malformed(at, `critical extension of unknown type ${type}`);
      }
      into?.push({ type, body: this.#copy(at + BLOCK_HEADER_BYTES, bodyBytes) });
      at += blockBytes(bodyBytes);
    }
    if (at !== end) malformed(at, `${end - at} bytes behind the last extension`);
  }

  #verify(): void {
    if (this.#length < CHECKSUM_OFFSET + 4) malformed(BASE_BYTES, 'end of frame before the checksum');
    const expected = this.#uint32(CHECKSUM_OFFSET);
    const actual = frameChecksum(this.#bytes, this.#offset, this.#length, this.#crc32c);
    if (expected !== actual) {
      throw new TendonError(
        'CHECKSUM_MISMATCH',
        `envelope: the frame says CRC-32C ${hex(expected)}, its bytes give ${hex(actual)}`,
        { expected, actual },
      );
    }
  }

  #instant(bit: layout.BlockBit): bigint {
    const start = this.#bodyStarts[bit]!;
    this.#zero(start);
    return this.#view.getBigUint64(this.#offset + start + INSTANT_NS_OFFSET, true);
  }

  #zero(position: number): void {
    if (this.#uint32(position) !== 0) malformed(position, 'reserved word that is not zero');
  }

  #uint8(position: number): number {
    return this.#view.getUint8(this.#offset + position);
  }
  #uint16(position: number): number {
    return this.#view.getUint16(this.#offset + position, true);
  }
  #uint32(position: number): number {
    return this.#view.getUint32(this.#offset + position, true);
  }

  #text(position: number, length: number): string {
    return readText(this.#bytes, this.#offset + position, length, position);
  }

  #copy(position: number, length: number): Uint8Array {
    const start = this.#offset + position;
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(start, start + length));
    return copy;
  }
}

/** CRC-32C over the frame but its checksum word. */
export function frameChecksum(
  bytes: Uint8Array,
  offset: number,
  length: number,
  crc: Crc32 = crc32c,
): number {
  const behind = CHECKSUM_OFFSET + 4;
  return crc(bytes, offset + behind, length - behind, crc(bytes, offset, CHECKSUM_OFFSET));
}

function refuseVersion(theirs: number): never {
  throw new TendonError(
    'VERSION_UNSUPPORTED',
    `envelope: version ${theirs} at byte 0, this is version ${ENVELOPE_VERSION}`,
    { theirs, ours: ENVELOPE_VERSION },
  );
}

function hex(word: number): string {
  return `0x${word.toString(16).padStart(8, '0')}`;
}
