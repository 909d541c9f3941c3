/**
 * Expected outcomes of the hot path. They are returned, never thrown: a call answers a
 * non-negative number (an offset, a count) or one of these.
 */

/** No room now; the other side has to catch up first. Offer again later. */
export const BACK_PRESSURED = -1;
/** The other side is gone or this side was closed; nothing can be sent any more. */
export const CLOSED = -2;
