import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BACK_PRESSURED } from '../../core/index.ts';
import type { Connection } from '../../transport/index.ts';
import { fillNumbered, numberedFrame } from '../frames.ts';
import { SeededRandom } from '../random.ts';
import { turns, until, within } from '../wait.ts';
import { Collector, type Fixture, offerAll, pollFrames, rejects, throws } from './fixture.ts';

const LIMIT = { maxFrameBytes: 1024 * 1024 };

function interestingLengths(connection: Connection): number[] {
  const { maxClaimBytes, maxFrameBytes } = connection;
  const lengths = [
    0,
    1,
    7,
    8,
    9,
    63,
    64,
    65,
    4095,
    4096,
    65_535,
    65_536,
    65_537,
    maxClaimBytes - 1,
    maxClaimBytes,
  ];
  if (maxClaimBytes < maxFrameBytes) lengths.push(maxClaimBytes + 1);
  lengths.push(maxFrameBytes - 1, maxFrameBytes, 0, 1);
  return lengths.filter((length) => length <= maxFrameBytes);
}

/** Frames arrive as they were sent: every size, each way of sending. */
export function carryingTests(fixture: Fixture): void {
  it('says what it can do', async () => {
    await using pair = await fixture.pair();
    for (const end of [pair.client, pair.server]) {
      assert.deepEqual(end.capabilities, fixture.subject.capabilities);
      assert.equal(end.state, 'open');
      assert.equal(end.closeReason, undefined);
      assert.equal(end.stats.active, fixture.subject.active);
      assert.equal(end.stats.fallbackCount, 0);
      assert.ok(end.maxClaimBytes >= 1024 && end.maxClaimBytes <= end.maxFrameBytes);
    }
  });

  for (const direction of ['client to listener', 'listener to client'] as const) {
    it(`carries frames of every size by send, ${direction}`, async () => {
      await using pair = await fixture.pair({ listen: LIMIT, connect: LIMIT });
      const [from, to] =
        direction === 'client to listener' ? [pair.client, pair.server] : [pair.server, pair.client];
      const lengths = interestingLengths(from);
      const collector = new Collector(to);
      for (const [sequence, length] of lengths.entries()) await from.send(numberedFrame(sequence, length));
      await collector.wait(lengths.length);
      assert.deepEqual(collector.lengths, lengths);
    });
  }

  it('carries frames of every size by offer', async () => {
    await using pair = await fixture.pair({ listen: LIMIT, connect: LIMIT });
    const lengths = interestingLengths(pair.client);
    const collector = new Collector(pair.server);
    for (const [sequence, length] of lengths.entries())
      await offerAll(pair.client, numberedFrame(sequence, length));
    await collector.wait(lengths.length);
    assert.deepEqual(collector.lengths, lengths);
  });

  it('carries frames of every size that can be claimed in place', async () => {
    await using pair = await fixture.pair({ listen: LIMIT, connect: LIMIT });
    const lengths = interestingLengths(pair.client).filter((length) => length <= pair.client.maxClaimBytes);
    const collector = new Collector(pair.server);
    for (const [sequence, length] of lengths.entries()) {
      let offset = BACK_PRESSURED;
      await until(() => {
        offset = pair.client.tryClaim(length);
        return offset !== BACK_PRESSURED;
      }, `a claim of ${length} bytes`);
      assert.ok(offset >= 0 && offset + length <= pair.client.claimBuffer.length);
      fillNumbered(pair.client.claimBuffer, offset, length, sequence);
      pair.client.commit();
    }
    await collector.wait(lengths.length);
    assert.deepEqual(collector.lengths, lengths);
  });

  it('refuses what is larger than its limits and goes on', async () => {
    await using pair = await fixture.pair({ listen: LIMIT, connect: LIMIT });
    const { client } = pair;
    const tooLarge = new Uint8Array(client.maxFrameBytes + 1);
    throws(() => client.offer(tooLarge), 'FRAME_TOO_LARGE');
    const error = await rejects(client.send(tooLarge), 'FRAME_TOO_LARGE', 'a send beyond maxFrameBytes');
    assert.deepEqual(error.details, { bytes: tooLarge.length, limitBytes: client.maxFrameBytes });
    for (const length of [client.maxClaimBytes + 1, -1, Number.NaN])
      throws(() => client.tryClaim(length), 'FRAME_TOO_LARGE');
    await client.send(numberedFrame(0, 10));
    await new Collector(pair.server).wait(1);
  });

  it('agrees on the smaller limit of frames', async () => {
    for (const [listen, connect] of [
      [8192, 65_536],
      [65_536, 8192],
    ] as const) {
      await using pair = await fixture.pair({
        listen: { maxFrameBytes: listen },
        connect: { maxFrameBytes: connect },
      });
      assert.deepEqual([pair.client.maxFrameBytes, pair.server.maxFrameBytes], [8192, 8192]);
      await pair.server.send(numberedFrame(0, 8192));
      await new Collector(pair.client).wait(1);
    }
  });

  it('offers a part of a buffer, and takes a copy', async () => {
    await using pair = await fixture.pair();
    const bytes = Buffer.from('--hello--');
    assert.equal(pair.client.offer(bytes, 2, 5), 0);
    bytes.fill(0);
    assert.equal(pair.client.offer(bytes, 9), 0);
    const frames = await pollFrames(pair.server, 2);
    assert.deepEqual(
      frames.map((frame) => Buffer.from(frame).toString()),
      ['hello', ''],
    );
  });

  it('has one open claim at a time, and sends nothing else meanwhile', async () => {
    await using pair = await fixture.pair();
    const { client } = pair;
    throws(() => client.commit(), 'STATE_INVALID');
    assert.ok(client.tryClaim(8) >= 0);
    throws(() => client.tryClaim(8), 'STATE_INVALID');
    throws(() => client.offer(new Uint8Array(1)), 'STATE_INVALID');
    await rejects(client.send(new Uint8Array(1)), 'STATE_INVALID', 'a send while a claim is open');
    client.abort();
    throws(() => client.commit(), 'STATE_INVALID');
    await client.send(numberedFrame(0, 100));
    await new Collector(pair.server).wait(1);
  });

  it('drops a claim that was open when the connection ended, in silence', async () => {
    for (const way of ['close', 'destroy', 'lose'] as const) {
      await using pair = await fixture.pair();
      const { client, server } = pair;
      assert.ok(client.tryClaim(8) >= 0);
      if (way === 'close') await client.close();
      else if (way === 'destroy') client.destroy();
      else {
        server.destroy();
        await within(client.closed, 'the end of a connection whose other end was destroyed');
      }
      client.commit();
      assert.equal(client.stats.framesSent, 0, `after ${way}`);
    }
  });

  it('sends nothing of a claim that was aborted', async () => {
    await using pair = await fixture.pair();
    const { client } = pair;
    let sequence = 0;
    for (let round = 0; round < 50; round++) {
      const length = 1 + round * 13;
      const given = client.tryClaim(length);
      assert.ok(given >= 0);
      client.claimBuffer.fill(0xee, given, given + length);
      client.abort();
      const kept = client.tryClaim(length);
      assert.ok(kept >= 0);
      fillNumbered(client.claimBuffer, kept, length, sequence++);
      client.commit();
    }
    await new Collector(pair.server).wait(sequence);
  });

  it('keeps what was committed before a claim that stays open for many turns', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const collector = new Collector(server);
    assert.equal(client.offer(numberedFrame(0, 20)), 0);
    const offset = client.tryClaim(300);
    assert.ok(offset >= 0);
    await collector.wait(1);
    fillNumbered(client.claimBuffer, offset, 300, 1);
    client.commit();
    await collector.wait(2);
  });

  it('publishes corked frames together', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    client.cork();
    for (let sequence = 0; sequence < 10; sequence++) client.offer(numberedFrame(sequence, 20));
    await turns(20);
    assert.equal(
      server.poll(() => {}),
      0,
      'a corked frame was visible',
    );
    client.uncork();
    assert.equal((await pollFrames(server, 10)).length, 10);
    client.uncork();
    client.offer(numberedFrame(0, 1));
    await pollFrames(server, 1);
  });

  it('counts what it carries', async () => {
    await using pair = await fixture.pair();
    const { client, server } = pair;
    const collector = new Collector(server);
    client.offer(numberedFrame(0, 10));
    await client.send(numberedFrame(1, 20));
    const offset = client.tryClaim(30);
    fillNumbered(client.claimBuffer, offset, 30, 2);
    client.commit();
    await collector.wait(3);
    const { framesSent, bytesSent, framesReceived } = client.stats;
    assert.deepEqual(
      { framesSent, bytesSent, framesReceived },
      { framesSent: 3, bytesSent: 60, framesReceived: 0 },
    );
    assert.equal(server.stats.framesReceived, 3);
    assert.equal(server.stats.bytesReceived, 60);
  });

  it('carries 50 MB in one frame each way where the limit allows it', async () => {
    const limit = { maxFrameBytes: 64_000_000 };
    await using pair = await fixture.pair({ listen: limit, connect: limit });
    const frame = new Uint8Array(50_000_000);
    for (let index = 0; index < frame.length; index += 4096) frame[index] = (index / 4096) & 0xff;
    frame[frame.length - 1] = 0x5a;
    const receive = async (connection: Connection): Promise<void> => {
      const [received] = await pollFrames(connection, 1);
      assert.ok(Buffer.from(frame.buffer).equals(received!), 'the large frame arrived changed');
    };
    await Promise.all([
      pair.client.send(frame),
      pair.server.send(frame),
      receive(pair.client),
      receive(pair.server),
    ]);
  });

  it('carries random frames both ways at once', async () => {
    await using pair = await fixture.pair();
    const frames = 5_000;
    const flood = async (connection: Connection, seed: number): Promise<void> => {
      const random = new SeededRandom(seed);
      for (let sequence = 0; sequence < frames; sequence++) {
        const length = random.chance(0.02) ? random.integer(0, 40_000) : random.integer(0, 300);
        const way = random.integer(0, 9);
        if (way === 0) await connection.send(numberedFrame(sequence, length));
        else if (way < 5 && length <= connection.maxClaimBytes) {
          let offset = connection.tryClaim(length);
          for (; offset === BACK_PRESSURED; offset = connection.tryClaim(length)) await turns(1);
          fillNumbered(connection.claimBuffer, offset, length, sequence);
          connection.commit();
        } else await offerAll(connection, numberedFrame(sequence, length));
        if (way === 9) await turns(1);
      }
    };
    const collectors = [new Collector(pair.client), new Collector(pair.server)];
    await Promise.all([flood(pair.client, 1), flood(pair.server, 2)]);
    for (const collector of collectors) await collector.wait(frames);
  });
}
