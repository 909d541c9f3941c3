import { CODEC_IDS, type Codec } from '../codec.ts';
import { ownBytes, requireExtent, unencodable } from '../failure.ts';

/** Raw bytes, untouched: what is sent is what arrives. `encode` answers the value itself, not a copy. */
export const bytesCodec: Codec<Uint8Array> = {
  id: CODEC_IDS.BYTES,
  name: 'bytes',
  encode(value) {
    return requireBytes(value);
  },
  encodeInto(value, target, offset) {
    requireBytes(value);
    if (offset + value.length > target.length) return -1;
    target.set(value, offset);
    return value.length;
  },
  decode(bytes, offset, length) {
    requireExtent('bytes', bytes, offset, length);
    return ownBytes(bytes, offset, length);
  },
};

function requireBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return unencodable('bytes', `takes a Uint8Array, got ${Object.prototype.toString.call(value)}`);
}
