import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { EnvelopeWriter, writeBase } from './base.ts';
import { decodeMessage } from './decode.ts';
import { encodeInto, encodeMessage } from './encode.ts';
import { BlockBit, DeliveryAttribute, Flag, Kind, MAX_BLOCK_BODY, Priority } from './layout.ts';
import type { Message, MessageInit } from './message.ts';
import { methodIdOf } from './method-id.ts';
import { EnvelopeReader } from './reader.ts';

const PAGE = readFileSync(new URL('../../docs/reference/wire/envelope.md', import.meta.url), 'utf8');
const DEFAULTS = {
  codec: 0,
  priority: 1,
  callId: 0,
  remainingMs: 0,
  methodId: 0,
  payload: new Uint8Array(0),
};

/** In the page's JSON `{ hex }` stands for bytes and `{ u64 }` for a bigint. */
function revive(_key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    if ('hex' in value) return bytesOf(String(value.hex));
    if ('u64' in value) return BigInt(String(value.u64));
  }
  return value;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

const vectors = [...PAGE.matchAll(/### (\[ENV-\d+\]) (.*?)\n+```hex\n(.*?)```\n+```json\n(.*?)```/gs)].map(
  ([, id, title, hex, json]) => ({
    id: id!,
    title: title!,
    frame: bytesOf(hex!),
    message: JSON.parse(json!, revive) as MessageInit,
  }),
);

const refused = [...PAGE.matchAll(/\| (\[ENV-\d+\]) \| `([0-9a-f]+)` \| (\w+) \| (\d*) \| (.*?) \|/g)].map(
  ([, id, hex, code, position, why]) => ({
    id: id!,
    frame: bytesOf(hex!),
    code: code!,
    position: position === '' ? undefined : Number(position),
    why: why!,
  }),
);

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(TendonError.is(error), String(error));
    return error.code;
  }
  return 'nothing was thrown';
}

function refusal(frame: Uint8Array): { readonly code: string; readonly position: number | undefined } {
  try {
    decodeMessage(frame);
  } catch (error) {
    assert.ok(TendonError.is(error), String(error));
    return {
      code: error.code,
      position: TendonError.is(error, 'DECODE_FAILED') ? error.details.position : undefined,
    };
  }
  return { code: 'nothing was thrown', position: undefined };
}

/** A frame with one block, its body as given: what no encoder of ours would write. */
function frameWith(bit: number, body: readonly number[], payload: readonly number[] = []): Uint8Array {
  const padded = (4 + body.length + 7) & ~7;
  const frame = new Uint8Array(16 + padded + payload.length);
  writeBase(new DataView(frame.buffer), 0, Kind.REQUEST, 0, Priority.NORMAL, 1 << bit, 0, 0, 0);
  new DataView(frame.buffer).setUint32(16, ((bit + 1) << 24) | body.length, true);
  frame.set(body, 20);
  frame.set(payload, 16 + padded);
  return frame;
}

describe('the vectors of envelope.md', () => {
  it('are all found: [ENV-40] [ENV-41] [ENV-42] [ENV-43] [ENV-44] [ENV-45]', () => {
    assert.equal(vectors.length, 6);
  });
  it('are all found: [ENV-50] [ENV-51] [ENV-52] [ENV-53] [ENV-54] [ENV-55] [ENV-56] [ENV-57] [ENV-58] [ENV-59]', () => {
    assert.equal(refused.length, 10);
  });
  for (const { id, title, frame, message } of vectors) {
    it(`${id} encodes: ${title}`, () => assert.deepEqual(encodeMessage(message), frame));
    it(`${id} decodes: ${title}`, () => {
      const decoded = decodeMessage(frame);
      const { error, trace } = decoded;
      assert.deepEqual(decoded, {
        ...DEFAULTS,
        ...message,
        ...(error && { error: { number: 0, category: '', context: '', ...message.error } }),
        ...(trace && { trace: { version: 0, state: '', ...message.trace } }),
      });
    });
  }
  for (const { id, frame, code, position, why } of refused) {
    it(`${id} refuses ${why}`, () => assert.deepEqual(refusal(frame), { code, position }));
  }
});

describe('the base', () => {
  it('[ENV-1] is little-endian, the same at any offset, and its payload stays at a multiple of eight', () => {
    const memory = new Uint8Array(64);
    const writer = new EnvelopeWriter();
    const behind = writer.writeBase(memory, 3, Kind.REQUEST, 2, Priority.HIGH, 0, 0x01020304, 5, 0xfffefdfc);
    assert.equal(behind, 19);
    assert.equal(Buffer.from(memory.subarray(3, 19)).toString('hex'), '218200000403020105000000fcfdfeff');
    const reader = new EnvelopeReader().wrap(memory, 3, 16);
    assert.equal(reader.callId, 0x01020304);
    assert.equal(reader.methodId, 0xfffefdfc);
    for (let length = 0; length < 20; length++) {
      const frame = encodeMessage({ kind: Kind.REQUEST, subject: 's'.repeat(length) });
      assert.equal(new EnvelopeReader().wrap(frame, 0, frame.length).payloadOffset % 8, 0);
    }
  });

  it('[ENV-2] of a shorter frame is refused, as is a frame outside its memory', () => {
    const reader = new EnvelopeReader();
    const frame = encodeMessage({ kind: Kind.HEARTBEAT });
    for (let length = 0; length < 16; length++) {
      assert.equal(
        codeOf(() => reader.wrap(frame, 0, length)),
        'DECODE_FAILED',
      );
    }
    for (const [offset, length] of [
      [1, 16],
      [-1, 16],
      [0, 17],
      [0, -1],
      [0, 2 ** 32 + 16],
      [Number.NaN, 16],
    ] as const) {
      assert.equal(
        codeOf(() => reader.wrap(frame, offset, length)),
        'DECODE_FAILED',
      );
    }
  });

  it('[ENV-3] of another version is refused before anything else', () => {
    for (const version of [0, 2, 3, 4, 5, 6, 7]) {
      const frame = new Uint8Array(16);
      frame[0] = (version << 5) | 31; // the kind is unknown too
      frame[2] = Flag.CHECKSUM; // and the checksum absent
      assert.deepEqual(refusal(frame), { code: 'VERSION_UNSUPPORTED', position: undefined });
    }
  });

  it('[ENV-4] has eight kinds and refuses the others', () => {
    const known = new Set<number>(Object.values(Kind));
    for (let kind = 0; kind < 32; kind++) {
      const frame = new Uint8Array(16);
      frame[0] = 0x20 | kind;
      if (known.has(kind)) assert.equal(decodeMessage(frame).kind, kind);
      else assert.deepEqual(refusal(frame), { code: 'DECODE_FAILED', position: 0 });
    }
  });

  it('[ENV-5] [ENV-6] carries every codec number and priority, and refuses larger ones', () => {
    for (let codec = 0; codec < 64; codec++) {
      for (const priority of Object.values(Priority)) {
        const message = decodeMessage(encodeMessage({ kind: Kind.EVENT, codec, priority }));
        assert.equal(message.codec, codec);
        assert.equal(message.priority, priority);
      }
    }
    assert.equal(
      codeOf(() => encodeMessage({ kind: Kind.EVENT, codec: 64 })),
      'ENCODE_FAILED',
    );
    assert.equal(
      codeOf(() => encodeMessage({ kind: Kind.EVENT, priority: 4 as never })),
      'ENCODE_FAILED',
    );
  });

  it('[ENV-7] [ENV-8] carries call id and remaining time to the last value of 32 bits', () => {
    const most = 0xffff_ffff;
    const message = decodeMessage(encodeMessage({ kind: Kind.CANCEL, callId: most, remainingMs: most }));
    assert.equal(message.callId, most);
    assert.equal(message.remainingMs, most);
    for (const wrong of [-1, most + 1, 0.5, Number.NaN]) {
      assert.equal(
        codeOf(() => encodeMessage({ kind: Kind.CANCEL, callId: wrong })),
        'ENCODE_FAILED',
      );
      assert.equal(
        codeOf(() => encodeMessage({ kind: Kind.CANCEL, remainingMs: wrong })),
        'ENCODE_FAILED',
      );
    }
  });

  it('[ENV-9] numbers methods by the CRC-32C of their names', () => {
    assert.equal(methodIdOf('123456789'), 0xe3069283);
    assert.equal(methodIdOf(''), 1); // its CRC is 0, which means no method
    assert.notEqual(methodIdOf('get1'), methodIdOf('get2'));
  });
});

describe('a block', () => {
  it('[ENV-10] is announced by its bit; the reserved bit is refused', () => {
    for (const [name, bit] of Object.entries(BlockBit)) {
      const flag = Flag[name as keyof typeof Flag];
      assert.equal(flag, 1 << bit, name);
      const frame = new Uint8Array(16);
      frame[0] = 0x21;
      new DataView(frame.buffer).setUint16(2, flag, true); // announced, absent
      assert.equal(refusal(frame).position, 16, name);
    }
  });

  it('[ENV-11] is refused at every length it does not have room for', () => {
    const whole = encodeMessage({
      kind: Kind.REQUEST,
      subject: 'echo',
      error: { code: 'c', message: 'm' },
      metadata: [['name', 'value']],
      endpoints: { source: 'a', destination: 'b' },
    });
    for (let length = 16; length < whole.length; length++) {
      assert.equal(
        codeOf(() => decodeMessage(whole, 0, length)),
        'DECODE_FAILED',
      );
    }
  });

  it('[ENV-11] of endpoints whose source reaches into the payload is refused', () => {
    const frame = frameWith(BlockBit.ENDPOINTS, [2, 0, 0, 0, 65], [66, 67]);
    assert.deepEqual(refusal(frame), { code: 'DECODE_FAILED', position: 20 });
  });

  it('[ENV-12] with bytes that no field claims is refused', () => {
    const zeros = (count: number) => new Array<number>(count).fill(0);
    const whole: [number, number[]][] = [
      [BlockBit.IDS, zeros(32)],
      [BlockBit.ERROR, zeros(16)],
      [BlockBit.METADATA, zeros(4)],
      [BlockBit.EXPIRY, zeros(12)],
      [BlockBit.TIME, zeros(12)],
      [BlockBit.SEQUENCE, zeros(20)],
      [BlockBit.PARTS, zeros(4)],
      [BlockBit.ROUTING, [1, 65]],
      [BlockBit.EXTENSIONS, zeros(4)],
    ];
    for (const [bit, body] of whole) {
      const extra = bit === BlockBit.PARTS ? 6 : 8; // eight would be two more parts
      assert.equal(refusal(frameWith(bit, body)).code, 'nothing was thrown', `bit ${bit}`);
      assert.equal(refusal(frameWith(bit, [...body, 0])).code, 'DECODE_FAILED', `bit ${bit}`);
      assert.equal(refusal(frameWith(bit, [...body, ...zeros(extra)])).code, 'DECODE_FAILED', `bit ${bit}`);
    }
  });

  it('[ENV-13] with a reserved byte or bit that is not zero is refused', () => {
    const instant = [1, 0, 0, 0, ...new Array(8).fill(0)];
    assert.deepEqual(refusal(frameWith(BlockBit.EXPIRY, instant)), { code: 'DECODE_FAILED', position: 20 });
    assert.deepEqual(refusal(frameWith(BlockBit.TIME, instant)), { code: 'DECODE_FAILED', position: 20 });
    const sequence = [...new Array(16).fill(0), 0, 0, 0, 1];
    assert.deepEqual(refusal(frameWith(BlockBit.SEQUENCE, sequence)), {
      code: 'DECODE_FAILED',
      position: 36,
    });
    const error = [0, 0, 0, 0, 4, ...new Array(11).fill(0)];
    assert.deepEqual(refusal(frameWith(BlockBit.ERROR, error)), { code: 'DECODE_FAILED', position: 24 });
    const metadata = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    assert.deepEqual(refusal(frameWith(BlockBit.METADATA, metadata)), {
      code: 'DECODE_FAILED',
      position: 27,
    });
  });

  it('[ENV-14] with text that is not UTF-8 is refused, and text that has none is not sent', () => {
    assert.deepEqual(refusal(frameWith(BlockBit.SUBJECT, [0x61, 0xff])), {
      code: 'DECODE_FAILED',
      position: 20,
    });
    assert.equal(
      codeOf(() => encodeMessage({ kind: Kind.EVENT, topic: 'half \ud800' })),
      'ENCODE_FAILED',
    );
    const topic = '\ufeffé\u{1f9e0}\0';
    assert.equal(decodeMessage(encodeMessage({ kind: Kind.EVENT, topic })).topic, topic);
  });

  it('[ENV-15] carries instants of 64 bits', () => {
    const last = 2n ** 64n - 1n;
    const message = decodeMessage(encodeMessage({ kind: Kind.EVENT, sentNs: last, expiresNs: 0n }));
    assert.equal(message.sentNs, last);
    assert.equal(message.expiresNs, 0n);
    assert.equal(
      codeOf(() => encodeMessage({ kind: Kind.EVENT, sentNs: last + 1n })),
      'ENCODE_FAILED',
    );
    assert.equal(
      codeOf(() => encodeMessage({ kind: Kind.EVENT, sentNs: -1n })),
      'ENCODE_FAILED',
    );
  });

  it('[ENV-16] never carries fragments: a payload of 17 MiB is one frame', () => {
    const payload = new Uint8Array(17 << 20).fill(7);
    const frame = encodeMessage({ kind: Kind.EVENT, payload });
    assert.equal(frame.length, 16 + payload.length);
    assert.ok(Buffer.from(decodeMessage(frame).payload.buffer, 16).equals(payload));
  });

  it('is refused on the way out when it is longer than its length can say', () => {
    const details = new Uint8Array(MAX_BLOCK_BODY);
    const message: MessageInit = { kind: Kind.ERROR, error: { code: 'c', message: 'm', details } };
    assert.equal(
      codeOf(() => encodeMessage(message)),
      'ENCODE_FAILED',
    );
  });

  it('[ENV-21] separates the five parts of an error, details present but empty included', () => {
    const error = {
      code: 'NOT_FOUND',
      message: 'kein Gerät',
      retryable: true,
      number: 0xffff_ffff,
      category: 'application',
      context: 'line 4',
      details: new Uint8Array(0),
    };
    const decoded = decodeMessage(encodeMessage({ kind: Kind.ERROR, error }));
    assert.deepEqual(decoded.error, error);
    assert.equal(
      codeOf(() => encodeMessage({ kind: Kind.ERROR, error: { code: 'c'.repeat(256), message: '' } })),
      'ENCODE_FAILED',
    );
    const beyond = [0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
    assert.deepEqual(refusal(frameWith(BlockBit.ERROR, beyond)), { code: 'DECODE_FAILED', position: 20 });
  });

  it('[ENV-22] keeps the order of metadata, repeated names and both types of value', () => {
    const metadata = [
      ['k', 'one'],
      ['k', Uint8Array.of(0, 255)],
      ['', ''],
    ] as const;
    assert.deepEqual(decodeMessage(encodeMessage({ kind: Kind.EVENT, metadata })).metadata, metadata);
    const claims = [255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]; // four milliards of entries in eight bytes
    assert.equal(refusal(frameWith(BlockBit.METADATA, claims)).code, 'DECODE_FAILED');
    const type = [1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0];
    assert.deepEqual(refusal(frameWith(BlockBit.METADATA, type)), { code: 'DECODE_FAILED', position: 26 });
  });

  it('[ENV-23] keeps delivery attributes, known or not', () => {
    const attributes = DeliveryAttribute.REQUIRE_ACK | DeliveryAttribute.RETRANSMITTED | 0x8000_0000;
    const delivery = { contentType: '', retryCount: 1, maxRetries: 3, attributes: attributes >>> 0 };
    assert.deepEqual(decodeMessage(encodeMessage({ kind: Kind.REQUEST, delivery })).delivery, delivery);
  });

  it('[ENV-24] of parts that do not sum up to the payload is refused, both ways', () => {
    const payload = Uint8Array.of(1, 2, 3);
    const message: MessageInit = { kind: Kind.EVENT, payload, parts: [0, 3, 0] };
    assert.deepEqual(decodeMessage(encodeMessage(message)).parts, [0, 3, 0]);
    assert.equal(
      codeOf(() => encodeMessage({ ...message, parts: [1, 1] })),
      'ENCODE_FAILED',
    );
    assert.equal(refusal(frameWith(BlockBit.PARTS, [2, 0, 0, 0], [1, 2, 3])).code, 'DECODE_FAILED');
    assert.equal(refusal(frameWith(BlockBit.PARTS, new Array(4 * 1025).fill(0))).code, 'DECODE_FAILED');
  });

  it('[ENV-25] of extensions is passed on when ignorable, refused when critical, accepted when declared known', () => {
    const ignorable: MessageInit = { kind: Kind.EVENT, extensions: [{ type: 0x7f, body: Uint8Array.of(1) }] };
    assert.deepEqual(decodeMessage(encodeMessage(ignorable)).extensions, ignorable.extensions);
    const critical = encodeMessage({
      kind: Kind.EVENT,
      extensions: [{ type: 0x80, body: Uint8Array.of(1) }],
    });
    assert.deepEqual(refusal(critical), { code: 'DECODE_FAILED', position: 24 });
    const known = decodeMessage(critical, 0, critical.length, { knownExtensions: [0x80] });
    assert.deepEqual(known.extensions, [{ type: 0x80, body: Uint8Array.of(1) }]);
    const low = [1, 0, 0, 0, 0, 0, 0, 0x1f, 0, 0, 0, 0];
    assert.deepEqual(refusal(frameWith(BlockBit.EXTENSIONS, low)), { code: 'DECODE_FAILED', position: 24 });
    const type = 0x1f;
    const encode = () => encodeMessage({ kind: Kind.EVENT, extensions: [{ type, body: new Uint8Array(0) }] });
    assert.equal(codeOf(encode), 'ENCODE_FAILED');
  });
});

describe('the checksum', () => {
  const message: MessageInit = { kind: Kind.EVENT, checksum: true, topic: 't', payload: Uint8Array.of(1, 2) };
  const flip = (frame: Uint8Array, at: number) =>
    frame.map((byte, index) => (index === at ? byte ^ 1 : byte));

  it('[ENV-20] covers every byte of the frame', () => {
    const frame = encodeMessage(message);
    for (let at = 1; at < frame.length; at++) {
      if (at === 2) continue; // hides the block
      assert.equal(refusal(flip(frame, at)).code, 'CHECKSUM_MISMATCH', `byte ${at}`);
    }
  });

  it('[ENV-20] is required, verified or skipped as the reader was told', () => {
    const frame = encodeMessage(message);
    const bare = encodeMessage({ ...message, checksum: false });
    const wrong = flip(frame, frame.length - 1);
    const read = (bytes: Uint8Array, checksum: 'verify' | 'require' | 'skip') =>
      codeOf(() => decodeMessage(bytes, 0, bytes.length, { checksum }));
    assert.equal(read(bare, 'require'), 'DECODE_FAILED');
    assert.equal(read(encodeMessage({ kind: Kind.HEARTBEAT }), 'require'), 'DECODE_FAILED');
    assert.equal(read(frame, 'require'), 'nothing was thrown');
    assert.equal(read(wrong, 'skip'), 'nothing was thrown');
    assert.equal(read(wrong, 'verify'), 'CHECKSUM_MISMATCH');
  });
});

describe('EnvelopeReader', () => {
  it('shows blocks in place, by offset and length, and says -1 for those that are not there', () => {
    const memory = new Uint8Array(200);
    const length = encodeInto({ kind: Kind.EVENT, topic: 'wave/4', payload: Uint8Array.of(9) }, memory, 5);
    const reader = new EnvelopeReader().wrap(memory, 5, length);
    const at = reader.bodyOffset(BlockBit.TOPIC);
    assert.equal(at, 5 + 16 + 4);
    assert.equal(Buffer.from(memory).toString('utf8', at, at + reader.bodyLength(BlockBit.TOPIC)), 'wave/4');
    assert.equal(reader.bodyOffset(BlockBit.SUBJECT), -1);
    assert.equal(reader.bodyLength(BlockBit.SUBJECT), -1);
    assert.equal(memory[reader.payloadOffset], 9);
    assert.equal(reader.payloadLength, 1);
  });

  it('reads no further when a peer rewrites the lengths after they were checked', () => {
    const frame = encodeMessage({
      kind: Kind.ERROR,
      error: { code: 'c', message: 'm' },
      metadata: [['k', 'v']],
      endpoints: { source: 's', destination: 'd' },
      routing: [Uint8Array.of(1)],
      extensions: [{ type: 0x20, body: Uint8Array.of(1) }],
    });
    const reader = new EnvelopeReader().wrap(frame, 0, frame.length);
    const { payloadOffset, payloadLength } = reader;
    frame.fill(0xff);
    assert.deepEqual([reader.payloadOffset, reader.payloadLength], [payloadOffset, payloadLength]);
    assert.equal(reader.kind, Kind.ERROR);
    for (const read of [
      () => reader.readError(),
      () => reader.readMetadata(),
      () => reader.readEndpoints(),
      () => reader.readRouting(),
      () => reader.readExtensions(),
    ]) {
      assert.equal(codeOf(read), 'DECODE_FAILED');
    }
  });

  it('refuses an option that it does not have', () => {
    assert.equal(
      codeOf(() => new EnvelopeReader({ verify: true } as object)),
      'OPTION_INVALID',
    );
  });
});

describe('encodeInto', () => {
  it('writes nothing when the frame does not fit', () => {
    const target = new Uint8Array(20).fill(0xee);
    const message: MessageInit = { kind: Kind.EVENT, payload: new Uint8Array(5) };
    assert.equal(
      codeOf(() => encodeInto(message, target, 0)),
      'ENCODE_FAILED',
    );
    assert.equal(
      codeOf(() => encodeInto({ kind: Kind.EVENT }, target, 5)),
      'ENCODE_FAILED',
    );
    assert.equal(
      codeOf(() => encodeInto({ kind: Kind.EVENT }, target, -1)),
      'ENCODE_FAILED',
    );
    assert.ok(target.every((byte) => byte === 0xee));
  });

  it('refuses fields of the wrong type or size by name', () => {
    const wrong: [RegExp, Partial<Record<keyof Message, unknown>>][] = [
      [/kind/, { kind: 9 }],
      [/payload must be a Uint8Array/, { payload: 'text' }],
      [/ids.messageId must be 16 bytes, got 3/, { ids: { messageId: new Uint8Array(3) } }],
      [/subject must be a string/, { subject: 7 }],
      [/routing identity must be 1 to 255 bytes, got 0/, { routing: [new Uint8Array(0)] }],
      [/routing must be at least one identity/, { routing: [] }],
      [/sentNs must be a bigint/, { sentNs: 5 }],
    ];
    for (const [expected, fields] of wrong) {
      assert.throws(() => encodeMessage({ kind: Kind.EVENT, ...fields } as MessageInit), expected);
    }
  });
});
