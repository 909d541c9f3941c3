import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { shmTransport } from 'tendon/transport/shm';
import { Child, compilePeer } from './child.ts';
import { leavingNothing, Place, until } from './kit.ts';
import { Checker, FROM_CLIENT, FROM_LISTENER, lengthOf, sendNumbered } from './traffic.ts';

const { listen, connect } = shmTransport;
const COUNT = 100_000 * (process.env['TENDON_TORTURE'] === '1' ? 20 : 1);

interface Report {
  readonly sent: number;
  readonly received: number;
  readonly parks: number;
  readonly doorbells: number;
  readonly rang: number;
  readonly pads: number;
  readonly parts: number;
  readonly socketSent: number;
  readonly socketReceived: number;
  readonly switches: number;
}

const fromClient = (number: number): number => lengthOf(number, FROM_CLIENT);
const fromListener = (number: number): number => lengthOf(number, FROM_LISTENER);

describe('the channel against a peer in C that was written from its page', () => {
  let folder = '';
  let program = '';
  let missing: string | undefined;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tendon-c-peer-'));
    ({ program, missing } = compilePeer(folder));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const compiled = (test: TestContext): boolean => {
    if (missing !== undefined) test.skip(missing);
    return missing === undefined;
  };

  it('[CHANNEL-13] [CHANNEL-17] [CHANNEL-22] [CHANNEL-23] [CHANNEL-24] carries all frames both ways at once, with a C client', (test) => {
    if (!compiled(test)) return;
    return leavingNothing(async () => {
      using place = new Place();
      await using listener = await listen('shm:c', { context: place.context, ringBytes: 64 * 1024 });
      using child = Child.program(program, ['connect', place.path('c'), String(COUNT)]);
      await using connection = await listener.accept();
      const checker = new Checker(fromClient);
      connection.consume(checker.take);
      await sendNumbered(connection, 0, COUNT, fromListener);
      await until(() => connection.state === 'closed', 'the C peer said goodbye');
      assert.equal(connection.closeReason, undefined, 'an orderly end');
      assert.equal(checker.received, COUNT);
      judge(await child.report<Report>());
      assert.deepEqual(
        [connection.stats.framesReceived, connection.stats.framesSent, connection.stats.fallbackCount],
        [COUNT, COUNT, 0],
      );
    });
  });

  it('[CHANNEL-7] [CHANNEL-12] carries all frames both ways at once, with a C listener whose positions wrap', (test) => {
    if (!compiled(test)) return;
    return leavingNothing(async () => {
      using place = new Place();
      using child = Child.program(program, ['listen', place.path('c'), String(COUNT)]);
      await child.says('listening');
      await using connection = await connect('shm:c', { context: place.context });
      assert.equal(connection.stats.active, 'shm');
      const checker = new Checker(fromListener);
      connection.consume(checker.take);
      await sendNumbered(connection, 0, COUNT, fromClient);
      await until(() => connection.state === 'closed', 'the C peer said goodbye');
      assert.equal(connection.closeReason, undefined, 'an orderly end');
      assert.equal(checker.received, COUNT);
      judge(await child.report<Report>());
    });
  });

  it('[CHANNEL-17] [CHANNEL-18] changes the way hundreds of times under traffic, and the C peer sees one order', (test) => {
    if (!compiled(test)) return;
    return leavingNothing(async () => {
      using place = new Place();
      await using listener = await listen('shm:c', { context: place.context, ringBytes: 16 * 1024 });
      using child = Child.program(program, ['echo', place.path('c')]);
      await using connection = await listener.accept();
      const shm = connection as unknown as { useSocket(): void; useMemory(): void };
      const checker = new Checker(fromListener);
      connection.consume(checker.take);
      const count = COUNT / 5;
      const step = 100;
      for (let sent = 0; sent < count; sent += step) {
        await sendNumbered(connection, sent, sent + step, fromListener);
        if (sent % (2 * step) === 0) shm.useSocket();
        else shm.useMemory();
      }
      await until(() => checker.received === count, 'everything came back');
      await connection.close();
      const report = await child.report<Report>();
      assert.ok(report.switches > 20, `${report.switches} changes`);
      assert.ok(report.socketReceived > 0 && report.socketSent > 0);
      assert.ok(report.socketReceived < count && report.socketSent < count);
    });
  });
});

/** What the C peer saw of the way the other side keeps the rules about waking. */
function judge(report: Report): void {
  assert.deepEqual([report.sent, report.received], [COUNT, COUNT]);
  assert.ok(report.pads > 0, 'the ring wrapped');
  assert.ok(report.parts > 0, 'large frames went in parts');
  assert.ok(report.parks > 0, 'the peer slept');
  assert.ok(report.doorbells > 0, 'the peer was woken');
  assert.ok(report.doorbells <= report.parks, `${report.doorbells} doorbells for ${report.parks} sleeps`);
  assert.equal(report.socketSent + report.socketReceived, 0, 'all frames went by ring');
}
