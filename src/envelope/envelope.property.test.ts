import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeMessage } from './decode.ts';
import {
  encodedLength,
  encodeHeaderInto,
  encodeInto,
  encodeMessage,
  headerLength,
  sealFrame,
} from './encode.ts';
import { MAX_CODEC_ID } from './layout.ts';
import type { Message, MessageInit } from './message.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const text = fc.string({ unit: 'binary', maxLength: 80 });
const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Uint8Array.from(array));

/** Records as a literal makes them: fast-check would also make some without a prototype. */
const plain = <T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>; // without requiredKeys all keys are there

const optional = {
  checksum: fc.constant(true as const),
  ids: plain({ messageId: bytes(16, 16), correlationId: bytes(16, 16) }),
  subject: text,
  error: fc.record(
    {
      code: fc.string({ maxLength: 60 }),
      message: text,
      retryable: fc.boolean(),
      number: u32,
      category: text,
      context: text,
      details: bytes(0, 40),
    },
    {
      requiredKeys: ['code', 'message', 'retryable', 'number', 'category', 'context'],
      noNullPrototype: true,
    },
  ),
  trace: plain({
    version: fc.integer({ min: 0, max: 255 }),
    traceId: bytes(16, 16),
    parentId: bytes(8, 8),
    traceFlags: fc.integer({ min: 0, max: 255 }),
    state: text,
  }),
  metadata: fc.array(fc.tuple(text, fc.oneof(text, bytes(0, 30))), { maxLength: 5 }),
  endpoints: plain({ source: text, destination: text }),
  expiresNs: u64,
  sentNs: u64,
  delivery: plain({ contentType: text, retryCount: u32, maxRetries: u32, attributes: u32 }),
  sequence: plain({ source: u32, epoch: u32, sequence: u64 }),
  topic: text,
  routing: fc.array(bytes(1, 255), { minLength: 1, maxLength: 3 }),
  extensions: fc.array(plain({ type: fc.integer({ min: 0x20, max: 0x7f }), body: bytes(0, 20) }), {
    maxLength: 3,
  }),
};

/** Every field of a message, each block there or not; parts split the payload when they are. */
const messages: fc.Arbitrary<Message> = fc
  .tuple(
    fc.record(
      {
        kind: fc.integer({ min: 1, max: 8 }) as fc.Arbitrary<Message['kind']>,
        codec: fc.integer({ min: 0, max: MAX_CODEC_ID }),
        priority: fc.integer({ min: 0, max: 3 }) as fc.Arbitrary<Message['priority']>,
        callId: u32,
        remainingMs: u32,
        methodId: u32,
        payload: bytes(0, 60),
        ...optional,
      },
      {
        requiredKeys: ['kind', 'codec', 'priority', 'callId', 'remainingMs', 'methodId', 'payload'],
        noNullPrototype: true,
      },
    ),
    fc.option(fc.nat(60), { nil: undefined }),
  )
  .map(([message, cut]) => {
    if (cut === undefined) return message;
    const first = Math.min(cut, message.payload.length);
    return { ...message, parts: [first, message.payload.length - first] };
  });

describe('a message', () => {
  it('comes back as it went, whatever blocks it has', () => {
    fc.assert(
      fc.property(messages, fc.nat(20), (message, offset) => {
        const frame = encodeMessage(message);
        assert.equal(frame.length, encodedLength(message));
        assert.equal(headerLength(message) % 8, 0);
        assert.equal(frame.length - headerLength(message), message.payload.length);
        assert.deepEqual(decodeMessage(frame), message);

        const memory = new Uint8Array(offset + frame.length + 7).fill(0xee);
        assert.equal(encodeInto(message, memory, offset), frame.length);
        assert.deepEqual(memory.slice(offset, offset + frame.length), frame);
        assert.ok(memory.subarray(0, offset).every((byte) => byte === 0xee));
        assert.ok(memory.subarray(offset + frame.length).every((byte) => byte === 0xee));
        assert.deepEqual(decodeMessage(memory, offset, frame.length), message);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same when its payload is written in place behind the header', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const frame = new Uint8Array(encodedLength(message)).fill(0xee);
        const start = encodeHeaderInto(message, frame, 0);
        frame.set(message.payload, start);
        sealFrame(frame, 0, frame.length);
        assert.deepEqual(frame, encodeMessage(message));
      }),
      { numRuns: 100 },
    );
  });

  it('decodes into memory of its own, with the payload at a multiple of eight', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const frame = encodeMessage(message);
        const decoded = decodeMessage(frame);
        frame.fill(0xff);
        assert.deepEqual(decoded, message);
        assert.equal(decoded.payload.byteOffset % 8, 0);
      }),
      { numRuns: 100 },
    );
  });

  it('with a checksum is refused after any one bit is flipped, once the link requires checksums', () => {
    fc.assert(
      fc.property(messages, fc.nat(), (message, pick) => {
        const frame = encodeMessage({ ...message, checksum: true } satisfies MessageInit);
        const bit = pick % (frame.length * 8);
        frame[bit >>> 3]! ^= 1 << (bit & 7);
        assert.throws(
          () => decodeMessage(frame, 0, frame.length, { checksum: 'require' }),
          /CRC-32C|version|no checksum/,
        );
      }),
      { numRuns: 300 },
    );
  });
});
