import type { MessageSink } from './message.ts';

/** Even one who finds work each time gives the event loop a turn after so many polls. */
const POLLS_PER_TURN = 1 << 14;

/**
 * Fruitless tries of a memory transport before the event loop gets a turn: about 0.2 ms, as long as the poller
 * spins, and longer than a neighbour's interrupt takes.
 */
export const MEMORY_SPINS = 10_000;

/**
 * Senders publish once for so many bytes: a position that moves with every message makes its cache line travel
 * with every message. (A socket is given batches four times as large.)
 */
const BATCH_BYTES = 16 * 1024;

/** Messages that are published together. */
export function batchOf(bytes: number): number {
  return Math.max(1, Math.floor(BATCH_BYTES / bytes));
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Receives one window through a polled face: spins while there may be more, then yields to the event loop.
 * The control and the transports use this same loop, so that they differ in what they poll alone.
 *
 * @param spins fruitless polls before a yield; 0 for what the event loop itself has to bring
 */
export async function pollWindow(poll: () => number, sink: MessageSink, spins: number): Promise<void> {
  let fruitless = 0;
  let polls = 0;
  while (!sink.done) {
    fruitless = poll() > 0 ? 0 : fruitless + 1;
    polls += 1;
    if (fruitless <= spins && polls < POLLS_PER_TURN) continue;
    fruitless = 0;
    polls = 0;
    await turn();
  }
}
