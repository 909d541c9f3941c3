/**
 * Values to bytes and back. The contract is `Codec`; an implementation has a folder and a subpath of its own
 * (`tendon/codec/json`). A connection's codecs stand in a `CodecRegistry`.
 */
export type { Crc32 } from '../core/index.ts';
export { crc32c } from '../core/index.ts';
export { crc32, FAST_CRC32C_DEFAULTS, type FastCrc32cOptions, loadFastCrc32c } from './checksum.ts';
export { CODEC_IDS, type Codec } from './codec.ts';
export { CodecRegistry } from './registry.ts';
