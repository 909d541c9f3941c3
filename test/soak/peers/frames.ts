/** Numbered frames both ways: connection after connection, each ended in good order and compared. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { connect } from 'tendon';
import { until } from 'tendon/testing';
import { Flow } from '../flow.ts';
import { fault, say } from '../orders.ts';
import { Client } from './client.ts';

const DEADLINE_MS = 60_000;

const client = new Client();
const { args, context, random, gate, deeds } = client;

client.run(async () => {
  const journal = args.journal === undefined ? undefined : openSync(args.journal, 'w');
  const record = Buffer.alloc(8);
  for (let number = 0; !client.finishing; number++) {
    const connection = await connect(args.endpoint, { context, timeoutMs: DEADLINE_MS });
    if (number === 0) say({ say: 'ready' });
    deeds.connections++;
    record.writeUInt32LE(number, 0);
    const flow = new Flow(connection, {
      random,
      gate,
      name: `${args.name}.${number}`,
      switching: 0.02,
      failed: fault,
      ...(journal !== undefined && {
        journal: (frames: number): void => {
          record.writeUInt32LE(frames, 4);
          writeSync(journal, record, 0, 8, 0);
        },
      }),
    });
    const bursts = args.lasting ? Infinity : random.integer(50, 1_500);
    let burst = 0;
    const going = await flow.run(() => client.finishing || burst++ >= bursts);
    if (!going) throw new Error(`${args.endpoint} ended early`, { cause: connection.closeReason });
    await flow.end();
    await until(() => flow.peerEnded || connection.state === 'closed', 'the last frame', DEADLINE_MS);
    await connection.close();
    if (!flow.peerEnded) throw new Error('the last frame is missing', { cause: connection.closeReason });
    deeds.frames += flow.sent + flow.received;
    deeds.switches += flow.switches;
  }
  if (journal !== undefined) closeSync(journal);
});
