import { inexpressible, malformed } from './failure.ts';

/** UTF-8 both ways, exact or refused: nothing is replaced in silence. */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Texts up to this many units take the loop: below it a call into the runtime costs more than it saves. */
const SHORT = 32;

/** Bytes of `text` in UTF-8; refuses halves of surrogate pairs, which UTF-8 cannot express. */
export function textBytes(field: string, text: string): number {
  if (typeof text !== 'string') inexpressible(field, 'a string', text);
  const length = Buffer.byteLength(text);
  if (length !== text.length && LONE_SURROGATE.test(text)) inexpressible(field, 'well-formed text', text);
  return length;
}

/** Writes a text whose `textBytes` fit and returns the offset behind it. */
export function writeText(bytes: Uint8Array, offset: number, text: string): number {
  if (text.length <= SHORT) {
    let at = 0;
    while (at < text.length) {
      const unit = text.charCodeAt(at);
      if (unit > 0x7f) break;
      bytes[offset + at++] = unit;
    }
    if (at === text.length) return offset + at;
  }
  return offset + encoder.encodeInto(text, bytes.subarray(offset)).written;
}

/** Reads `length` bytes at `offset` as text; `position` is where they lie in the frame, for the error. */
export function readText(bytes: Uint8Array, offset: number, length: number, position: number): string {
  try {
    return decoder.decode(bytes.subarray(offset, offset + length));
  } catch (error) {
    return malformed(position, `${length} bytes that are not UTF-8`, error);
  }
}
