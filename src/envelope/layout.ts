/**
 * Where the envelope's fields lie. `docs/reference/wire/envelope.md` is the normative text; no other file of
 * this folder does offset arithmetic of its own on the base or on a block's header.
 *
 * ```
 *  byte 0        1        2        3
 *      +--------+--------+-----------------+
 *    0 |ver kind|pri codc|  flags          |   ver 3 bits, kind 5 bits; priority 2 bits, codec 6 bits
 *      +--------+--------+-----------------+
 *    4 |  call id                          |   all integers little-endian
 *      +-----------------------------------+
 *    8 |  remaining milliseconds           |   0: no deadline
 *      +-----------------------------------+
 *   12 |  method id                        |   0: none, or by name in a SUBJECT block
 *      +-----------------------------------+
 *   16 |  blocks, in ascending bit order   |   each: u32 (type << 24 | body bytes), body, zeros up to 8
 *      +-----------------------------------+
 * 16+8k|  payload, to the end of the frame |
 *      +-----------------------------------+
 * ```
 */

export const ENVELOPE_VERSION = 1;

/** Bytes of the fixed base. */
export const BASE_BYTES = 16;

/** Bases and blocks end at a multiple of this from the start of the frame. */
export const ENVELOPE_ALIGNMENT = 8;

export const WORD_OFFSET = 0;
export const CALL_ID_OFFSET = 4;
export const REMAINING_OFFSET = 8;
export const METHOD_ID_OFFSET = 12;

/** Word 0, from the low bit: kind 5, version 3, codec 6, priority 2, flags 16. */
export const KIND_MASK = 0x1f;
export const VERSION_SHIFT = 5;
export const VERSION_MASK = 0x07;
export const CODEC_SHIFT = 8;
export const CODEC_MASK = 0x3f;
export const PRIORITY_SHIFT = 14;
export const PRIORITY_MASK = 0x03;
export const FLAGS_SHIFT = 16;

/** What a message is. 9 to 11 are reserved for streams of values, the rest is unassigned; both are refused. */
export const Kind = {
  /** Asks for a RESPONSE or an ERROR with the same call id. */
  REQUEST: 1,
  RESPONSE: 2,
  ERROR: 3,
  /** A call that is never answered. */
  ONE_WAY: 4,
  /** The caller no longer wants the answer to this call id. */
  CANCEL: 5,
  /** Published: no call id, no answer. */
  EVENT: 6,
  HEARTBEAT: 7,
  CONTROL: 8,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export const FIRST_KIND = Kind.REQUEST;
export const LAST_KIND = Kind.CONTROL;

// Kept for streams of values, refused in version 1: 9 STREAM_DATA, 10 STREAM_END, 11 STREAM_CREDIT.

export const Priority = { LOW: 0, NORMAL: 1, HIGH: 2, CRITICAL: 3 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

/** Largest codec number that the base can carry. */
export const MAX_CODEC_ID = 0x3f;

/** `remainingMs` of a message without a deadline. */
export const NO_DEADLINE = 0;

/** One bit per block; the bits stand in the base's flags, the blocks in this order behind the base. */
export const Flag = {
  /** CRC-32C over the whole frame but its own four bytes; always the first block. */
  CHECKSUM: 1 << 0,
  /** Message id and correlation id, 16 bytes each. */
  IDS: 1 << 1,
  /** Name of the method, or the message's subject. */
  SUBJECT: 1 << 2,
  /** What went wrong. */
  ERROR: 1 << 3,
  /** W3C trace context. */
  TRACE: 1 << 4,
  /** The sender's pairs of names and values. */
  METADATA: 1 << 5,
  /** Source and destination endpoint. */
  ENDPOINTS: 1 << 6,
  /** Absolute time after which nobody wants the message. */
  EXPIRY: 1 << 7,
  /** When it was sent. */
  TIME: 1 << 8,
  /** Content type, retry counts, delivery attributes. */
  DELIVERY: 1 << 9,
  /** Source key, epoch, sequence number. */
  SEQUENCE: 1 << 10,
  /** Topic of a published message. */
  TOPIC: 1 << 11,
  /** Lengths of the parts that the payload consists of. */
  PARTS: 1 << 12,
  /** Identities on the way back to the requester. */
  ROUTING: 1 << 13,
  /** Reserved; refused in version 1. */
  RESERVED: 1 << 14,
  /** Blocks that later revisions define, each critical or ignorable. */
  EXTENSIONS: 1 << 15,
} as const;
export type Flag = (typeof Flag)[keyof typeof Flag];

/** A bit's number: the index of its block in tables. */
export const BlockBit = {
  CHECKSUM: 0,
  IDS: 1,
  SUBJECT: 2,
  ERROR: 3,
  TRACE: 4,
  METADATA: 5,
  ENDPOINTS: 6,
  EXPIRY: 7,
  TIME: 8,
  DELIVERY: 9,
  SEQUENCE: 10,
  TOPIC: 11,
  PARTS: 12,
  ROUTING: 13,
  EXTENSIONS: 15,
} as const;
export type BlockBit = (typeof BlockBit)[keyof typeof BlockBit];

export const BLOCK_COUNT = 16;

/** A block's header: u32, type in the high byte, bytes of the body in the low three. */
export const BLOCK_HEADER_BYTES = 4;
export const BLOCK_TYPE_SHIFT = 24;
export const MAX_BLOCK_BODY = 0xff_ffff;

/** The type of the block that flag bit `bit` announces. Never 0, so that zeros are never a header. */
export function blockType(bit: number): number {
  return bit + 1;
}

/** Whole bytes that a block with `bodyBytes` of body takes, its header and padding included. */
export function blockBytes(bodyBytes: number): number {
  return (BLOCK_HEADER_BYTES + bodyBytes + (ENVELOPE_ALIGNMENT - 1)) & -ENVELOPE_ALIGNMENT;
}

/** Shortest and longest body by flag bit. */
export const MIN_BODY: readonly number[] = [4, 32, 0, 16, 26, 4, 4, 12, 12, 12, 20, 0, 4, 2, 0, 4];
export const MAX_BODY: readonly number[] = MIN_BODY.map((shortest, bit) =>
  // CHECKSUM, IDS, EXPIRY, TIME and SEQUENCE have one length
  [0, 1, 7, 8, 10].includes(bit) ? shortest : MAX_BLOCK_BODY,
);

/** Offset of the checksum word in a frame that has one: its block is always the first. */
export const CHECKSUM_OFFSET = BASE_BYTES + BLOCK_HEADER_BYTES;

/** IDS body: message id, correlation id. */
export const ID_BYTES = 16;

/** EXPIRY and TIME body: u32 zero, then u64 nanoseconds since the Unix epoch, which lies on a multiple of 8. */
export const INSTANT_NS_OFFSET = 4;

/** SEQUENCE body: source key u32, sequence u64 (on a multiple of 8), epoch u32, u32 zero is padding. */
export const SEQUENCE_SOURCE_OFFSET = 0;
export const SEQUENCE_NUMBER_OFFSET = 4;
export const SEQUENCE_EPOCH_OFFSET = 12;
export const SEQUENCE_RESERVED_OFFSET = 16;

/** ERROR body: number u32, bits u8, code bytes u8, category bytes u16, message bytes u32, context bytes u32; then code, category, message, context, details. */
export const ERROR_NUMBER_OFFSET = 0;
export const ERROR_BITS_OFFSET = 4;
export const ERROR_CODE_BYTES_OFFSET = 5;
export const ERROR_CATEGORY_BYTES_OFFSET = 6;
export const ERROR_MESSAGE_BYTES_OFFSET = 8;
export const ERROR_CONTEXT_BYTES_OFFSET = 12;
export const ERROR_TEXTS_OFFSET = 16;
export const ERROR_RETRYABLE = 1;
export const ERROR_HAS_DETAILS = 2;
export const MAX_ERROR_CODE_BYTES = 0xff;
export const MAX_ERROR_CATEGORY_BYTES = 0xffff;

/** TRACE body: version u8, trace id 16, parent id 8, flags u8; then tracestate to the end of the body. */
export const TRACE_ID_OFFSET = 1;
export const TRACE_ID_BYTES = 16;
export const TRACE_PARENT_OFFSET = 17;
export const TRACE_PARENT_BYTES = 8;
export const TRACE_FLAGS_OFFSET = 25;
export const TRACE_STATE_OFFSET = 26;

/** METADATA body: entries u32; then each: key bytes u16, value type u8, zero u8, value bytes u32, key, value. */
export const METADATA_ENTRIES_OFFSET = 4;
export const METADATA_ENTRY_BYTES = 8;
export const METADATA_TYPE_OFFSET = 2;
export const METADATA_ZERO_OFFSET = 3;
export const METADATA_VALUE_BYTES_OFFSET = 4;
export const METADATA_TEXT = 0;
export const METADATA_BYTES = 1;
export const MAX_METADATA_KEY_BYTES = 0xffff;

/** ENDPOINTS body: source bytes u32, source, destination to the end of the body. */
export const ENDPOINTS_SOURCE_OFFSET = 4;

/** DELIVERY body: attributes u32, retry count u32, most retries u32, content type to the end of the body. */
export const DELIVERY_ATTRIBUTES_OFFSET = 0;
export const DELIVERY_RETRY_COUNT_OFFSET = 4;
export const DELIVERY_MAX_RETRIES_OFFSET = 8;
export const DELIVERY_CONTENT_TYPE_OFFSET = 12;

/** PARTS body: one u32 length per part; together they are the payload. */
export const PART_LENGTH_BYTES = 4;
export const MAX_PARTS = 1024;

/** ROUTING body: per identity a u8 length of 1 to 255 and its bytes, nearest hop first. */
export const MAX_IDENTITY_BYTES = 0xff;

/** EXTENSIONS body: entries u32; then blocks with types of their own, each padded to 8. */
export const EXTENSIONS_ENTRIES_OFFSET = 4;
export const FIRST_EXTENSION_TYPE = 0x20;
/** From here on a reader that does not know the type must refuse the frame; below, it skips the entry. */
export const FIRST_CRITICAL_EXTENSION_TYPE = 0x80;
export const LAST_EXTENSION_TYPE = 0xff;

/** Bits of DELIVERY attributes. Labels: the envelope acts on none. 0x08 and 0x10 stay zero (no fragmentation). */
export const DeliveryAttribute = {
  REQUIRE_ACK: 0x01,
  COMPRESSED: 0x02,
  ENCRYPTED: 0x04,
  PERSISTENT: 0x20,
  ORDERED: 0x40,
  RETRANSMITTED: 0x80,
} as const;
