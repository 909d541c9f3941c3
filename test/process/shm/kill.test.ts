import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from 'tendon/core';
import { SeededRandom } from 'tendon/testing';
import type { Connection, Listener } from 'tendon/transport';
import { shmTransport } from 'tendon/transport/shm';
import { Child } from './child.ts';
import { leavingNothing, Place, until } from './kit.ts';
import { Checker, FROM_CLIENT, FROM_LISTENER, lengthOf, sendNumbered } from './traffic.ts';

const { listen, connect } = shmTransport;
const TORTURE = process.env['TENDON_TORTURE'] === '1';
const RING_BYTES = 64 * 1024;
const NAME = 'kill';
const ENDPOINT = `shm:${NAME}`;

type Role = 'client' | 'listener';

interface Pair extends AsyncDisposable {
  readonly place: Place;
  readonly child: Child;
  /** our end: the other one is the child's */
  readonly connection: Connection;
  /** what the child sends, checked */
  readonly checker: Checker;
  /** our listener, when the child is the client */
  readonly listener: Listener | undefined;
}

async function open(role: Role, order: string): Promise<Pair> {
  const place = new Place();
  const { context } = place;
  const listener = role === 'client' ? await listen(ENDPOINT, { context, ringBytes: RING_BYTES }) : undefined;
  const child = Child.peer('end', [role, place.directory, NAME, String(RING_BYTES), order]);
  if (role === 'listener') await child.says('listening');
  const connection = listener === undefined ? await connect(ENDPOINT, { context }) : await listener.accept();
  const direction = role === 'client' ? FROM_CLIENT : FROM_LISTENER;
  return {
    place,
    child,
    connection,
    checker: new Checker((number) => lengthOf(number, direction)),
    listener,
    async [Symbol.asyncDispose]() {
      connection.destroy();
      child[Symbol.dispose]();
      await child.exited;
      await listener?.close();
      place[Symbol.dispose]();
    },
  };
}

async function lost(connection: Connection): Promise<number> {
  await until(() => connection.state === 'closed', 'the survivor learns of the death');
  const reason = connection.closeReason;
  assert.ok(TendonError.is(reason, 'CONNECTION_LOST'), String(reason));
  return reason.details.unknownBytes;
}

/** After a death: nothing lies around, and the next connection works in both roles. */
async function goesOn({ place, listener }: Pair): Promise<void> {
  const { context } = place;
  const again =
    listener ??
    (await (async () => {
      await until(
        () => place.leftovers().length === 0,
        'the survivor removed the socket of the dead listener',
      );
      return listen(ENDPOINT, { context });
    })());
  const client = await connect(ENDPOINT, { context });
  const accepted = await again.accept();
  await client.send(Buffer.from('next'));
  let got = '';
  accepted.consume((bytes, offset, length) => {
    got = Buffer.from(bytes.subarray(offset, offset + length)).toString();
  });
  await until(() => got === 'next', 'the next connection works');
  assert.equal(client.stats.active, 'shm');
  await client.close();
  await until(() => accepted.state === 'closed', 'the next connection ends');
  await again.close();
  assert.deepEqual(place.leftovers(), []);
}

/** Where the dying side stands, how many of its frames were committed, and what else lies in our ring. */
const POINTS: Record<string, { readonly what: string; readonly committed: number; readonly marker?: true }> =
  {
    claim: { what: 'writing: a claim is open', committed: 50 },
    written: { what: 'writing: between header and commit', committed: 50 },
    corked: { what: 'writing: committed, but held back by cork', committed: 50 },
    committed: { what: 'writing: after the commit', committed: 50 },
    half: { what: 'writing: half-way through a frame in parts', committed: 50 },
    marker: { what: 'fallback: after MARKER', committed: 50, marker: true },
    socket: {
      what: 'fallback: after frames by socket, before SWITCH_TO_MEMORY',
      committed: 100,
      marker: true,
    },
    switched: {
      what: 'the way back: after SWITCH_TO_MEMORY and frames in memory',
      committed: 150,
      marker: true,
    },
  };

describe('kill -9 of one end of a channel', () => {
  for (const [order, { what, committed, marker }] of Object.entries(POINTS)) {
    for (const role of ['client', 'listener'] as const) {
      it(`[CHANNEL-25] [CHANNEL-27] ${what}, by the ${role}: what was committed arrives, the rest does not [shm-transport 22, 48]`, () =>
        leavingNothing(async () => {
          await using pair = await open(role, order);
          const { child, connection, checker } = pair;
          const early = (role === 'client' || order === 'switched') && order !== 'half';
          if (early) connection.consume(checker.take);
          for (let n = 0; n < 3; n++) assert.equal(connection.offer(Buffer.alloc(100)), 0);
          child.tell('go');
          await child.says('there');
          if (marker) await until(() => connection.stats.active !== 'shm' || order === 'switched', 'asked');
          await child.kill();
          if (!early) {
            await until(() => connection.state === 'draining', 'the death is seen');
            connection.consume(checker.take);
          }
          const unknown = await lost(connection);
          assert.equal(checker.received, committed);
          // Three records of 8 + 100 bytes, rounded up to 112, and our MARKER where we were asked to leave.
          assert.equal(unknown, 3 * 112 + (marker ? 8 : 0));
          await goesOn(pair);
        }));
    }
  }

  for (const role of ['client', 'listener'] as const) {
    it(`[CHANNEL-25] reading: inside a handler of the ${role}: the survivor knows what it cannot know [shm-transport 22]`, () =>
      leavingNothing(async () => {
        await using pair = await open(role, 'handler');
        const { child, connection } = pair;
        for (let n = 0; n < 10; n++) assert.equal(connection.offer(Buffer.alloc(100)), 0);
        await child.says('there');
        await child.kill();
        const unknown = await lost(connection);
        assert.ok(unknown >= 8 * 112 && unknown <= 10 * 112 && unknown % 112 === 0, `${unknown} bytes`);
        assert.equal(connection.offer(Buffer.alloc(1)), -2);
        await assert.rejects(connection.send(Buffer.alloc(1)), (error: unknown) =>
          TendonError.is(error, 'CONNECTION_LOST'),
        );
        await goesOn(pair);
      }));
  }

  for (const point of ['connected', 'said hello', 'mapped the memory', 'is ready, but has not switched']) {
    it(`[CHANNEL-27] in the handshake: a client that ${point} leaves nothing, and the next is served`, () =>
      leavingNothing(async () => {
        using place = new Place();
        const { context } = place;
        await using listener = await listen(ENDPOINT, { context, handshakeTimeoutMs: 60_000 });
        const reasons: TendonError[] = [];
        listener.events.on('refused', (reason) => reasons.push(reason));
        const accepting = listener.accept();
        const child = Child.peer('handshake-end', [place.path(NAME), point]);
        await child.says('there');
        await child.kill();
        await until(() => reasons.length === 1, 'the listener notices');
        assert.ok(TendonError.is(reasons[0], 'CONNECTION_LOST'), String(reasons[0]));
        const client = await connect(ENDPOINT, { context });
        const accepted = await accepting;
        assert.equal(accepted.stats.active, 'shm');
        await client.close();
        accepted.destroy();
      }));
  }

  for (const point of ['listens', 'accepted', 'heard hello', 'welcomed', 'passed the memory']) {
    it(`[CHANNEL-27] in the handshake: of a listener that ${point} the client learns, and a new listener serves`, () =>
      leavingNothing(async () => {
        using place = new Place();
        const { context } = place;
        const child = Child.peer('handshake-end', [place.path(NAME), point]);
        await child.says('listening');
        const connecting = connect(ENDPOINT, { context, timeoutMs: 10_000 }).then(
          (connection) => connection,
          (error: unknown) => error,
        );
        await child.says('there');
        await child.kill();
        const result = await connecting;
        assert.ok(TendonError.is(result, 'CONNECTION_LOST'), String(result));
        await until(() => place.leftovers().length === 0, 'the stale socket is removed');
        await using listener = await listen(ENDPOINT, { context });
        const client = await connect(ENDPOINT, { context });
        const accepted = await listener.accept();
        await client.close();
        accepted.destroy();
      }));
  }

  const seed = Number(process.env['TENDON_FUZZ_SEED'] ?? (Date.now() ^ process.pid) >>> 0);
  it('[CHANNEL-25] [CHANNEL-27] at random under traffic both ways, with and without changes of the way [shm-transport 22]', (test) =>
    leavingNothing(async () => {
      // Not in the name: the conformance page quotes names.
      test.diagnostic(`TENDON_FUZZ_SEED=${seed}`);
      const random = new SeededRandom(seed);
      const rounds = TORTURE ? 2_000 : 12;
      for (let round = 0; round < rounds; round++) {
        const role = random.chance(0.5) ? 'client' : 'listener';
        const order = random.chance(0.5) ? 'flood' : 'switching';
        await using pair = await open(role, order);
        const { child, connection, checker } = pair;
        connection.consume(checker.take);
        const direction = role === 'client' ? FROM_LISTENER : FROM_CLIENT;
        const sending = sendNumbered(connection, 0, 1e9, (number) => lengthOf(number, direction)).catch(
          (error: unknown) => error,
        );
        await child.says('there');
        await new Promise((resolve) => setTimeout(resolve, random.integer(0, 60)));
        await child.kill();
        const unknown = await lost(connection);
        assert.ok(unknown >= 0 && unknown <= RING_BYTES);
        assert.ok(TendonError.is(await sending, 'CONNECTION_LOST'));
        const said = child.lines.filter((line) => line.startsWith('committed ')).at(-1);
        const committed = Number(said?.slice('committed '.length) ?? 50);
        assert.ok(
          checker.received >= committed,
          `round ${round}: ${checker.received} of ${committed} frames`,
        );
        await goesOn(pair);
      }
    }));
});

describe('SIGSTOP of one end of a channel', () => {
  for (const role of ['client', 'listener'] as const) {
    it(`[CHANNEL-26] of the ${role} with work to do makes the connection degraded; after SIGCONT it is open again and nothing is lost`, () =>
      leavingNothing(async () => {
        await using pair = await open(role, 'echo');
        const { child, connection } = pair;
        const states: string[] = [];
        connection.events.on('state', (state) => states.push(state));
        const direction = role === 'client' ? FROM_LISTENER : FROM_CLIENT;
        const echoed = new Checker((number) => lengthOf(number, direction));
        connection.consume(echoed.take);
        await child.says('there');
        await sendNumbered(connection, 0, 200, (number) => lengthOf(number, direction));
        await until(() => echoed.received === 200, 'the echo works');
        child.signal('SIGSTOP');
        const sending = sendNumbered(connection, 200, 3_000, (number) => lengthOf(number, direction));
        await until(() => connection.state === 'degraded', 'the connection is degraded');
        await new Promise((resolve) => setTimeout(resolve, 1500));
        assert.equal(connection.state, 'degraded', 'and stays so, alive');
        child.signal('SIGCONT');
        await sending;
        await until(() => echoed.received === 3_000, 'everything came back');
        await until(() => connection.state === 'open', 'the connection is open again');
        assert.deepEqual(states, ['degraded', 'open']);
      }));
  }

  it('[CHANNEL-26] of an idle peer goes unnoticed', () =>
    leavingNothing(async () => {
      await using pair = await open('client', 'read');
      const { child, connection } = pair;
      await child.says('there');
      child.signal('SIGSTOP');
      const states: string[] = [];
      connection.events.on('state', (state) => states.push(state));
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.deepEqual([connection.state, states], ['open', []]);
      child.signal('SIGCONT');
    }));
});
