/**
 * Values to bytes and back. The contract is `Codec`; an implementation has a folder and a subpath of its own
 * (`tendon/codec/json`), and all are here too. A connection's codecs stand in a `CodecRegistry`.
 */
export type { Crc32 } from '../core/index.ts';
export { crc32c } from '../core/index.ts';
export { binaryCodec, bytesCodec, type TypedArray, viewTypedArray } from './binary/index.ts';
export { crc32, FAST_CRC32C_DEFAULTS, type FastCrc32cOptions, loadFastCrc32c } from './checksum.ts';
export { CODEC_IDS, type Codec } from './codec.ts';
export { jsonCodec } from './json/index.ts';
export { messagePackCodec } from './msgpack/index.ts';
export { CodecRegistry } from './registry.ts';
