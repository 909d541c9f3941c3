import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { closeFd, socketReceive, unixPair } from '../../os/index.ts';
import { Output } from './output.ts';

describe('Output', () => {
  it('writes all, in order, to a descriptor that takes a part, or nothing, at a time', async () => {
    const [here, there] = unixPair(); // non-blocking: they take what fits
    const output = new Output(here);
    const parts = Array.from({ length: 40 }, (_, n) => new Uint8Array(n * 7_919).fill(n + 1));
    const received = createHash('sha256');
    let receivedBytes = 0;
    let written = false;
    const writing = output.write(parts).then(() => {
      written = true;
    });
    const buffer = new Uint8Array(50_000);
    while (!written || receivedBytes < output.writtenBytes) {
      const bytes = socketReceive(there, buffer, 0, buffer.length);
      if (bytes > 0) {
        received.update(buffer.subarray(0, bytes));
        receivedBytes += bytes;
      } else await turn();
    }
    await writing;
    assert.equal(
      receivedBytes,
      parts.reduce((sum, { length }) => sum + length, 0),
    );
    assert.equal(received.digest('hex'), createHash('sha256').update(Buffer.concat(parts)).digest('hex'));
    closeFd(here);
    closeFd(there);
  });

  it('reports that the reader is gone', async () => {
    const [here, there] = unixPair();
    closeFd(there);
    await assert.rejects(new Output(here).write([Uint8Array.of(1)]), { code: 'EPIPE' });
    closeFd(here);
  });
});
