import { loadOptional } from '../../core/index.ts';
import { CODEC_IDS, type Codec } from '../codec.ts';
import { ownBytes, requireExtent, undecodable, unencodable } from '../failure.ts';
import { asBinaries, Walk } from './walk.ts';

/**
 * MessagePack through the optional package `msgpackr`.
 *
 * Maps, also JavaScript's `Map`, arrive as plain objects with text keys; bigints of 64 bits as bigints, and 64-bit
 * integers of other languages too; dates as dates; `Uint8Array` as bytes; other typed arrays and `ArrayBuffer` by
 * the library's extension 0x74; `undefined` by 0x00; -0 as 0; functions as `undefined`. What would arrive as
 * something else is ENCODE_FAILED: `Set`, `Error`, `RegExp`, `DataView`, invalid dates, halves of surrogate pairs,
 * the key `__proto__`, nesting deeper than 512.
 *
 * The library's native string extractor is never loaded, whatever the environment says: we take the build that
 * has no code for it (it has corrupted strings: kriszyp/msgpackr-extract#18).
 *
 * @throws TendonError DEPENDENCY_MISSING when the package is not installed
 */
export async function messagePackCodec(): Promise<Codec> {
  const { Packr } = await loadOptional<Library>('msgpackr', 'msgpackr@^2', load);
  const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: true });
  const walk = new Walk();

  const encode = (value: unknown): Uint8Array => {
    let bytes: Uint8Array;
    try {
      bytes = packr.pack(value);
    } catch (error) {
      return unencodable('msgpack', 'the value has no MessagePack', error);
    }
    const position = walk.check(bytes);
    if (position >= 0) unencodable('msgpack', `the value has no MessagePack (${walk.problem})`);
    return walk.byteArrays.length === 0 ? bytes : asBinaries(bytes, walk.byteArrays);
  };

  return {
    id: CODEC_IDS.MESSAGE_PACK,
    name: 'msgpack',
    encode,
    encodeInto(value, target, offset) {
      const bytes = encode(value);
      if (offset + bytes.length > target.length) return -1;
      target.set(bytes, offset);
      return bytes.length;
    },
    decode(bytes, offset, length) {
      requireExtent('msgpack', bytes, offset, length);
      const own = ownBytes(bytes, offset, length); // texts and binaries of the result point into it
      const position = walk.check(own);
      if (position >= 0) undecodable('msgpack', position, walk.problem);
      try {
        return packr.unpack(own);
      } catch (error) {
        return undecodable('msgpack', 0, 'the library refuses the value', error);
      }
    },
  };
}

/** What we use of the library; its own types stay out of ours. */
interface Library {
  readonly Packr: new (options: {
    readonly useRecords: boolean;
    readonly mapsAsObjects: boolean;
    readonly moreTypes: boolean;
  }) => {
    /** memory of the value's own: the library moves on in its buffer and never comes back */
    pack(value: unknown): Uint8Array;
    unpack(bytes: Uint8Array): unknown;
  };
}

async function load(): Promise<Library> {
  // @ts-expect-error the package types its main entry only; `Library` is what this one has of it
  return (await import('msgpackr/index-no-eval')) as Library;
}
