import { TendonError } from 'tendon/core';
import { Mapping } from 'tendon/os';
import { BroadcastRing, MpscRing, SpscRing } from 'tendon/ring';
import { Bell, CAPACITY, nextRandom, Receiver, ringBell, Sender } from './traffic.ts';

/**
 * The other process. Descriptors come by number: 3 the memory, 4 the bell that we ring or the cursor, 5 our own bell.
 * What it found goes to standard output as one line of JSON.
 */
const [role, argument = '0'] = process.argv.slice(2);
const MEMORY = 3;
const turn = () => new Promise(setImmediate);

async function duplex(count: number): Promise<void> {
  const bytes = SpscRing.bytesNeeded(CAPACITY);
  const { buffer } = Mapping.map(MEMORY, { bytes: 2 * bytes, writable: true });
  const sender = new Sender(
    SpscRing.attach({ memory: buffer, byteOffset: bytes, capacityBytes: CAPACITY }).producer(),
    1,
  );
  const receiver = new Receiver(SpscRing.attach({ memory: buffer, capacityBytes: CAPACITY }).consumer(), 0);
  while (sender.sent < count || receiver.tally.received < count) {
    const moved = sender.pump(Math.min(64, count - sender.sent)) + receiver.pump(64);
    if (moved === 0) await turn();
  }
  process.stdout.write(JSON.stringify(receiver.tally));
}

/** Sends one record at a time, with a pause of random length in between: the consumer sleeps again and again. */
async function pauses(count: number): Promise<void> {
  const { buffer } = Mapping.map(MEMORY, { bytes: SpscRing.bytesNeeded(CAPACITY), writable: true });
  const producer = SpscRing.attach({ memory: buffer, capacityBytes: CAPACITY }).producer(ringBell(4));
  const sender = new Sender(producer, 0);
  let random = 99;
  while (sender.sent < count) {
    random = nextRandom(random);
    if (sender.pump(1 + (random & 3)) === 0) await turn();
    for (let i = 0; i < (random & 0x3fff); i++) random ^= i;
    if ((random & 7) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Sends until it is killed. */
async function endless(): Promise<void> {
  const { buffer } = Mapping.map(MEMORY, { bytes: SpscRing.bytesNeeded(CAPACITY), writable: true });
  const sender = new Sender(SpscRing.attach({ memory: buffer, capacityBytes: CAPACITY }).producer(), 0);
  for (;;) {
    if (sender.pump(64) === 0) await turn();
  }
}

/** One of several producers; records are (owner, number). A doomed one leaves a claim open and waits to be killed. */
async function many(count: number, doomed: boolean): Promise<void> {
  const { buffer } = Mapping.map(MEMORY, { bytes: MpscRing.bytesNeeded(CAPACITY), writable: true });
  const producer = MpscRing.attach({ memory: buffer, capacityBytes: CAPACITY }).producer({
    ownerId: process.pid,
  });
  const view = new DataView(buffer, producer.bytes.byteOffset);
  for (let i = 0; i < count; ) {
    const at = producer.tryClaim(8 + (i % 200));
    if (at < 0) {
      await turn();
      continue;
    }
    view.setInt32(at, process.pid, true);
    view.setInt32(at + 4, i, true);
    producer.commit();
    i++;
  }
  if (!doomed) return producer.close();
  producer.tryClaim(100);
  process.stdout.write('claimed');
  setInterval(() => {}, 1000);
}

/** Reads a broadcast over memory that it may not write; its cursor is a memfd of its own. */
async function listen(count: number): Promise<void> {
  const { buffer } = Mapping.map(MEMORY, { bytes: BroadcastRing.bytesNeeded(CAPACITY), writable: false });
  const cursor = Mapping.map(4, { bytes: BroadcastRing.cursorBytes, writable: true }).buffer;
  const bell = new Bell(5);
  const reader = BroadcastRing.attach({ memory: buffer, capacityBytes: CAPACITY }).reader({ memory: cursor });
  let next = 0;
  let received = 0;
  let torn = 0;
  let gaps = 0;
  const read = () =>
    reader.poll((bytes, offset, length) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
      const number = view.getInt32(0, true);
      gaps += number - next;
      next = number + 1;
      received++;
      for (let i = 4; i < length; i++) {
        if (bytes[offset + i] === ((number + i) & 255)) continue;
        torn++;
        break;
      }
    });
  while (next < count) {
    let got = -1;
    try {
      got = read();
    } catch (error) {
      if (!TendonError.is(error, 'REGION_CORRUPT')) throw error;
      torn++; // only a reader that was deceived about the policy gets here
    }
    if (got < 0) break;
    if (got === 0 && reader.park()) {
      const rang = await bell.wait();
      reader.unpark();
      if (!rang) throw new Error('overslept');
    }
  }
  bell.close();
  process.stdout.write(JSON.stringify({ received, torn, gaps, lost: reader.lostRecords, next }));
}

const count = Number(argument);
const roles: Record<string, () => Promise<void>> = {
  duplex: () => duplex(count),
  pauses: () => pauses(count),
  endless,
  many: () => many(count, false),
  doomed: () => many(count, true),
  listen: () => listen(count),
};
await roles[role ?? '']?.();
