/**
 * The other process of the transport tests: `node peer.js ROLE ENDPOINT MODULE EXPORT`. It says on its standard output,
 * a line of JSON each, what the test waits for.
 */
import { Context } from 'tendon/core';
import { assertNumbered, numberedFrame } from 'tendon/testing';
import type { Connection, Transport } from 'tendon/transport';

const [role = '', endpoint = '', module = '', exported = ''] = process.argv.slice(2);

function say(what: string, more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ what, ...more })}\n`);
}

async function open(context: Context): Promise<Connection> {
  const transport = (await import(module))[exported] as Transport; // the test names it
  const connection = await transport.connect(endpoint, { context });
  connection.events.on('state', (state, reason) => say('state', { state, code: reason?.code }));
  say('open');
  return connection;
}

/** Keeps the process alive while the test wants it. */
function stay(): void {
  process.stdin.resume();
}

const context = new Context();
const connection = await open(context);
switch (role) {
  case 'echo':
    connection.consume((bytes, offset, length) => {
      if (connection.offer(bytes, offset, length) !== 0)
        void connection.send(bytes.slice(offset, offset + length));
    });
    stay();
    break;
  case 'flood': {
    // Sends numbered frames for ever; what it says was sent has been taken by the connection.
    stay();
    for (let sequence = 0; connection.state === 'open' || connection.state === 'degraded'; sequence++) {
      await connection.send(numberedFrame(sequence, (sequence * 7919) % 3000)).catch(() => {});
      if (sequence % 500 === 0) {
        say('sent', { sequence });
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    break;
  }
  case 'committed': {
    // Commits fifty frames, says so, and waits to be killed. Few enough for any kernel to take them at once: what a
    // socket has no room for yet is in this process, and dies with it.
    for (let sequence = 0; sequence < 50; sequence++) await connection.send(numberedFrame(sequence, 500));
    await new Promise((resolve) => setImmediate(resolve));
    say('committed');
    stay();
    break;
  }
  case 'read': {
    let next = 0;
    connection.consume((bytes, offset, length) => {
      assertNumbered(bytes, offset, length, next++);
      if (next % 1000 === 0) say('read', { next });
    });
    stay();
    break;
  }
  case 'silent':
    stay();
    break;
  case 'unref':
    // Nothing else keeps this process: it must end by itself though the connection is open.
    connection.consume(() => {});
    connection.unref();
    break;
  case 'close':
    for (let sequence = 0; sequence < 2000; sequence++) await connection.send(numberedFrame(sequence, 500));
    await connection.close();
    say('closed');
    break;
  default:
    throw new Error(`no role "${role}"`);
}
