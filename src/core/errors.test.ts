import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { abortedError, ERROR_CODES, TendonError } from './errors.ts';

describe('TendonError', () => {
  it('carries code, details, cause and retryability', () => {
    const cause = new Error('below');
    const error = new TendonError(
      'FRAME_TOO_LARGE',
      'frame of 9 bytes',
      { bytes: 9, limitBytes: 8 },
      { cause },
    );
    assert.equal(error.code, 'FRAME_TOO_LARGE');
    assert.equal(error.details.limitBytes, 8);
    assert.equal(error.cause, cause);
    assert.equal(error.retryable, ERROR_CODES.FRAME_TOO_LARGE.retryable);
  });

  it('is recognised by brand across two installed copies', () => {
    const foreign = Object.assign(new Error('other copy'), { code: 'ABORTED', details: {} });
    Object.defineProperty(foreign, Symbol.for('tendon.error'), { value: true });
    assert.ok(TendonError.is(foreign, 'ABORTED'));
    assert.ok(!TendonError.is(foreign, 'REMOTE'));
    assert.ok(!TendonError.is(new Error('plain')));
    assert.ok(!TendonError.is(null));
  });

  it('takes the retryability of a REMOTE error from its sender', () => {
    const remote = (remoteRetryable: boolean) =>
      new TendonError('REMOTE', 'theirs', { remoteCode: 'E', remoteDetails: null, remoteRetryable });
    assert.ok(remote(true).retryable);
    assert.ok(!remote(false).retryable);
  });

  it('keeps the reason of an aborted signal as cause', () => {
    const error = abortedError(AbortSignal.abort('why'), 'waiting');
    assert.equal(error.code, 'ABORTED');
    assert.equal(error.cause, 'why');
  });
});
