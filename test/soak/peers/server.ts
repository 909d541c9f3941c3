/** The one server: every kind of endpoint, all with one context. `server.js DIRECTORY SEED`. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from 'tendon';
import { Context, TendonError } from 'tendon/core';
import { ServiceStub, serviceError } from 'tendon/rpc';
import { SeededRandom } from 'tendon/testing';
import type { Broadcast, Connection, Listener } from 'tendon/transport';
import { soakService } from '../contract.ts';
import { Flow } from '../flow.ts';
import { Gate } from '../gate.ts';
import { fault, holding, type Order, say } from '../orders.ts';
import { END, FrameMaker, HEADER_BYTES, randomLength } from '../traffic.ts';

const RING_BYTES = 256 * 1024;
/** A stopped client is given the time to go on: that refusals work is tested elsewhere. */
const HANDSHAKE_TIMEOUT_MS = 60_000;

const [runtimeDirectory = '', seed = '1'] = process.argv.slice(2);
const context = new Context({ runtimeDirectory });
const random = new SeededRandom(Number(seed));
const maker = new FrameMaker(random);
const gate = new Gate();
const live = new Set<Connection>();
const counts = { frames: 0, broadcasts: 0, switches: 0 };
let stopping = false;
let endBroadcasts = false;

function open(endpoint: string): Promise<Listener> {
  const options = { context, handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS };
  return listen(endpoint, endpoint.startsWith('shm:') ? { ...options, ringBytes: RING_BYTES } : options);
}

function track(connection: Connection, closed?: () => void): void {
  live.add(connection);
  connection.events.on('state', (state) => {
    if (state !== 'closed') return;
    live.delete(connection);
    closed?.();
  });
}

async function accept(listener: Listener, serve: (connection: Connection) => void): Promise<void> {
  for await (const connection of listener) {
    if (connection.state === 'closed') continue;
    serve(connection);
  }
}

function exchange(connection: Connection): void {
  const flow = new Flow(connection, { random, gate, switching: 0.005, failed: fault });
  track(connection, () => {
    counts.frames += flow.received;
    counts.switches += flow.switches;
    const { name, received, peerEnded } = flow;
    say({ say: 'ended', end: { name, received, complete: peerEnded, reason: connection.closeReason?.code } });
  });
  flow
    .run(() => flow.peerEnded)
    .then((going) => (going ? flow.end() : undefined))
    .catch((error: unknown) => {
      const gone = TendonError.is(error, 'CONNECTION_LOST') || TendonError.is(error, 'CONNECTION_CLOSED');
      if (!gone) fault(error);
    });
}

function echo(connection: Connection): void {
  track(connection);
  connection.consume((bytes, offset, length) => {
    connection.send(bytes.slice(offset, offset + length)).catch(() => {}); // it may leave before it hears
  });
}

function subscribe(connection: Connection, broadcast: Broadcast): void {
  track(connection);
  connection.consume(() => fault(new Error('a subscriber has nothing to say')));
  broadcast.add(connection);
}

/** Numbered frames until the end, then the frame that says so. */
async function publish(broadcast: Broadcast): Promise<void> {
  let number = 0;
  while (!endBroadcasts) {
    if (!gate.closed) {
      for (let left = random.integer(1, 40); left > 0; left--) {
        const length = randomLength(random, broadcast.maxClaimBytes);
        if (broadcast.offer(maker.make({ number, seen: 0, flags: 0 }, length)) < 0) break;
        number++;
      }
    }
    await sleep(random.integer(1, 8));
  }
  const last = maker.make({ number, seen: 0, flags: END }, HEADER_BYTES);
  while (broadcast.offer(last) < 0) await sleep(1);
  counts.broadcasts += number + 1;
}

const frames = await open('shm:frames');
const unix = await open(`unix:${join(runtimeDirectory, 'soak-stream')}`);
const tcp = await open('tcp://127.0.0.1:0');
const echoes = await open('shm:echo');
const waiting = await open('shm:waiting');
const dropping = await open('shm:dropping');
const calls = await open('shm:calls');
const waitBroadcast = waiting.broadcast({ slow: 'wait', ringBytes: RING_BYTES });
const dropBroadcast = dropping.broadcast({ slow: 'drop', ringBytes: RING_BYTES });

const stub = await ServiceStub.serve(
  soakService,
  {
    echo: (value) => value,
    bytes: (value) => (value.length % 2 === 0 ? value : sleep(1).then(() => value)),
    hang: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    refuse: (what) => {
      throw serviceError('NOT_TODAY', what);
    },
    note: () => {},
  },
  { listener: calls, context },
);

const loops = [
  accept(frames, exchange),
  accept(unix, exchange),
  accept(tcp, exchange),
  accept(echoes, echo),
  accept(waiting, (connection) => subscribe(connection, waitBroadcast)),
  accept(dropping, (connection) => subscribe(connection, dropBroadcast)),
  publish(waitBroadcast),
  publish(dropBroadcast),
];
for (const loop of loops) loop.catch(fault);

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await stub.stop();
  waitBroadcast[Symbol.dispose]();
  dropBroadcast[Symbol.dispose]();
  for (const listener of [frames, unix, tcp, echoes, waiting, dropping]) await listener.close();
  await Promise.all(loops);
  process.removeAllListeners('message');
  process.removeAllListeners('disconnect');
  process.disconnect(); // nothing else may keep this process alive
}

process.on('message', (order: Order) => {
  if (order === 'pause') gate.closed = true;
  if (order === 'resume') gate.closed = false;
  if (order === 'end-broadcasts') endBroadcasts = true;
  if (order === 'stop') stop().catch(fault);
  if (order !== 'count' && order !== 'collect') return;
  const { connections, totalRequests, activeHandlers } = stub.stats;
  say({
    say: 'sample',
    sample: {
      ...holding(order === 'collect'),
      ...counts,
      connections: live.size + connections,
      agents: context.poller.agents,
      activeHandlers,
      calls: totalRequests,
      dropped: dropBroadcast.dropped,
    },
  });
});
process.once('disconnect', () => process.exit(3)); // the test is gone
say({
  say: 'listening',
  endpoints: {
    frames: frames.endpoint,
    unix: unix.endpoint,
    tcp: tcp.endpoint,
    calls: calls.endpoint,
    waiting: waiting.endpoint,
    dropping: dropping.endpoint,
    echo: echoes.endpoint,
  },
});
