/** Reads a broadcast, fast or slowly, and compares the numbers. Its end is the frame that says so. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'tendon';
import { say } from '../orders.ts';
import { END, readHead } from '../traffic.ts';
import { Client } from './client.ts';

const client = new Client();
const { args, context, random, gate, deeds } = client;

client.run(async () => {
  let said = false;
  let announced = false;
  let over = false;
  while (!over) {
    const connection = await connect(args.endpoint, { context, timeoutMs: 60_000 });
    deeds.connections++;
    let last = -1;
    let failure: Error | undefined;
    const take = (bytes: Uint8Array, offset: number, length: number): void => {
      try {
        const head = readHead(bytes, offset, length);
        const skipped = last < 0 ? 0 : head.number - last - 1;
        if (skipped < 0 || (skipped > 0 && !args.gaps))
          throw new Error(`broadcast frame ${head.number} came after ${last}`);
        deeds.missed += skipped;
        deeds.frames++;
        last = head.number;
        if (head.flags & END) over = true;
      } catch (error) {
        failure ??= error as Error; // ours, or of readHead
      }
    };
    if (args.limit === 0) connection.consume(take);
    let turns = args.lasting ? Infinity : random.integer(100, 3_000);
    while (!over && failure === undefined && connection.state !== 'closed') {
      await gate.pass();
      if (args.limit > 0) connection.poll(take, args.limit);
      if (last >= 0 && !said) {
        said = true;
        say({ say: 'ready' });
      }
      if (last >= 0 && client.finishing && !announced) {
        announced = true;
        turns = Infinity; // stays until the end now
        say({ say: 'finishing' });
      }
      if (turns-- <= 0) break;
      await sleep(args.paceMs);
    }
    if (failure !== undefined) throw failure;
    if (connection.state === 'closed')
      throw new Error(`${args.endpoint} ended early`, { cause: connection.closeReason });
    await connection.close();
  }
});
