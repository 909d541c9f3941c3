/** Sends back what it receives, to any number of clients. `server.js [endpoint]` */
import { type Connection, listen, TendonError } from 'tendon';

async function echo(connection: Connection): Promise<void> {
  try {
    for await (const batch of connection.receive()) {
      for (const frame of batch) await connection.send(frame); // waits when the client does not read
    }
    console.log('a client left');
  } catch (error) {
    if (!TendonError.is(error)) throw error;
    console.log(`a client was lost: ${error.code}`);
  }
}

await using listener = await listen(process.argv[2] ?? 'shm:example-echo');
console.log(`listening at ${listener.endpoint}`);
for await (const connection of listener) void echo(connection); // every client at the same time
