import { alignUp, CACHE_LINE_BYTES } from './layout.ts';

/**
 * A table of counters, little-endian, on a multiple of 64 bytes.
 *
 * ```
 * header, 64 bytes
 *   0  magic    u32  "TCTR"; written last
 *   4  version  u32  1
 *   8  capacity u32  counters
 *  12  writers  u32  cells of each counter
 *  16  0
 *
 * record, 192 bytes, `capacity` of them
 *   0  owner       u64  who allocated it (owner.ts); 0: free
 *   8  state       u32  0 vacant, 1 live; written last
 *  12  kind        u32  0 single writer, 1 shared by up to `writers`
 *  16  type        i32  the allocator's
 *  20  generation  u32  grows by one whenever the record is given out or taken back: readers look twice
 *  24  label bytes u32  at most 160
 *  28  0
 *  32  label            UTF-8
 *
 * cell, 64 bytes, `capacity` x `writers` of them; those of a counter together
 *   0  value       u64  written by its owner only
 *   8  owner       u64  who adds to it (owner.ts); 0: nobody now, the value stays
 * ```
 *
 * A counter is the sum of its cells, so that nobody adds to a word that another writes: an increment needs no lock
 * prefix, and the cell of a dead writer keeps what it counted.
 */
export const MAGIC = 0x52544354;
export const VERSION = 1;

export const HEADER_BYTES = 64;
export const RECORD_BYTES = 192;
export const CELL_BYTES = CACHE_LINE_BYTES;
export const LABEL_LIMIT_BYTES = 160;

// words
export const HEADER_MAGIC = 0;
export const HEADER_VERSION = 1;
export const HEADER_CAPACITY = 2;
export const HEADER_WRITERS = 3;
export const RECORD_OWNER = 0;
export const RECORD_STATE = 2;
export const RECORD_KIND = 3;
export const RECORD_TYPE = 4;
export const RECORD_GENERATION = 5;
export const RECORD_LABEL_BYTES = 6;
export const RECORD_LABEL_OFFSET_BYTES = 32;
export const CELL_OWNER = 2;

export const STATE_VACANT = 0;
export const STATE_LIVE = 1;
export const KIND_SINGLE = 0;
export const KIND_SHARED = 1;

export const MAX_COUNTERS = 65_536;
export const MAX_WRITERS = 64;

export function recordsOffset(): number {
  return HEADER_BYTES;
}
export function cellsOffset(capacity: number): number {
  return HEADER_BYTES + alignUp(capacity * RECORD_BYTES, CACHE_LINE_BYTES);
}
export function tableBytes(capacity: number, writers: number): number {
  return cellsOffset(capacity) + capacity * writers * CELL_BYTES;
}
