/**
 * The wire of `unix:` and `tcp:`, version 1. Specified in docs/reference/wire/stream.md; all integers are
 * little-endian.
 *
 *     hello, once each way, the connecting side first          frame
 *      0       4     6     8           12    14    16           0         4
 *      +-------+-----+-----+-----------+-----+-----+            +---------+-------------- - -
 *      | magic | new | old | max frame | flg | ref |            | length  | length bytes
 *      +-------+-----+-----+-----------+-----+-----+            +---------+-------------- - -
 *        u32    u16   u16      u32      u16   u16                   u32
 *
 * `new` and `old`: the newest and the oldest version that the sender speaks. `flg`: features, none so far.
 * `ref`: why the listener refuses, 0 when it does not.
 */

export const HELLO_BYTES = 16;
export const MAGIC_BYTES = 4;
/** "TNDC": the side that connected */
export const CLIENT_MAGIC = 0x43444e54;
/** "TNDL": the side that listens; differs so that a socket connected to itself is noticed */
export const LISTENER_MAGIC = 0x4c444e54;
export const MAGIC_OFFSET = 0;
export const NEWEST_OFFSET = 4;
export const OLDEST_OFFSET = 6;
export const MAX_FRAME_OFFSET = 8;
export const FLAGS_OFFSET = 12;
export const REFUSAL_OFFSET = 14;

/** The versions that this code speaks. */
export const NEWEST_VERSION = 1;
export const OLDEST_VERSION = 1;

export const WELCOME = 0;
export const REFUSED_BACKLOG = 1;
export const REFUSED_HANDSHAKES = 2;
export const REFUSED_VERSION = 3;
export const REFUSED_CLOSING = 4;

export const FRAME_HEADER_BYTES = 4;
/** the largest length a frame can have; what is above is reserved */
export const LENGTH_LIMIT = 0x7fff_fff0;
/** nothing follows: an orderly end */
export const GOODBYE = 0xffff_ffff;
/** a sign of life, without content */
export const HEARTBEAT = 0xffff_fffe;
/** the smallest limit of frames that a hello may announce, in bytes */
export const MIN_MAX_FRAME_BYTES = 64;
