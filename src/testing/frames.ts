import assert from 'node:assert/strict';

/**
 * Frames whose every byte follows from their number, so that a receiver can tell lost, repeated, reordered and torn
 * ones apart.
 */
export function numberedFrame(sequence: number, length: number): Uint8Array {
  const frame = new Uint8Array(length);
  fillNumbered(frame, 0, length, sequence);
  return frame;
}

/** Writes frame `sequence` of `length` bytes into `bytes` from `offset`: its number, then bytes made of it. */
export function fillNumbered(bytes: Uint8Array, offset: number, length: number, sequence: number): void {
  for (let index = 0; index < length; index++) bytes[offset + index] = numberedByte(sequence, index);
}

/** Fails unless the `length` bytes from `offset` are frame `sequence`, all of them. */
export function assertNumbered(bytes: Uint8Array, offset: number, length: number, sequence: number): void {
  for (let index = 0; index < length; index++) {
    if (bytes[offset + index] === numberedByte(sequence, index)) continue;
    assert.fail(
      `byte ${index} of ${length} is ${bytes[offset + index]}, but ${numberedByte(sequence, index)} in frame ${sequence}: torn, lost or out of order`,
    );
  }
}

function numberedByte(sequence: number, index: number): number {
  return index < 4
    ? (sequence >>> (8 * index)) & 0xff
    : (Math.imul(sequence, 31) + Math.imul(index, 7) + (index >>> 8)) & 0xff;
}
