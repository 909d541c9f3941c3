/**
 * How a stream of bytes travels over a connection, both ways of which carry frames:
 *
 *   sender   -> receiver   the bytes, cut into frames of at least one byte, anywhere
 *   sender   -> receiver   a frame of 0 bytes: that was all
 *   receiver -> sender     a receipt of 8 bytes: how many bytes were written out, f64, little-endian
 *
 * So an end without the empty frame is a loss, and the sender knows that all has left the receiver's hands.
 */
const RECEIPT_BYTES = 8;

export const STREAM_END: Uint8Array = new Uint8Array(0);

export function receipt(writtenBytes: number): Uint8Array {
  const frame = new Uint8Array(RECEIPT_BYTES);
  new DataView(frame.buffer).setFloat64(0, writtenBytes, true);
  return frame;
}

/** How many bytes a receipt confirms; undefined for a frame that is none. */
export function readReceipt(frame: Uint8Array): number | undefined {
  if (frame.length !== RECEIPT_BYTES) return undefined;
  return new DataView(frame.buffer, frame.byteOffset, RECEIPT_BYTES).getFloat64(0, true);
}
