/** Sends three frames and prints what comes back. `client.js [endpoint]` */
import { connect } from 'tendon';

await using connection = await connect(process.argv[2] ?? 'shm:example-echo');
for (const word of ['one', 'two', 'three']) await connection.send(Buffer.from(word));

let missing = 3;
for await (const batch of connection.receive()) {
  for (const frame of batch) console.log(`echo: ${Buffer.from(frame).toString()}`);
  missing -= batch.length;
  if (missing === 0) break;
}
console.log(`sent ${connection.stats.framesSent} frames, received ${connection.stats.framesReceived}`);
