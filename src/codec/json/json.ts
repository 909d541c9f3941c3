import { CODEC_IDS, type Codec } from '../codec.ts';
import { requireExtent, undecodable, unencodable } from '../failure.ts';
import { jsonErrorPosition } from './error-position.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * JSON in UTF-8, with what `JSON.stringify` makes of a value: `undefined` inside objects vanishes, dates become
 * strings. `undefined` itself, which JSON cannot say, is no bytes at all, both ways. A bigint, a cycle, a function
 * or a symbol is ENCODE_FAILED.
 */
export const jsonCodec: Codec = {
  id: CODEC_IDS.JSON,
  name: 'json',
  encode(value) {
    return encoder.encode(stringify(value));
  },
  encodeInto(value, target, offset) {
    const text = stringify(value);
    const room = target.length - offset;
    if (text.length > room) return -1; // each unit takes a byte or more
    const { read, written } = encoder.encodeInto(text, target.subarray(offset));
    return read === text.length ? written : -1;
  },
  decode(bytes, offset, length) {
    requireExtent('json', bytes, offset, length);
    if (length === 0) return undefined;
    try {
      return JSON.parse(decoder.decode(bytes.subarray(offset, offset + length))) as unknown;
    } catch (error) {
      const position = jsonErrorPosition(bytes, offset, length);
      const what = position >= length ? 'end of input inside a value' : 'not JSON in UTF-8';
      return undecodable('json', position, what, error);
    }
  },
};

function stringify(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value) as string | undefined; // undefined for what has no JSON; its type denies it
  } catch (error) {
    return unencodable('json', 'the value has no JSON (a bigint, a cycle, or nested too deep)', error);
  }
  if (text === undefined && value !== undefined) unencodable('json', `a ${typeof value} has no JSON`);
  return text ?? '';
}
