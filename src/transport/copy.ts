/**
 * A copy of `length` bytes of `bytes` from `offset`, of its own memory.
 *
 * `bytes.slice` is not it: on a Node `Buffer`, which is a `Uint8Array` too, it answers a view.
 */
export function copyOf(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): Uint8Array {
  const copy = new Uint8Array(length);
  copy.set(offset === 0 && length === bytes.length ? bytes : bytes.subarray(offset, offset + length));
  return copy;
}
