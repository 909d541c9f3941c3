import { TendonError } from '../core/index.ts';

/** Two words that different threads write stay this far apart, else each write evicts the other's line. */
export const CACHE_LINE_BYTES = 64;
export const WORD_BYTES = 4;

/** `value` rounded up to a multiple of `alignment`, a power of two; for sizes up to 2^53. */
export function alignUp(value: number, alignment: number): number {
  const rest = value % alignment;
  return rest === 0 ? value : value + alignment - rest;
}

/**
 * Checks that `count` words at `index` exist and that the first sits on a multiple of `alignmentBytes` of its buffer.
 *
 * @throws TendonError OPTION_INVALID
 */
export function checkWords(
  owner: string,
  words: Int32Array,
  index: number,
  count: number,
  alignmentBytes = WORD_BYTES,
): void {
  if (!Number.isInteger(index) || index < 0 || index + count > words.length) {
    throw new TendonError(
      'OPTION_INVALID',
      `${owner} needs ${count} words from index ${index}; there are ${words.length}`,
      { option: 'index', value: index },
    );
  }
  const byteOffset = words.byteOffset + index * WORD_BYTES;
  if (byteOffset % alignmentBytes !== 0) {
    throw new TendonError(
      'OPTION_INVALID',
      `${owner} must sit on a multiple of ${alignmentBytes} bytes of its buffer, got byte ${byteOffset}`,
      { option: 'index', value: index },
    );
  }
}
