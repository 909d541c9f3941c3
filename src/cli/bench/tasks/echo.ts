import { deferred } from '../deferred.ts';
import { MessageReader, MessageWriter } from '../message.ts';
import { DurationRecorder } from '../statistics.ts';
import type { Duplex } from '../subject.ts';
import { percentilesUs } from './lap.ts';
import { monotonicNs, type SideReport } from './side.ts';

interface Exchange {
  readonly bytes: number;
  readonly seconds: number;
  readonly inFlight: number;
  /** pause between an answer and the next question; with one in flight only */
  readonly gapMs: number;
}

/** Sends back what comes, up to and including the marked last message. */
export async function echoMessages(duplex: Duplex, task: { readonly bytes: number }): Promise<SideReport> {
  const reader = new MessageReader(task.bytes, false);
  const over = deferred<void>();
  const firstNs = monotonicNs();
  let count = 0;
  let faults = 0;
  duplex.listen((bytes, offset, length) => {
    if (!reader.read(bytes, offset, length) || reader.sequence !== count) faults += 1;
    count += 1;
    duplex.post(bytes, offset, length);
    if (reader.last) over.resolve();
  });
  await over.promise;
  return { count, faults, firstNs, lastNs: monotonicNs() };
}

/** Keeps `inFlight` messages under way until the time is over; answers come in order. */
export async function exchangeMessages(duplex: Duplex, task: Exchange): Promise<SideReport> {
  const writer = new MessageWriter(task.bytes);
  const reader = new MessageReader(task.bytes, true);
  const message = new Uint8Array(task.bytes);
  const recorder = new DurationRecorder();
  const over = deferred<void>();
  let sent = 0;
  let answered = 0;
  let faults = 0;
  let sentMs = 0;

  const ask = (last: boolean): void => {
    writer.write(message, 0, sent, last);
    sent += 1;
    sentMs = performance.now();
    duplex.post(message, 0, task.bytes);
  };
  const endMs = performance.now() + task.seconds * 1000;
  duplex.listen((bytes, offset, length) => {
    const nowMs = performance.now();
    if (task.inFlight === 1) recorder.record(nowMs - sentMs);
    if (!reader.read(bytes, offset, length) || reader.sequence !== answered) faults += 1;
    answered += 1;
    if (reader.last) {
      over.resolve();
    } else if (nowMs < endMs) {
      if (task.gapMs > 0) setTimeout(ask, task.gapMs, false);
      else ask(false);
    } else if (answered === sent) {
      ask(true); // the last one travels alone: the responder may stop after it
    }
  });
  const firstNs = monotonicNs();
  for (let i = 0; i < task.inFlight; i += 1) ask(false);
  await over.promise;
  const lastNs = monotonicNs();
  return {
    count: answered,
    faults,
    firstNs,
    lastNs,
    ...(task.inFlight === 1 && { percentiles: percentilesUs(recorder) }),
  };
}
