/** Writes samples straight into the memory that the viewer reads. `sensor.js [endpoint]` */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect } from 'tendon';
import { BACK_PRESSURED, CLOSED } from 'tendon/core';
import { NUMBER_OFFSET, SAMPLE_BYTES, SAMPLES, VALUE_OFFSET } from './sample.ts';

await using viewer = await connect(process.argv[2] ?? 'shm:example-frames');

let waited = 0;
let view: DataView = new DataView(new ArrayBuffer(0));
for (let number = 0; number < SAMPLES; number++) {
  let at = viewer.tryClaim(SAMPLE_BYTES);
  while (at === BACK_PRESSURED) {
    waited++; // the viewer is behind: let it read, and the rest of this program run
    await nextTurn();
    at = viewer.tryClaim(SAMPLE_BYTES);
  }
  if (at === CLOSED) throw viewer.closeReason ?? new Error('the viewer closed the connection');
  const buffer = viewer.claimBuffer; // read anew for each claim: it may be another one
  if (view.buffer !== buffer.buffer) view = new DataView(buffer.buffer);
  view.setFloat64(buffer.byteOffset + at + NUMBER_OFFSET, number, true);
  view.setFloat64(buffer.byteOffset + at + VALUE_OFFSET, number % 2 === 0 ? 20 : 22, true);
  viewer.commit();
}
console.log(`wrote ${viewer.stats.framesSent} samples; ${waited > 0 ? 'had to wait' : 'never had to wait'}`);
