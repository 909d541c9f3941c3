/**
 * One end of a channel in a process of its own: `node end.js client|listener DIRECTORY NAME RINGBYTES ORDER`. It goes
 * to the point that ORDER names, says so, and stands still there, so that it can be killed at that point.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Context } from 'tendon/core';
import type { Connection } from 'tendon/transport';
import { type ShmConnection, shmTransport } from 'tendon/transport/shm';
import { Checker, contentOf, FROM_CLIENT, FROM_LISTENER, lengthOf, sendNumbered } from '../traffic.ts';

const [role = '', directory = '', name = '', ringBytes = '', order = ''] = process.argv.slice(2);
const context = new Context({ runtimeDirectory: directory });
const endpoint = `shm:${name}`;
const own = role === 'client' ? FROM_CLIENT : FROM_LISTENER;
const ownLength = (number: number): number => lengthOf(number, own);
const theirLength = (number: number): number => lengthOf(number, 1 - own);

/** On its way before the next line runs. */
function say(what: string): void {
  writeSync(1, `${what}\n`);
}

function standStill(what: string): never {
  say(what);
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

async function open(): Promise<ShmConnection> {
  if (role === 'client') return shmTransport.connect(endpoint, { context });
  const listener = await shmTransport.listen(endpoint, { context, ringBytes: Number(ringBytes) });
  say('listening');
  return (await listener.accept()) as ShmConnection; // shm: accepts nothing else
}

/** So many frames are committed before each point. */
const COMMITTED = 50;

const orders: Record<string, (connection: ShmConnection) => Promise<void> | void> = {
  /** a claim without a body */
  claim: (connection) => {
    connection.tryClaim(1000);
    standStill('there');
  },
  /** header and body are written, nothing is published */
  written: (connection) => {
    const at = connection.tryClaim(1000);
    connection.claimBuffer.fill(0xee, at, at + 1000);
    standStill('there');
  },
  /** committed but held back */
  corked: (connection) => {
    connection.cork();
    connection.offer(Buffer.alloc(1000, 0xee));
    standStill('there');
  },
  committed: () => standStill('there'),
  /** the first parts of a frame that is larger than the ring */
  half: (connection) => {
    connection.offer(Buffer.alloc(1 << 20, 0xee));
    standStill('there');
  },
  /** inside the handler of the second frame */
  handler: (connection) => {
    let frames = 0;
    connection.consume(() => {
      if (++frames === 2) standStill('there');
    });
  },
  marker: (connection) => {
    connection.useSocket();
    standStill('there');
  },
  /** frames by socket follow the marker */
  socket: async (connection) => {
    connection.useSocket();
    await sendNumbered(connection, COMMITTED, 2 * COMMITTED, ownLength);
    standStill('there');
  },
  /** back in memory */
  switched: async (connection) => {
    connection.useSocket();
    await sendNumbered(connection, COMMITTED, 2 * COMMITTED, ownLength);
    connection.useMemory();
    await sendNumbered(connection, 2 * COMMITTED, 3 * COMMITTED, ownLength);
    standStill('there');
  },
  /** traffic both ways; with `switching` also from memory to the socket and back */
  flood: (connection) => flood(connection, false),
  switching: (connection) => flood(connection, true),
  /** reads, and says how far it is once a second */
  read: (connection) => {
    connection.consume(new Checker(theirLength).take);
    say('there');
  },
  /** returns every frame until the other side closes */
  echo: (connection) => {
    connection.consume((bytes, offset, length) => {
      if (connection.offer(bytes, offset, length) !== 0)
        void connection.send(bytes.slice(offset, offset + length));
    });
    say('there');
  },
  /** is there, and says at the end what it cost */
  idle: async (connection) => {
    let frames = 0;
    connection.consume(() => frames++);
    say('there');
    for await (const _line of process.stdin) {
      const before = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const { user, system } = process.cpuUsage(before);
      say(`cpu ${(user + system) / 1000}`);
    }
  },
};

async function flood(connection: Connection & ShmConnection, switching: boolean): Promise<void> {
  connection.consume(new Checker(theirLength).take);
  say('there');
  for (let number = COMMITTED; ; number++) {
    const frame = contentOf(number, ownLength(number));
    if (connection.offer(frame) !== 0) await connection.send(frame);
    if (number % 64 === 0) {
      if (connection.stats.active === 'shm') say(`committed ${number + 1}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (switching && number % 200 === 0) connection.useSocket();
    if (switching && number % 200 === 100) connection.useMemory();
  }
}

const connection = await open();
connection.events.on('state', (state, reason) => {
  if (state === 'closed') say(`closed ${reason?.code ?? 'orderly'}`);
});
say('open');
if (order !== 'handler' && order !== 'read' && order !== 'echo' && order !== 'idle')
  await sendNumbered(connection, 0, COMMITTED, ownLength);
if (order === 'marker' || order === 'socket' || order === 'switched') await once(process.stdin, 'data');
await orders[order]!(connection);
