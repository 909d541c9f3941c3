/** Up to here a loop beats `set`, which costs a call into the runtime whatever the length. */
const LOOP_BYTES = 32;
/** Up to here a loop beats making a view of a part of the source, which costs an allocation. */
const LOOP_PART_BYTES = 96;

/**
 * Copies `length` bytes from `source` at `from` to `target` at `to`; the caller has checked both ranges. @hot
 *
 * Only a copy of part of an array above 96 bytes allocates (one view, collected young): `set` takes whole arrays.
 */
export function copyBytes(
  target: Uint8Array,
  to: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  if (length <= LOOP_BYTES) {
    for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
  } else if (length === source.length) {
    target.set(source, to);
  } else if (length <= LOOP_PART_BYTES) {
    for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
  } else {
    target.set(new Uint8Array(source.buffer, source.byteOffset + from, length), to);
  }
}
