/**
 * Where every word of a ring lives. No other file does offset arithmetic on the control block.
 * The normative text is `docs/reference/wire/ring.md`.
 *
 * All integers are little-endian. Each word that one side writes has 128 bytes to itself: two cache lines, because
 * x86-64 fetches lines in adjacent pairs, and a neighbour's write would steal ours.
 *
 * ```
 * SPSC, offsets from the ring's first byte
 *
 *    0  magic i32 "TRNG" | version i32 | form i32 | capacityBytes i32     written once, by the creator
 *  128  tail i32                          producer's: bytes published, free-running, wraps at 2^32
 *  256  head i32                          consumer's: bytes consumed, free-running, wraps at 2^32
 *  384  consumer parked i32               0, or the consumer sleeps and wants to be notified
 *  512  producer parked i32               0, or the free bytes that a sleeping producer waits for
 *  640  data, capacityBytes: a power of two
 *
 * record, at a multiple of 8
 *
 *    0  length i32    bytes of the body
 *    4  kind i32      0 padding, 1..255 the user's
 *    8  body          contiguous, then up to 7 bytes to the next multiple of 8
 * ```
 */

/** "TRNG" as it lies in memory. */
export const MAGIC = 0x474e5254;
export const VERSION = 1;
/** What stands in the word `form`. */
export const FORM_SPSC = 1;
export const FORM_MPSC = 2;
export const FORM_BROADCAST = 3;

/** Bytes from one word of the control block to the next one that another side writes. */
const SPACING = 128;

/** Word indices (of an Int32Array over the ring) of what the creator writes once. */
export const MAGIC_WORD = 0;
export const VERSION_WORD = 1;
export const FORM_WORD = 2;
export const CAPACITY_WORD = 3;

/** Word indices of the SPSC control block; an MPSC ring has the same words. */
export const TAIL_WORD = (1 * SPACING) / 4;
export const HEAD_WORD = (2 * SPACING) / 4;
export const CONSUMER_PARKED_WORD = (3 * SPACING) / 4;
export const PRODUCER_PARKED_WORD = (4 * SPACING) / 4;

/** Where the data begins: 640 bytes into an SPSC ring. */
export const SPSC_DATA_OFFSET = 5 * SPACING;
export const SPSC_DATA_WORD = SPSC_DATA_OFFSET / 4;

/** A ring must begin at a multiple of this, so that no two of its words share a cache line by accident. */
export const RING_ALIGNMENT = 64;

export const CAPACITY_MIN = 4 * 1024;
/** Differences of 32-bit positions stay positive up to here. */
export const CAPACITY_MAX = 1024 * 1024 * 1024;
export const CAPACITY_DEFAULT = 1024 * 1024;

/** Bytes of a record's header. */
export const HEADER_BYTES = 8;
/** `(length + RECORD_ROUND) & RECORD_MASK` is what a record of `length` bytes takes, header and alignment included. */
export const RECORD_ROUND = HEADER_BYTES + 7;
export const RECORD_MASK = -8;

/** Padding up to the end of the data: skipped by the consumer. */
export const KIND_PAD = 0;
export const KIND_MAX = 255;

/**
 * ```
 * MPSC, offsets from the ring's first byte
 *
 *    0 .. 639   as SPSC, form 2; tail: bytes claimed; producer parked: 0, or some producer sleeps
 *  640  64 producer slots, 64 bytes each
 *         0  owner i32            0 free; else who, in the caller's numbering: what liveness is asked about
 *         4  generation i32       1..65535, another one each time the slot is taken
 *         8  intent position i32  where its owner is about to claim, written before the tail moves
 *        12  intent bytes i32     how much; 0 when no claim is under way
 * 4736  data, capacityBytes; all zero where nothing is claimed
 *
 * record, at a multiple of 8
 *
 *    0  state i32     0 claimed, header not written yet; -(8 + length) being written; 8 + length committed;
 *                     for padding its bytes, header included
 *    4  kind u8 | slot u8 | generation u16      all 0 for padding
 *    8  body
 * ```
 */
export const MPSC_SLOTS = 64;
const SLOTS_OFFSET = 5 * SPACING;
const SLOT_BYTES = 64;
export const MPSC_DATA_OFFSET = SLOTS_OFFSET + MPSC_SLOTS * SLOT_BYTES;
export const MPSC_DATA_WORD = MPSC_DATA_OFFSET / 4;

export const SLOT_OWNER = 0;
export const SLOT_GENERATION = 1;
export const SLOT_INTENT_POSITION = 2;
export const SLOT_INTENT_BYTES = 3;

/** Word index of a producer slot; its words follow. */
export function slotWord(slot: number): number {
  return (SLOTS_OFFSET + slot * SLOT_BYTES) / 4;
}

/**
 * ```
 * Broadcast, offsets from the ring's first byte; only the writer writes here, readers may map it read-only
 *
 *    0  magic | version | form 3 | capacityBytes | policy i32: 0 wait, 1 drop, 2 disconnect
 *  128  tail i32          bytes published, free-running
 *  256  reserved i32      bytes that the writer may have begun to overwrite up to: what lies before
 *                         reserved - capacity is lost (drop and disconnect only)
 *  384  8 x i32           for each eighth of the data, where the first record that begins in it lies
 *  512  data, capacityBytes
 *
 * record, at a multiple of 16
 *
 *    0  length i32 | kind i32: 0 padding, 1..255 | sequence u64: 0, 1, 2, ... over all records
 *   16  body, then up to 15 bytes to the next multiple of 16
 *
 * cursor, one for each reader, in memory of its own that this reader and the writer share
 *
 *    0  magic "TCUR" | version | state i32: 0 reading, 1 evicted | start position i32 | start sequence u64
 *  128  position i32         the reader's: bytes consumed
 *  132  lost u64 low, high   the reader's: records that it missed ('drop')
 *  140  next u64 low, high   the reader's: the number of the record that it expects
 *  256  reader parked i32    0, or the reader sleeps
 *  384  writer parked i32    0, or the writer sleeps until this reader goes on
 *  512  end
 * ```
 */
export const POLICY_WORD = 4;
export const POLICY_WAIT = 0;
export const POLICY_DROP = 1;
export const POLICY_DISCONNECT = 2;
export const RESERVED_WORD = (2 * SPACING) / 4;
/** The index of record positions: one word for each eighth of the data. */
export const SEGMENTS_WORD = (3 * SPACING) / 4;
export const SEGMENTS = 8;
export const BROADCAST_DATA_OFFSET = 4 * SPACING;
export const BROADCAST_DATA_WORD = BROADCAST_DATA_OFFSET / 4;

/** Bytes of a broadcast record's header, and what its records are aligned to. */
export const BROADCAST_HEADER_BYTES = 16;
export const BROADCAST_ROUND = BROADCAST_HEADER_BYTES + 15;
export const BROADCAST_MASK = -16;

/** "TCUR" as it lies in memory. */
export const CURSOR_MAGIC = 0x52554354;
export const CURSOR_STATE_WORD = 2;
export const CURSOR_START_WORD = 3;
export const CURSOR_SEQUENCE_LOW_WORD = 4;
export const CURSOR_SEQUENCE_HIGH_WORD = 5;
export const CURSOR_POSITION_WORD = (1 * SPACING) / 4;
export const CURSOR_LOST_LOW_WORD = CURSOR_POSITION_WORD + 1;
export const CURSOR_LOST_HIGH_WORD = CURSOR_POSITION_WORD + 2;
export const CURSOR_NEXT_LOW_WORD = CURSOR_POSITION_WORD + 3;
export const CURSOR_NEXT_HIGH_WORD = CURSOR_POSITION_WORD + 4;
export const READER_PARKED_WORD = (2 * SPACING) / 4;
export const WRITER_PARKED_WORD = (3 * SPACING) / 4;
/** Bytes of one reader's cursor. */
export const CURSOR_BYTES = 4 * SPACING;

export const CURSOR_READING = 0;
export const CURSOR_EVICTED = 1;

/** The largest record of a ring: a quarter of its capacity, so that a record and the padding before it always fit. */
export function maxRecordBytesOf(capacityBytes: number): number {
  return capacityBytes / 4 - HEADER_BYTES;
}
