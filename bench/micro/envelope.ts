/**
 * What a base costs: `node dist-test/bench/micro/envelope.js`. Rounds are interleaved; the median of 15 is printed.
 */
import { arch, cpus, release } from 'node:os';
import {
  decodeMessage,
  EnvelopeReader,
  EnvelopeWriter,
  encodeMessage,
  Kind,
  Priority,
} from 'tendon/envelope';

const ROUNDS = 15;
const COUNT = 2_000_000;
const SLOTS = 64;
const SLOT_BYTES = 64;

const memory = new Uint8Array(SLOTS * SLOT_BYTES);
const writer = new EnvelopeWriter();
const reader = new EnvelopeReader();
const checked = encodeMessage({
  kind: Kind.REQUEST,
  checksum: true,
  subject: 'echo',
  payload: new Uint8Array(64),
});

/** Each answers a sum that depends on all it did, so that none of it can be left out. */
const subjects: Record<string, { readonly count: number; readonly run: (count: number) => number }> = {
  'write base (EnvelopeWriter.writeBase)': {
    count: COUNT,
    run(count) {
      let sum = 0;
      for (let index = 0; index < count; index++) {
        const offset = (index % SLOTS) * SLOT_BYTES;
        sum += writer.writeBase(memory, offset, Kind.REQUEST, 2, Priority.NORMAL, 0, index, 1000, 0xfeedface);
      }
      return sum + memory[7]!;
    },
  },
  'read base (EnvelopeReader.wrap, six fields)': {
    count: COUNT,
    run(count) {
      let sum = 0;
      for (let index = 0; index < count; index++) {
        reader.wrap(memory, (index % SLOTS) * SLOT_BYTES, SLOT_BYTES);
        sum +=
          reader.kind +
          reader.codec +
          reader.callId +
          reader.remainingMs +
          reader.methodId +
          reader.payloadOffset;
      }
      return sum;
    },
  },
  'read base, checksum and subject (wrap only, 96 bytes)': {
    count: COUNT / 10,
    run(count) {
      let sum = 0;
      for (let index = 0; index < count; index++)
        sum += reader.wrap(checked, 0, checked.length).payloadLength;
      return sum;
    },
  },
  'encodeMessage, base and 64 bytes': {
    count: COUNT / 20,
    run(count) {
      const payload = new Uint8Array(64);
      let sum = 0;
      for (let callId = 0; callId < count; callId++) {
        sum += encodeMessage({ kind: Kind.REQUEST, codec: 2, callId, payload }).length;
      }
      return sum;
    },
  },
  'decodeMessage, base and 64 bytes': {
    count: COUNT / 20,
    run(count) {
      let sum = 0;
      for (let index = 0; index < count; index++) sum += decodeMessage(memory, 0, SLOT_BYTES).payload.length;
      return sum;
    },
  },
};

const nsOf = new Map<string, number[]>(Object.keys(subjects).map((name) => [name, []]));
let witness = 0;
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, { count, run }] of Object.entries(subjects)) {
    const start = performance.now();
    witness += run(count);
    const ns = ((performance.now() - start) * 1e6) / count;
    if (round >= 0) nsOf.get(name)!.push(ns); // two rounds warm up
  }
}
const results = [...nsOf].map(([name, values]) => {
  values.sort((a, b) => a - b);
  return {
    workload: name,
    unit: 'ns',
    median: values[ROUNDS >> 1]!,
    min: values[0]!,
    max: values.at(-1)!,
    rounds: ROUNDS,
  };
});
const environment = {
  cpu: cpus()[0]?.model,
  arch: arch(),
  kernel: release(),
  node: process.version,
  count: COUNT,
};
console.log(
  `${environment.cpu}, Linux ${environment.kernel}, Node ${environment.node} (${witness === 0 ? 'idle' : 'verified'})`,
);
for (const { workload, median, min, max } of results) {
  console.log(`${median.toFixed(1).padStart(8)} ns  (${min.toFixed(1)} to ${max.toFixed(1)})  ${workload}`);
}
if (process.argv.includes('--json')) console.log(JSON.stringify({ environment, results }));
