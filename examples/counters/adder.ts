/** Adds 100 000 to a counter that other processes add to as well, without a lock. Started by main. */
import { type CounterId, CounterTable, ownerLiveness } from 'tendon/memory';
import { Mapping, processLiveness } from 'tendon/os';

const [bytes, id] = process.argv.slice(2).map(Number);
using mapping = Mapping.map(4, { bytes: bytes ?? 0, writable: true });
const table = CounterTable.attach(new Int32Array(mapping.buffer), 0, ownerLiveness(processLiveness, 0));
using counter = table.join(id as CounterId); // the parent made it and passed its number
for (let n = 0; n < 100_000; n++) counter.increment();
console.log(`process ${process.pid} added 100000`);
process.disconnect();
