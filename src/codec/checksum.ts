import * as zlib from 'node:zlib';
import { type Crc32, crc32c, integerOption, loadOptional, refuseUnknownOptions } from '../core/index.ts';

/**
 * CRC-32 as in IEEE 802.3, zip and PNG: reflected polynomial 0xEDB88320, initial value and final XOR 0xFFFFFFFF.
 * Check value: crc32("123456789") = 0xCBF43926. `seed` chains as in `crc32c`.
 */
export function crc32(bytes: Uint8Array, offset: number, length: number, seed = 0): number {
  if (zlibCrc32 === undefined) return crc32ByTable(bytes, offset, length, seed);
  return zlibCrc32(bytes.subarray(offset, offset + length), seed);
}

/** What zlib has since Node 20.15 and 22.2; other runtimes may not. */
const zlibCrc32 = (zlib as { readonly crc32?: (bytes: Uint8Array, seed: number) => number }).crc32;

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++)
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  return remainder;
});

/** `crc32` where zlib has none. */
export function crc32ByTable(bytes: Uint8Array, offset: number, length: number, seed = 0): number {
  const end = offset + length;
  let crc = ~seed;
  for (let at = offset; at < end; at++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

export interface FastCrc32cOptions {
  /** from so many bytes on the native function is called; below, the one in TypeScript. Default: 512 */
  readonly nativeFromBytes?: number;
}

/** Below, crossing into native code costs more than it saves: `bench/micro/checksum.ts` prints both curves. */
export const FAST_CRC32C_DEFAULTS: Required<FastCrc32cOptions> = { nativeFromBytes: 512 };

/**
 * A CRC-32C for frames of every size: TypeScript for short ones, the optional package `@node-rs/crc32` for long ones.
 *
 * @throws TendonError DEPENDENCY_MISSING when the package is not installed
 */
export async function loadFastCrc32c(options: FastCrc32cOptions = {}): Promise<Crc32> {
  refuseUnknownOptions('loadFastCrc32c', options, Object.keys(FAST_CRC32C_DEFAULTS));
  const nativeFromBytes = integerOption(
    'nativeFromBytes',
    options.nativeFromBytes ?? FAST_CRC32C_DEFAULTS.nativeFromBytes,
    0,
    Number.MAX_SAFE_INTEGER,
  );
  const library = await loadOptional('@node-rs/crc32', '@node-rs/crc32@^1', () => import('@node-rs/crc32'));
  const native = library.crc32c;
  return (bytes, offset, length, seed = 0) =>
    length < nativeFromBytes
      ? crc32c(bytes, offset, length, seed)
      : native(bytes.subarray(offset, offset + length), seed);
}
