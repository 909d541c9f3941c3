import { MessageWriter } from '../message.ts';
import { DurationRecorder } from '../statistics.ts';
import type { Dialer } from '../subject.ts';
import { percentilesUs } from './lap.ts';
import { monotonicNs, type SideReport } from './side.ts';

/** Opens one connection after the other; each counts from its beginning to the echo of its first message. */
export async function dialRepeatedly(
  dialer: Dialer,
  task: { readonly bytes: number; readonly seconds: number },
): Promise<SideReport> {
  const writer = new MessageWriter(task.bytes);
  const message = new Uint8Array(task.bytes);
  const recorder = new DurationRecorder();
  const firstNs = monotonicNs();
  const endMs = performance.now() + task.seconds * 1000;
  let count = 0;
  do {
    writer.write(message, 0, count, false);
    const startMs = performance.now();
    await dialer.dial(message, () => recorder.record(performance.now() - startMs));
    count += 1;
  } while (performance.now() < endMs);
  return {
    count,
    faults: count - recorder.count,
    firstNs,
    lastNs: monotonicNs(),
    percentiles: percentilesUs(recorder),
  };
}
