import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageReader, MessageSink, MessageSource, MessageWriter } from './message.ts';

const SIZES = [16, 64, 256, 260, 1024, 65_536];

describe('messages of the benchmark', () => {
  for (const bytes of SIZES) {
    it(`writes every byte of ${bytes}, and differently from message to message`, () => {
      const writer = new MessageWriter(bytes);
      const zeros = new Uint8Array(bytes);
      const ones = new Uint8Array(bytes).fill(0xff);
      writer.write(zeros, 0, 7, false);
      writer.write(ones, 0, 7, false);
      assert.deepEqual(zeros, ones, 'what was there before is gone');
      writer.write(ones, 0, 8, false);
      const body = (message: Uint8Array): Uint8Array => message.subarray(8, bytes - 4);
      assert.notDeepEqual(body(zeros), body(ones));
    });

    it(`finds any byte of ${bytes} that is wrong when it verifies`, () => {
      const writer = new MessageWriter(bytes);
      const reader = new MessageReader(bytes, true);
      const buffer = new Uint8Array(bytes + 8);
      writer.write(buffer, 8, 41, true);
      assert.ok(reader.read(buffer, 8, bytes));
      assert.equal(reader.sequence, 41);
      assert.ok(reader.last);
      // The header's own bytes are judged by the caller, who knows the sequence that is due.
      const places = bytes <= 1024 ? Array.from({ length: bytes - 8 }, (_, i) => 8 + i) : [8, 999, bytes - 1];
      for (const at of places) {
        buffer[8 + at]! ^= 0x40;
        assert.ok(!reader.read(buffer, 8, bytes), `byte ${at}`);
        buffer[8 + at]! ^= 0x40;
      }
    });
  }

  it('checks length and last word without verifying', () => {
    const writer = new MessageWriter(64);
    const reader = new MessageReader(64, false);
    const buffer = new Uint8Array(64);
    writer.write(buffer, 0, 3, false);
    assert.ok(reader.read(buffer, 0, 64));
    new MessageWriter(60).write(buffer, 0, 3, false);
    assert.ok(!reader.read(buffer, 0, 60), 'shorter, and right in itself');
    writer.write(buffer, 0, 3, false);
    buffer[63]! ^= 1;
    assert.ok(!reader.read(buffer, 0, 64));
  });

  it('ends a window with a marked message when the time is over', () => {
    const source = new MessageSource(new MessageWriter(64), 0);
    const sink = new MessageSink(new MessageReader(64, true));
    const buffer = new Uint8Array(64);
    while (!source.done) {
      source.write(buffer, 0);
      sink.accept(buffer, 0, 64);
    }
    assert.ok(sink.done);
    assert.equal(sink.received, source.written);
    assert.equal(sink.faults, 0);
  });

  it('counts lost, repeated and torn messages as faults', () => {
    const writer = new MessageWriter(64);
    const sink = new MessageSink(new MessageReader(64, false));
    const buffer = new Uint8Array(64);
    const arrive = (sequence: number): void => {
      writer.write(buffer, 0, sequence, false);
      sink.accept(buffer, 0, 64);
    };
    arrive(0);
    assert.equal(sink.faults, 0);
    arrive(0);
    assert.equal(sink.faults, 1, 'repeated');
    arrive(3);
    assert.equal(sink.faults, 2, 'lost');
    buffer[60]! ^= 1;
    sink.accept(buffer, 0, 64);
    assert.equal(sink.faults, 3, 'torn');
  });
});
