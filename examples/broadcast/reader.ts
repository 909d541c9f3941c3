/** Adds up the quotes of a publisher. `reader.js [endpoint]` */
import { connect } from 'tendon';

const QUOTES = 10_000;

await using publisher = await connect(process.argv[2] ?? 'shm:example-broadcast');
let count = 0;
let sum = 0;
for await (const batch of publisher.receive()) {
  for (const frame of batch) {
    count++;
    sum += Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).readDoubleLE();
  }
  if (count === QUOTES) break;
}
console.log(`${count} quotes, sum ${sum}`);
