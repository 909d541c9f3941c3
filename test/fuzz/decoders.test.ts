import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Codec } from 'tendon/codec';
import { binaryCodec, bytesCodec } from 'tendon/codec/binary';
import { jsonCodec } from 'tendon/codec/json';
import { messagePackCodec } from 'tendon/codec/msgpack';
import { TendonError } from 'tendon/core';
import {
  decodeMessage,
  EnvelopeReader,
  encodeMessage,
  Kind,
  type MessageInit,
  readBlocks,
} from 'tendon/envelope';
import { fuzzPlan, hostileBytes, Random } from './seeded.ts';

const { seed, runs } = fuzzPlan(20_000);
const EXPECTED = new Set(['DECODE_FAILED', 'CHECKSUM_MISMATCH', 'VERSION_UNSUPPORTED']);

/** No decoder may take more memory than this for inputs of at most a few KiB. */
const MOST_GROWTH_BYTES = 256 * 1024 * 1024;

function describeRun(run: number, bytes: Uint8Array): string {
  return `TENDON_FUZZ_SEED=${seed}, run ${run}, bytes ${Buffer.from(bytes).toString('hex')}`;
}

/** Hands `runs` hostile inputs to `decode`, in the middle of other memory; answers how many it took and refused. */
function fuzz(
  samples: readonly Uint8Array[],
  decode: (bytes: Uint8Array, offset: number, length: number) => void,
) {
  const random = new Random(seed);
  const outcome = { taken: 0, refused: 0 };
  const before = process.memoryUsage.rss();
  for (let run = 0; run < runs; run++) {
    const bytes = hostileBytes(random, samples);
    const offset = random.below(9);
    const memory = new Uint8Array(offset + bytes.length + 8).fill(0xa5);
    memory.set(bytes, offset);
    try {
      decode(memory, offset, bytes.length);
      outcome.taken++;
    } catch (error) {
      if (!TendonError.is(error) || !EXPECTED.has(error.code)) {
        assert.fail(new Error(`${String(error)}; ${describeRun(run, bytes)}`, { cause: error }));
      }
      if (TendonError.is(error, 'DECODE_FAILED')) {
        const { position } = error.details;
        assert.ok(
          position >= 0 && position <= bytes.length,
          `position ${position}; ${describeRun(run, bytes)}`,
        );
      }
      outcome.refused++;
    }
  }
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < MOST_GROWTH_BYTES, `memory grew by ${grown} bytes; TENDON_FUZZ_SEED=${seed}`);
  return outcome;
}

function assertBoth(outcome: { readonly taken: number; readonly refused: number }): void {
  assert.ok(outcome.refused > 0, 'nothing was refused: the inputs are too good');
  if (runs >= 1000) assert.ok(outcome.taken > 0, 'nothing was taken: the inputs are too bad');
}

const id = (byte: number) => new Uint8Array(16).fill(byte);
const messages: readonly MessageInit[] = [
  { kind: Kind.REQUEST, codec: 2, callId: 7, remainingMs: 100, methodId: 99, payload: Buffer.from('[1]') },
  { kind: Kind.RESPONSE, callId: 7, checksum: true, payload: id(1) },
  { kind: Kind.ERROR, error: { code: 'NOT_FOUND', message: 'kein Gerät', details: id(2), context: 'c' } },
  { kind: Kind.REQUEST, subject: 'service.method', ids: { messageId: id(3), correlationId: id(4) } },
  { kind: Kind.EVENT, topic: 'wave/4', sequence: { source: 1, epoch: 2, sequence: 3n }, sentNs: 4n },
  { kind: Kind.EVENT, parts: [1, 2], payload: id(5).subarray(0, 3), routing: [id(6), id(7)] },
  {
    kind: Kind.CONTROL,
    extensions: [
      { type: 0x20, body: id(8) },
      { type: 0x21, body: id(9) },
    ],
  },
  {
    kind: Kind.ONE_WAY,
    trace: { traceId: id(10), parentId: id(11).subarray(0, 8), state: 'a=1' },
    metadata: [
      ['name', 'value'],
      ['bytes', id(12)],
    ],
    endpoints: { source: 'shm:a', destination: 'shm:b' },
    expiresNs: 5n,
    delivery: { contentType: 'text/plain', retryCount: 1, maxRetries: 3, attributes: 1 },
  },
];

describe(`decoders under ${runs} hostile inputs each (TENDON_FUZZ_SEED=${seed})`, () => {
  const frames = messages.map((message) => encodeMessage(message));

  it('decodeMessage gives a message that encodes to the same bytes, or refuses', () => {
    assertBoth(
      fuzz(frames, (bytes, offset, length) => {
        const message = decodeMessage(bytes, offset, length);
        // one form a message: what was taken is what we would have written
        assert.deepEqual(encodeMessage(message), Uint8Array.from(bytes.subarray(offset, offset + length)));
      }),
    );
  });

  it('EnvelopeReader stays inside the frame, also when it is written over behind its back', () => {
    const reader = new EnvelopeReader({ checksum: 'skip', knownExtensions: [0x80, 0xff] });
    const random = new Random(seed + 1);
    assertBoth(
      fuzz(frames, (bytes, offset, length) => {
        reader.wrap(bytes, offset, length);
        const end = reader.payloadOffset + reader.payloadLength;
        assert.ok(reader.payloadOffset >= offset + 16 && end === offset + length);
        for (let change = random.below(3); change > 0; change--) {
          bytes[offset + random.below(length)] = random.below(256);
        }
        readBlocks(reader);
      }),
    );
  });

  const codecCases: [Codec, readonly unknown[]][] = [
    [bytesCodec as Codec, [id(1), new Uint8Array(0)]],
    [
      binaryCodec as Codec,
      [Float64Array.of(1, 2), Uint8Array.of(1, 2, 3), BigInt64Array.of(1n), Int16Array.of(5)],
    ],
    [jsonCodec, [{ a: [1, 2.5e10, 'té\u{1f9e0}xt\n', null, true], b: { c: {} } }, 'text', 12, [[[[]]]]]],
  ];
  for (const [codec, values] of codecCases) codecFuzz(codec, values);
});

describe(`MessagePack under ${runs} hostile inputs (TENDON_FUZZ_SEED=${seed})`, async () => {
  const codec = await messagePackCodec();
  codecFuzz(codec, [
    { a: [1, -2.5e10, 'té\u{1f9e0}xt', null, true, undefined], b: { c: {} }, when: new Date(5) },
    [300, 70_000, 2 ** 40, 5n, id(3), Float32Array.of(1, 2), new Array(20).fill('x')],
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key ${index}`, index])),
    'x'.repeat(300),
    [new Date(-1), new Date(8e15), new Date(1.7e12), Float64Array.of(1), new ArrayBuffer(9), 2n ** 63n],
  ]);
});

function codecFuzz(codec: Codec, values: readonly unknown[]): void {
  it(`${codec.name} gives a value that it can encode again, or refuses`, () => {
    const samples = values.map((value) => Uint8Array.from(codec.encode(value)));
    const outcome = fuzz(samples, (bytes, offset, length) => {
      const first = codec.encode(codec.decode(bytes, offset, length));
      const again = codec.encode(codec.decode(first, 0, first.length));
      assert.deepEqual(Uint8Array.from(again), Uint8Array.from(first)); // bytes, since JSON has no -0 and no Infinity
    });
    if (codec.name !== 'bytes') assertBoth(outcome); // every input is a value of that one
  });
}
