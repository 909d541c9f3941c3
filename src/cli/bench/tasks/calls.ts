import { setTimeout as sleep } from 'node:timers/promises';
import { deferred } from '../deferred.ts';
import { MessageReader, MessageWriter } from '../message.ts';
import { DurationRecorder } from '../statistics.ts';
import type { CallClient, CallServer } from '../subject.ts';
import { percentilesUs } from './lap.ts';
import { monotonicNs, type SideReport } from './side.ts';

interface Calls {
  readonly bytes: number;
  readonly seconds: number;
  readonly inFlight: number;
  readonly gapMs: number;
}

/** Answers each call with its own bytes, until the marked last one. */
export async function answerCalls(server: CallServer, task: { readonly bytes: number }): Promise<SideReport> {
  const reader = new MessageReader(task.bytes, false);
  const over = deferred<void>();
  const firstNs = monotonicNs();
  let count = 0;
  let faults = 0;
  server.serve((request) => {
    if (!reader.read(request, 0, request.length)) faults += 1;
    count += 1;
    if (reader.last) over.resolve();
    return request;
  });
  await over.promise;
  return { count, faults, firstNs, lastNs: monotonicNs() };
}

/** Keeps `inFlight` calls under way, each awaited by a loop of its own, until the time is over. */
export async function makeCalls(client: CallClient, task: Calls): Promise<SideReport> {
  const writer = new MessageWriter(task.bytes);
  const recorder = new DurationRecorder();
  let count = 0;
  let faults = 0;

  const call = async (lane: Lane, last: boolean): Promise<void> => {
    const sequence = count;
    count += 1;
    writer.write(lane.message, 0, sequence, last);
    const answer = await client.call(lane.message);
    if (!lane.reader.read(answer, 0, answer.length) || lane.reader.sequence !== sequence) faults += 1;
  };
  const lanes = Array.from(
    { length: task.inFlight },
    (): Lane => ({
      message: new Uint8Array(task.bytes),
      reader: new MessageReader(task.bytes, true),
    }),
  );
  const firstNs = monotonicNs();
  const endMs = performance.now() + task.seconds * 1000;
  const run = async (lane: Lane): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs; ) {
      await call(lane, false);
      const answeredMs = performance.now();
      if (task.inFlight === 1) recorder.record(answeredMs - nowMs);
      nowMs = answeredMs;
      if (task.gapMs > 0) {
        await sleep(task.gapMs);
        nowMs = performance.now();
      }
    }
  };
  await Promise.all(lanes.map(run));
  const lastNs = monotonicNs();
  await call(lanes[0]!, true);
  return {
    count,
    faults,
    firstNs,
    lastNs,
    ...(task.inFlight === 1 && { percentiles: percentilesUs(recorder) }),
  };
}

interface Lane {
  readonly message: Uint8Array;
  readonly reader: MessageReader;
}
