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

/** Bytes from one word of the control block to the next one that another side writes. */
const SPACING = 128;

/** Word indices (of an Int32Array over the ring) of what the creator writes once. */
export const MAGIC_WORD = 0;
export const VERSION_WORD = 1;
export const FORM_WORD = 2;
export const CAPACITY_WORD = 3;

/** Word indices of the SPSC control block. */
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

/** The largest record of a ring: a quarter of its capacity, so that a record and the padding before it always fit. */
export function maxRecordBytesOf(capacityBytes: number): number {
  return capacityBytes / 4 - HEADER_BYTES;
}
