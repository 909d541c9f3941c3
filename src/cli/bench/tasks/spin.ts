import { MessageReader, MessageWriter } from '../message.ts';
import { DurationRecorder } from '../statistics.ts';
import type { MessageHandler, SpinDuplex } from '../subject.ts';
import { percentilesUs } from './lap.ts';
import { monotonicNs, type SideReport } from './side.ts';

interface Spin {
  readonly bytes: number;
  readonly seconds: number;
}

/** A spinner looks at the clock this often, to give up when the other side is gone. */
const SPINS_PER_CLOCK = 1 << 16;
const GIVE_UP_MS = 10_000;

/** Polls until something came. */
class Spinner {
  readonly #duplex: SpinDuplex;
  readonly #handler: MessageHandler;

  constructor(duplex: SpinDuplex, handler: MessageHandler) {
    this.#duplex = duplex;
    this.#handler = handler;
  }

  /** @hot */
  next(): void {
    let spins = 0;
    let giveUpMs = 0;
    while (this.#duplex.poll(this.#handler) === 0) {
      spins += 1;
      if ((spins & (SPINS_PER_CLOCK - 1)) !== 0) continue;
      const nowMs = performance.now();
      if (giveUpMs === 0) giveUpMs = nowMs + GIVE_UP_MS;
      if (nowMs > giveUpMs) throw new Error('the other side of a spinning round trip does not answer');
    }
  }

  offer(message: Uint8Array): void {
    while (!this.#duplex.offer(message)) {
      // A round trip has one message under way: the ring is full only until its reader's position shows.
    }
  }
}

export async function echoSpinning(duplex: SpinDuplex, task: Spin): Promise<SideReport> {
  await new Promise((resolve) => setImmediate(resolve)); // lets 'armed' be answered before the thread is taken
  const reader = new MessageReader(task.bytes, false);
  const answer = new Uint8Array(task.bytes);
  const answerView = new DataView(answer.buffer);
  let received: Uint8Array = new Uint8Array(0);
  let receivedView = new DataView(received.buffer);
  let faults = 0;
  const spinner = new Spinner(duplex, (bytes, offset, length) => {
    if (!reader.read(bytes, offset, length)) faults += 1;
    if (bytes !== received) {
      received = bytes;
      receivedView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    // Word by word, as the C ring's peer copies; whole words: see MessageWriter.
    for (let i = 0; i < length; i += 4) answerView.setInt32(i, receivedView.getInt32(offset + i, true), true);
  });
  const firstNs = monotonicNs();
  let count = 0;
  do {
    spinner.next();
    spinner.offer(answer);
    count += 1;
  } while (!reader.last);
  return { count, faults, firstNs, lastNs: monotonicNs() };
}

export function pingSpinning(duplex: SpinDuplex, task: Spin): SideReport {
  const writer = new MessageWriter(task.bytes);
  const reader = new MessageReader(task.bytes, true);
  const message = new Uint8Array(task.bytes);
  const recorder = new DurationRecorder();
  let faults = 0;
  let count = 0;
  const spinner = new Spinner(duplex, (bytes, offset, length) => {
    if (!reader.read(bytes, offset, length) || reader.sequence !== count) faults += 1;
  });
  const firstNs = monotonicNs();
  let beforeMs = performance.now();
  const endMs = beforeMs + task.seconds * 1000;
  for (let last = false; !last; count += 1) {
    last = beforeMs >= endMs;
    writer.write(message, 0, count, last);
    spinner.offer(message);
    spinner.next();
    // One reading of the clock a lap: the end of one is the beginning of the next, nothing goes uncounted.
    const nowMs = performance.now();
    recorder.record(nowMs - beforeMs);
    beforeMs = nowMs;
  }
  return { count, faults, firstNs, lastNs: monotonicNs(), percentiles: percentilesUs(recorder) };
}
