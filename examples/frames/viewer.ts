/** Receives samples in place, without a copy and without an object a sample. `viewer.js [endpoint]` */
import { listen } from 'tendon';
import { NUMBER_OFFSET, SAMPLE_BYTES, SAMPLES, VALUE_OFFSET } from './sample.ts';

await using listener = await listen(process.argv[2] ?? 'shm:example-frames');
console.log(`listening at ${listener.endpoint}`);
await using sensor = await listener.accept();

let expected = 0;
let lost = 0;
let sum = 0;
let seen: DataView = new DataView(new ArrayBuffer(0));
const ended = new Promise<void>((resolve) => {
  sensor.events.on('state', (state) => {
    if (state === 'closed') resolve();
  });
});

// The bytes are the ring itself and valid during the call only. The buffer is the same most of the time, so is the view.
sensor.consume((bytes, offset, length) => {
  if (length !== SAMPLE_BYTES) throw new Error(`a sample has ${SAMPLE_BYTES} bytes, this one ${length}`);
  if (seen.buffer !== bytes.buffer) seen = new DataView(bytes.buffer);
  const at = bytes.byteOffset + offset;
  lost += seen.getFloat64(at + NUMBER_OFFSET, true) - expected;
  expected = seen.getFloat64(at + NUMBER_OFFSET, true) + 1;
  sum += seen.getFloat64(at + VALUE_OFFSET, true);
});
await ended;
console.log(
  `${sensor.stats.framesReceived} of ${SAMPLES} samples, ${lost} lost, mean ${(sum / expected).toFixed(1)}`,
);
