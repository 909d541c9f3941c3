import { crc32c } from '../core/index.ts';

/**
 * The number that stands for a method's name in the base: the CRC-32C of its UTF-8 bytes, or 1 when that is 0.
 *
 * Two names of one service may collide (1 in 860 000 for a hundred names). Whoever registers methods MUST refuse a
 * name whose number is taken, at registration; the owner renames one, registers another number for it, or sends it
 * with method id 0 and its name in a SUBJECT block. Names that differ only within four neighbouring bytes never
 * collide: `get1` and `get2` are safe.
 */
export function methodIdOf(name: string): number {
  const bytes = Buffer.from(name);
  return crc32c(bytes, 0, bytes.length) || 1;
}
