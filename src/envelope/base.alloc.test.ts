import assert from 'node:assert/strict';
import { Session } from 'node:inspector';
import { describe, it } from 'node:test';
import { EnvelopeWriter } from './base.ts';
import { Kind, Priority } from './layout.ts';
import { EnvelopeReader } from './reader.ts';

const SAMPLE_BYTES = 512;

interface SampledNode {
  readonly selfSize: number;
  readonly children: readonly SampledNode[];
}

/** Bytes that `action` allocates, garbage included: heap growth would not show what a scavenge takes away again. */
function allocatedBytes(action: () => void): number {
  const session = new Session();
  session.connect();
  let sum = 0;
  try {
    const sampling = {
      samplingInterval: SAMPLE_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    };
    session.post('HeapProfiler.startSampling', sampling); // answers before it returns
    action();
    session.post('HeapProfiler.stopSampling', (error, answer) => {
      assert.equal(error, null);
      const open: SampledNode[] = [answer.profile.head];
      for (let node = open.pop(); node !== undefined; node = open.pop()) {
        sum += node.selfSize;
        open.push(...node.children);
      }
    });
  } finally {
    session.disconnect();
  }
  return sum;
}

function writeAndRead(
  rounds: number,
  writer: EnvelopeWriter,
  reader: EnvelopeReader,
  memory: Uint8Array,
): number {
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    const offset = (round & 31) << 6;
    const callId = ~round >>> 0; // too large for a small integer
    const methodId = 0xf000_0000 + (round & 0xff);
    writer.writeBase(memory, offset, Kind.REQUEST, 2, Priority.NORMAL, 0, callId, round, methodId);
    reader.wrap(memory, offset, 64);
    sum += reader.callId + reader.methodId + reader.remainingMs + reader.payloadOffset + reader.payloadLength;
  }
  return sum;
}

describe('writing and reading a base', () => {
  it('allocates nothing, whatever the values', () => {
    const memory = new Uint8Array(4096);
    const writer = new EnvelopeWriter();
    const reader = new EnvelopeReader();
    for (let warm = 0; warm < 5; warm++) writeAndRead(50_000, writer, reader, memory);
    const few = allocatedBytes(() => writeAndRead(25_000, writer, reader, memory));
    const many = allocatedBytes(() => writeAndRead(400_000, writer, reader, memory));
    // one number of 16 bytes a round would be 6 MB
    assert.ok(many - few < 400_000, `allocated ${few} bytes in 25 000 rounds and ${many} in 400 000`);
  });
});
