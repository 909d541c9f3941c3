/** Counters in shared memory: three processes add, this one reads while they do. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { extname, join } from 'node:path';
import { CounterTable, ownerLiveness } from 'tendon/memory';
import { closeFd, createMemfd, Mapping, processLiveness } from 'tendon/os';

const bytes = CounterTable.wordsNeeded({ capacity: 16 }) * 4;
const memory = createMemfd('counters', bytes);
try {
  using mapping = Mapping.map(memory, { bytes, writable: true });
  const words = new Int32Array(mapping.buffer);
  const table = CounterTable.create(words, 0, { capacity: 16 }, ownerLiveness(processLiveness, 0));
  using requests = table.allocate({ label: 'requests', shared: true });

  // A child inherits the descriptor as its number 4 and maps the same memory (3 is the channel of `fork`).
  const adder = join(import.meta.dirname, `adder${extname(import.meta.filename)}`);
  const children = [1, 2, 3].map(() =>
    fork(adder, [String(bytes), String(requests.id)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', memory],
    }),
  );
  await Promise.all(children.map((child) => once(child, 'exit')));

  for (const { label, value } of table.list()) console.log(`${label}: ${value}`);
} finally {
  closeFd(memory);
}
