import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, TendonError } from '../../core/index.ts';
import { agree, encodeHello, type Hello, ourHello } from './hello.ts';

function fails(hello: Partial<Hello>, code: ErrorCode): TendonError {
  try {
    agree(encodeHello({ ...ourHello('listener', 1000), ...hello }), 'listener', 'tcp://there:1');
  } catch (error) {
    assert.ok(TendonError.is(error, code), `expected ${code}, got ${String(error)}`);
    return error;
  }
  return assert.fail(`must fail with ${code}`);
}

describe('the hello of a stream', () => {
  it('has the bytes that stream.md draws', () => {
    const hello = {
      role: 'client',
      newest: 0x0102,
      oldest: 1,
      maxFrameBytes: 0x01000000,
      flags: 0x8001,
      refusal: 0,
    } as const;
    assert.equal(
      Buffer.from(encodeHello(hello)).toString('hex'),
      '544e4443' + '0201' + '0100' + '00000001' + '0180' + '0000',
    );
    assert.equal(
      Buffer.from(encodeHello({ ...hello, role: 'listener', refusal: 3 })).toString('latin1', 0, 4),
      'TNDL',
    );
  });

  it('[STREAM-2] agrees with a newer side on the older version, and not with one that dropped it', () => {
    assert.equal(
      agree(encodeHello({ ...ourHello('listener', 1000), newest: 9 }), 'listener', 'x').maxFrameBytes,
      1000,
    );
    assert.deepEqual(fails({ newest: 9, oldest: 2 }, 'VERSION_UNSUPPORTED').details, { theirs: 9, ours: 1 });
    fails({ newest: 0, oldest: 0 }, 'VERSION_UNSUPPORTED');
    fails({ refusal: 3 }, 'VERSION_UNSUPPORTED');
  });

  it('[STREAM-4] ignores flags that it does not know', () => {
    agree(encodeHello({ ...ourHello('listener', 1000), flags: 0xffff }), 'listener', 'x');
  });

  it('[STREAM-5] says why the listener refuses', () => {
    for (const [refusal, words] of [
      [1, 'accepted'],
      [2, 'handshakes'],
      [4, 'closing'],
      [77, 'reason 77'],
    ] as const) {
      assert.ok(fails({ refusal }, 'CONNECTION_REFUSED').message.includes(words));
    }
  });

  it('refuses another magic, its own side, and a limit too small for anything', () => {
    fails({ role: 'client' }, 'PROTOCOL_ERROR');
    fails({ maxFrameBytes: 63 }, 'PROTOCOL_ERROR');
  });

  it('throws nothing but its own errors for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean(), (bytes, magic) => {
        if (magic) bytes.set(Buffer.from('TNDL'));
        try {
          agree(bytes, 'listener', 'x');
        } catch (error) {
          assert.ok(TendonError.is(error));
        }
      }),
    );
  });
});
