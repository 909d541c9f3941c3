import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EnvelopeWriter } from './base.ts';
import { Kind, Priority } from './layout.ts';
import { EnvelopeReader } from './reader.ts';

/** Bytes of heap that `rounds` of writing and reading a base leave behind. */
function heapGrowth(rounds: number, write: EnvelopeWriter, read: EnvelopeReader, memory: Uint8Array): number {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    const offset = (round & 31) << 6;
    write.writeBase(
      memory,
      offset,
      Kind.REQUEST,
      2,
      Priority.NORMAL,
      0,
      ~round >>> 0,
      round,
      0xf000_0000 + (round & 0xff),
    );
    read.wrap(memory, offset, 64);
    sum += read.callId + read.methodId + read.remainingMs + read.payloadOffset + read.payloadLength;
  }
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(sum > 0);
  return grown;
}

describe('writing and reading a base', () => {
  it('allocates nothing, whatever the values', () => {
    const memory = new Uint8Array(4096);
    const writer = new EnvelopeWriter();
    const reader = new EnvelopeReader();
    for (let warm = 0; warm < 5; warm++) heapGrowth(50_000, writer, reader, memory);
    const few = Math.max(0, heapGrowth(25_000, writer, reader, memory));
    const many = heapGrowth(400_000, writer, reader, memory);
    // one number of 16 bytes a round would be 6 MB: below a nursery, so no collection hides it
    assert.ok(many - few < 1_000_000, `grew by ${few} bytes in 25 000 rounds and by ${many} in 400 000`);
  });
});
