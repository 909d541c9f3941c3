import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BACK_PRESSURED } from '../../core/index.ts';
import { type ByteSink, FrameWriter } from './frame-writer.ts';

class Sink implements ByteSink {
  writes = 0;
  writableLength = 0;
  destroyed = false;
  errored: Error | null = null;
  taking = true;
  write(bytes: Uint8Array): void {
    this.writes++;
    if (!this.taking && !this.destroyed) this.writableLength += bytes.length;
  }
  cork(): void {}
  uncork(): void {}
}

describe('FrameWriter', () => {
  it('sends the frames of a turn as one write, at its end', async () => {
    const sink = new Sink();
    const writer = new FrameWriter(sink);
    for (let index = 0; index < 20; index++) writer.write(new Uint8Array(10), 0, 10);
    assert.equal(sink.writes, 0);
    await Promise.resolve();
    assert.equal(sink.writes, 1);
  });

  it('counts nothing as sent that a failed socket swallows', () => {
    for (const failed of ['destroyed', 'errored'] as const) {
      const sink = new Sink();
      const writer = new FrameWriter(sink);
      // As a failed write leaves it, with nothing queued, until its end is reported.
      if (failed === 'destroyed') sink.destroyed = true;
      else sink.errored = new Error('EPIPE');
      const large = new Uint8Array(100_000);
      assert.equal(writer.writeHeld(large), 0);
      assert.equal(writer.writeHeld(large), 0);
      assert.equal(writer.drained(), false);
      assert.equal(writer.write(large, 0, 10), BACK_PRESSURED);
    }
  });

  it('is blocked beyond its high-water mark until the socket has drained', () => {
    const sink = new Sink();
    const writer = new FrameWriter(sink);
    sink.taking = false;
    let taken = 0;
    while (writer.write(new Uint8Array(50_000), 0, 50_000) === 0) taken++;
    assert.ok(taken > 5 && taken < 20, `${taken} frames of 50 kB were taken`);
    assert.ok(writer.blocked);
    assert.equal(writer.drained(), false);
    sink.writableLength = 0;
    assert.equal(writer.drained(), true);
    assert.equal(writer.write(new Uint8Array(50_000), 0, 50_000), 0);
  });
});
