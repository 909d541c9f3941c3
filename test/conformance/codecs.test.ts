import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Codec, CodecRegistry } from 'tendon/codec';
import { binaryCodec, bytesCodec, viewTypedArray } from 'tendon/codec/binary';
import { jsonCodec } from 'tendon/codec/json';
import { messagePackCodec } from 'tendon/codec/msgpack';
import { TendonError } from 'tendon/core';

const msgpack = await messagePackCodec();

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(TendonError.is(error), String(error));
    return error.code;
  }
  return 'nothing was thrown';
}

function position(codec: Codec, bytes: Uint8Array): number {
  try {
    codec.decode(bytes, 0, bytes.length);
  } catch (error) {
    if (TendonError.is(error, 'DECODE_FAILED')) {
      assert.equal(error.details.codec, codec.name);
      return error.details.position;
    }
    throw error;
  }
  return -1;
}

function thereAndBack<T>(codec: Codec<T>, value: T): T {
  const bytes = codec.encode(value);
  const memory = new Uint8Array(bytes.length + 9).fill(0xee);
  memory.set(bytes, 5);
  return codec.decode(memory, 5, bytes.length);
}

/** What the contract says of every codec. */
function codecContract<T>(codec: Codec<T>, values: readonly T[]): void {
  describe(`the ${codec.name} codec`, () => {
    it('gives back what it was given, from any offset', () => {
      for (const value of values) assert.deepEqual(thereAndBack(codec, value), value);
    });

    it('writes in place what encode gives, and nothing beyond its target', () => {
      for (const value of values) {
        const bytes = codec.encode(value);
        for (const room of [bytes.length, bytes.length + 3]) {
          const target = new Uint8Array(7 + room);
          assert.equal(codec.encodeInto?.(value, target, 7), bytes.length);
          assert.deepEqual(target.slice(7, 7 + bytes.length), Uint8Array.from(bytes));
        }
        for (const room of new Set([0, 1, bytes.length >>> 1, bytes.length - 1])) {
          if (room < 0 || room >= bytes.length) continue;
          const memory = new Uint8Array(7 + room + 4).fill(0xee);
          assert.equal(codec.encodeInto?.(value, memory.subarray(0, 7 + room), 7), -1);
          assert.ok(memory.subarray(7 + room).every((byte) => byte === 0xee));
        }
      }
    });

    it('keeps encoded bytes as they are when it encodes again', () => {
      for (const value of values) {
        const bytes = codec.encode(value);
        const before = Uint8Array.from(bytes);
        for (let round = 0; round < 100; round++) codec.encode(values[round % values.length]!);
        assert.deepEqual(Uint8Array.from(bytes), before);
      }
    });

    it('decodes into memory of its own', () => {
      for (const value of values) {
        const bytes = Uint8Array.from(codec.encode(value));
        const decoded = codec.decode(bytes, 0, bytes.length);
        bytes.fill(0xff);
        assert.deepEqual(decoded, value);
      }
    });

    it('refuses an extent outside its memory', () => {
      const bytes = codec.encode(values[0]!);
      for (const [offset, length] of [
        [0, bytes.length + 1],
        [1, bytes.length],
        [-1, 1],
        [0, -1],
        [Number.NaN, 1],
      ] as const) {
        assert.equal(
          codeOf(() => codec.decode(bytes, offset, length)),
          'DECODE_FAILED',
        );
      }
    });
  });
}

codecContract(bytesCodec, [Uint8Array.of(1, 2, 255), new Uint8Array(0)]);
codecContract(binaryCodec, [
  Uint8Array.of(1, 255),
  Int8Array.of(-1),
  Uint8ClampedArray.of(3),
  Uint16Array.of(1, 65535),
  Int16Array.of(-1),
  Uint32Array.of(1, 0xffff_ffff),
  Int32Array.of(-1),
  Float32Array.of(1.5, Number.NaN, Infinity),
  Float64Array.of(Math.PI, -0),
  BigInt64Array.of(-1n, 2n ** 62n),
  BigUint64Array.of(2n ** 64n - 1n),
  new Float64Array(0),
  new Float32Array([9, 1, 2, 9]).subarray(1, 3),
]);
codecContract<unknown>(jsonCodec, [
  { a: [1, -2.5e-3, true, false, null, 'é\u{1f9e0}"\\\n\u2028'], nested: { '': [] } },
  'text',
  '\ud800',
  0,
  null,
  undefined,
  [],
]);
codecContract<unknown>(msgpack, [
  {
    a: [1, -2.5e-3, true, false, null, 'é\u{1f9e0}"\\\n', -1, 127, 128, 2 ** 31, -(2 ** 33)],
    nested: { '': [] },
  },
  undefined,
  { missing: undefined },
  new Date(1_700_000_000_123),
  [0, 1, -1, -1000, -1e12 - 1, 2 ** 32 * 1000, 2 ** 34 * 1000 + 7, 8.64e15, -8.64e15].map(
    (ms) => new Date(ms),
  ),
  2n ** 63n,
  -(2n ** 63n),
  Uint8Array.of(1, 2, 3),
  [
    new Uint8Array(0),
    new Uint8Array(254),
    { a: new Uint8Array(255).fill(1), b: new Uint8Array(70_000).fill(2), c: 3 },
  ],
  { pixels: Float32Array.of(1, 2.5), ids: BigInt64Array.of(-5n), raw: new ArrayBuffer(3) },
  'x'.repeat(70_000),
  Array.from({ length: 70_000 }, (_, index) => index),
  Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key ${index}`, index])),
]);

describe('the bytes codec', () => {
  it('answers the value itself and refuses what is not a Uint8Array', () => {
    const value = Buffer.from('abc');
    assert.equal(bytesCodec.encode(value), value);
    for (const wrong of ['abc', new ArrayBuffer(1), Float32Array.of(1), null]) {
      assert.equal(
        codeOf(() => bytesCodec.encode(wrong as never)),
        'ENCODE_FAILED',
      );
    }
  });
});

describe('the binary codec', () => {
  it('puts eight bytes of header before little-endian elements', () => {
    const bytes = binaryCodec.encode(Uint16Array.of(0x0102, 0x0304));
    assert.equal(Buffer.from(bytes).toString('hex'), '040000000000000002010403');
  });

  it('refuses values whose bytes have no element type, and says what to pass instead', () => {
    const buffer = new ArrayBuffer(8);
    assert.throws(
      () => binaryCodec.encode(new DataView(buffer) as never),
      /DataView has no element type: pass/,
    );
    assert.throws(() => binaryCodec.encode(buffer as never), /ArrayBuffer has no element type: pass/);
    assert.throws(() => binaryCodec.encode([1] as never), /takes a typed array, got Array/);
    assert.throws(() => binaryCodec.encode({ [Symbol.toStringTag]: 'Int8Array' } as never), /takes a typed/);
    assert.deepEqual(thereAndBack(binaryCodec, Buffer.from([1, 2])), Uint8Array.of(1, 2));
  });

  it('refuses unknown types, reserved bytes, half elements and short headers, each at its position', () => {
    const at = (hex: string) => position(binaryCodec as Codec, Uint8Array.from(Buffer.from(hex, 'hex')));
    assert.equal(at('01000000000000'), 7);
    assert.equal(at('0000000000000000'), 0);
    assert.equal(at('0c00000000000000'), 0);
    assert.equal(at('0100000000000100'), 6);
    assert.equal(at('0400000000000000ff'), 9);
    assert.equal(at('0400000000000000ffff'), -1);
  });

  it('shows elements in place where they are aligned, and says undefined where they are not', () => {
    const memory = new Uint8Array(64);
    const length = binaryCodec.encodeInto!(Float64Array.of(1, 2), memory, 16);
    const view = viewTypedArray(memory, 16, length);
    assert.deepEqual(view, Float64Array.of(1, 2));
    memory.fill(0, 24, 32);
    assert.equal(view?.[0], 0);
    binaryCodec.encodeInto!(Float64Array.of(1, 2), memory, 17);
    assert.equal(viewTypedArray(memory, 17, length), undefined);
  });
});

describe('the json codec', () => {
  it('is no bytes for undefined and refuses what has no JSON', () => {
    assert.equal(jsonCodec.encode(undefined).length, 0);
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const wrong of [1n, cycle, () => 1, Symbol('s')]) {
      assert.equal(
        codeOf(() => jsonCodec.encode(wrong)),
        'ENCODE_FAILED',
      );
    }
  });

  it('says at which byte the text stops being JSON', () => {
    const cases: [string | Uint8Array, number][] = [
      ['{"a":1,}', 7],
      ['{"a" 1}', 5],
      ['[1 2]', 3],
      ['[1', 2],
      ['"é', 3],
      ['tru', 3],
      ['nul1', 3],
      ['01', 1],
      ['1.', 2],
      ['-', 1],
      ['1e+', 3],
      ['"\\x"', 2],
      ['"\\u12g4"', 5],
      ['"\n"', 1],
      ['{} x', 3],
      [' ', 1],
      ['\ufeff{}', 0],
      [Uint8Array.of(0x22, 0x61, 0xff, 0x22), 2],
      [Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 2], // a surrogate
      [Uint8Array.of(0x22, 0xc0, 0x80, 0x22), 1], // longer than it need be
    ];
    for (const [text, expected] of cases) {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text;
      assert.equal(position(jsonCodec, bytes), expected, JSON.stringify(text));
    }
  });

  it('refuses a hundred thousand open brackets without running out of stack', () => {
    assert.equal(position(jsonCodec, Buffer.from('['.repeat(100_000))), 100_000);
    assert.equal(position(jsonCodec, Buffer.from('{"a":'.repeat(100_000))), 500_000);
  });
});

describe('the msgpack codec', () => {
  const at = (hex: string) => position(msgpack, Uint8Array.from(Buffer.from(hex, 'hex')));

  it('has not loaded the native string extractor', () => {
    const { sharedObjects } = process.report.getReport() as unknown as { readonly sharedObjects: string[] };
    assert.deepEqual(
      sharedObjects.filter((file) => file.includes('msgpackr')),
      [],
    );
  });

  it('writes plain MessagePack', () => {
    const hex = (value: unknown) => Buffer.from(msgpack.encode(value)).toString('hex');
    assert.equal(hex([1, -1, 'a', null, true]), '9501ffa161c0c3');
    assert.equal(hex(Uint8Array.of(1)), 'c40101');
    assert.equal(hex(Buffer.of(1)), 'c40101');
    assert.equal(hex([Uint8Array.of(1, 2), 7]), '92c402010207');
    assert.equal(hex(1.5), 'cb3ff8000000000000');
  });

  it('reads every form of the specification', () => {
    const read = (hex: string) => msgpack.decode(Buffer.from(hex, 'hex'), 0, hex.length / 2);
    const forms: [string, unknown][] = [
      ['7f', 127],
      ['e0', -32],
      ['cc80', 128],
      ['cd0100', 256],
      ['ce00010000', 65536],
      ['cf0000000000000001', 1n],
      ['d080', -128],
      ['d18000', -32768],
      ['d280000000', -(2 ** 31)],
      ['d3ffffffffffffffff', -1n],
      ['ca3fc00000', 1.5],
      ['d90161', 'a'],
      ['da000161', 'a'],
      ['db0000000161', 'a'],
      ['c50001ff', Uint8Array.of(255)],
      ['c600000001ff', Uint8Array.of(255)],
      ['dc000101', [1]],
      ['dd0000000101', [1]],
      ['de00010102', { 1: 2 }],
      ['df00000001a16102', { a: 2 }],
      ['d6ff00000001', new Date(1000)],
      ['d40000', undefined],
    ];
    for (const [hex, value] of forms) assert.deepEqual(read(hex), value, hex);
  });

  it('refuses what is cut, too long, or claims more than there is, at its position', () => {
    assert.equal(at(''), 0);
    assert.equal(at('9201'), 0);
    assert.equal(at('910102'), 2);
    assert.equal(at('01a36161'), 1);
    assert.equal(at('91a36161'), 1);
    assert.equal(at('ddffffffff'), 0);
    assert.equal(at('dfffffffff0101'), 0);
    assert.equal(at('c6ffffffff'), 0);
    assert.equal(at('c9ffffffff00'), 0);
    assert.equal(at('c1'), 0);
    assert.equal(at('a1ff'), 0);
    assert.equal(at('819001'), 1);
    assert.equal(at('81a95f5f70726f746f5f5f01'), 1);
    assert.equal(at('d7ffee6b280000000000'), 0); // 1 000 000 000 ns
    assert.equal(at('c70cff000000007fffffffffffffff'), 0); // beyond any Date
  });

  it('refuses the extensions of the library that make more than data', () => {
    for (const hex of ['d4724091a16101', 'd473009101', 'd478009201a0', 'd4650092a16500', 'd6690000000101']) {
      assert.equal(at(hex), 0, hex);
    }
  });

  it('refuses nesting deeper than 512, both ways', () => {
    const nested = (depth: number) => `${'91'.repeat(depth)}c0`;
    assert.equal(at(nested(512)), -1);
    assert.equal(at(nested(513)), 512);
    assert.equal(at(nested(100_000)), 512);
    let value: unknown = null;
    for (let depth = 0; depth < 513; depth++) value = [value];
    assert.equal(
      codeOf(() => msgpack.encode(value)),
      'ENCODE_FAILED',
    );
  });

  it('refuses values that would arrive as something else', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const wrong = [
      new Set([1]),
      /x/,
      new Error('e'),
      new DataView(new ArrayBuffer(2)),
      new Date(Number.NaN),
      2n ** 64n,
      'half \ud800',
      JSON.parse('{"__proto__":1}') as unknown,
      Symbol('s'),
      cycle,
    ];
    for (const value of wrong)
      assert.equal(
        codeOf(() => msgpack.encode([value])),
        'ENCODE_FAILED',
        String(value),
      );
  });
});

describe('CodecRegistry', () => {
  it('finds codecs by number and by name', () => {
    const registry = new CodecRegistry([bytesCodec as Codec, jsonCodec]);
    assert.equal(registry.byId(2), jsonCodec);
    assert.equal(registry.byName('bytes'), bytesCodec);
    assert.equal(registry.require('json'), jsonCodec);
    assert.equal(registry.byId(4), undefined);
    assert.deepEqual(registry.names, ['bytes', 'json']);
    assert.throws(() => registry.require(4), /no codec number 4; registered are bytes, json/);
    assert.equal(
      codeOf(() => registry.require('msgpack')),
      'CAPABILITY_MISSING',
    );
  });

  it('refuses a number or name that is taken, and numbers that the envelope cannot carry', () => {
    const registry = new CodecRegistry([jsonCodec]);
    assert.equal(
      codeOf(() => registry.register({ ...jsonCodec, name: 'other' })),
      'OPTION_INVALID',
    );
    assert.equal(
      codeOf(() => registry.register({ ...jsonCodec, id: 40 })),
      'OPTION_INVALID',
    );
    for (const id of [0, 64, 1.5]) {
      assert.equal(
        codeOf(() => registry.register({ ...jsonCodec, id, name: 'n' })),
        'OPTION_INVALID',
      );
    }
    assert.equal(registry.register({ ...jsonCodec, id: 63, name: 'mine' }).byId(63)?.name, 'mine');
  });
});
