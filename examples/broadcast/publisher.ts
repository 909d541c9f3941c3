/** Writes each quote once, for every reader. `publisher.js [endpoint] [readers]` */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { listen } from 'tendon';

const QUOTES = 10_000;
const readers = Number(process.argv[3] ?? 3);

await using listener = await listen(process.argv[2] ?? 'shm:example-broadcast');
using broadcast = listener.broadcast({ slow: 'wait' });
console.log(`listening at ${listener.endpoint}, waiting for ${readers} readers`);

const connections = [];
while (connections.length < readers) {
  const connection = await listener.accept();
  connections.push(connection);
  broadcast.add(connection);
}

const quote = Buffer.alloc(8);
for (let number = 1; number <= QUOTES; number++) {
  quote.writeDoubleLE(number);
  while (broadcast.offer(quote) < 0) await nextTurn(); // the slowest reader sets the pace
}
console.log(`published ${QUOTES} quotes to ${broadcast.subscribers} readers, ${broadcast.dropped} dropped`);

// A reader that has everything leaves.
await Promise.all(
  connections.map(async (connection) => {
    for await (const _ of connection.receive());
  }),
);
console.log('every reader has left');
