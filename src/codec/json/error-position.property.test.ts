import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jsonErrorPosition } from './error-position.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Texts of the characters that JSON is made of: a good part of them is nearly JSON. */
const nearly = fc
  .string({ unit: fc.constantFrom(...'{}[]",:\\ \n0123.-+eEtrufalsn\u00e9\u{1f9e0}'), maxLength: 12 })
  .map((text) => Buffer.from(text));
const damaged = fc.tuple(fc.json(), fc.nat(), fc.integer({ min: 0, max: 255 })).map(([text, at, byte]) => {
  const bytes = Buffer.from(text);
  bytes[at % bytes.length] = byte;
  return bytes;
});

describe('jsonErrorPosition', () => {
  it('calls JSON what JSON.parse calls JSON', () => {
    fc.assert(
      fc.property(fc.oneof(nearly, damaged, fc.uint8Array({ maxLength: 8 })), (bytes) => {
        assert.equal(jsonErrorPosition(bytes, 0, bytes.length) === -1, isJson(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  it('points at the first byte that cannot be there: what precedes it can go on', () => {
    fc.assert(
      fc.property(fc.oneof(nearly, damaged), (bytes) => {
        const position = jsonErrorPosition(bytes, 0, bytes.length);
        if (position < 0) return;
        assert.ok(position <= bytes.length);
        // cut off there, the complaint is about the end, not about anything before it
        const before = jsonErrorPosition(bytes, 0, position);
        assert.ok(before === position || before === -1, `${before} before ${position}`);
      }),
      { numRuns: 3000 },
    );
  });
});
