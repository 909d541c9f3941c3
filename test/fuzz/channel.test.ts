import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Context, TendonError } from 'tendon/core';
import {
  closeFd,
  createMemfd,
  socketReceiveFds,
  socketSend,
  socketSendFds,
  unixAccept,
  unixConnect,
  unixListen,
} from 'tendon/os';
import type { Connection } from 'tendon/transport';
import { shmTransport } from 'tendon/transport/shm';
import { fuzzPlan, hostileBytes, Random } from './seeded.ts';

const { seed, runs } = fuzzPlan(600);
const WAIT_MS = 10_000;
/** What a stranger's bytes may be answered with; anything else is a fault of ours. */
const EXPECTED = new Set([
  'PROTOCOL_ERROR',
  'VERSION_UNSUPPORTED',
  'CONNECTION_LOST',
  'CONNECTION_REFUSED',
  'PERMISSION_DENIED',
  'REGION_UNSAFE',
  'REGION_CORRUPT',
]);

function message(type: number, body: readonly number[] | Uint8Array = [], text = ''): Uint8Array {
  const words = body instanceof Uint8Array ? Buffer.from(body) : Buffer.alloc(body.length * 4);
  if (!(body instanceof Uint8Array))
    body.forEach((word, at) => {
      words.writeUInt32LE(word >>> 0, at * 4);
    });
  const all = Buffer.concat([words, Buffer.from(text)]);
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32LE(all.length, 4);
  return Buffer.concat([header, all]);
}

const [MAGIC_LOW, MAGIC_HIGH] = [0x4e444e54, 0x4e414843];
const HELLO = message(0x10, [MAGIC_LOW, MAGIC_HIGH, 1, 1, 3, 1 << 20, 4096]);
const PLAIN_HELLO = message(0x10, [MAGIC_LOW, MAGIC_HIGH, 1, 1, 0, 1 << 20, 0]);
const FRAME = message(0x30, new Uint8Array(100));
const CONTROL = [0x31, 0x32, 0x33, 0x40, 0x41, 0x51, 0x52, 0x60, 0x21, 0x22].map((type) =>
  message(type, [1]),
);

/** What a client says, whole; the fuzzer spoils it. */
const FROM_CLIENT = [
  HELLO,
  Buffer.concat([HELLO, message(0x21), message(0x31)]),
  Buffer.concat([HELLO, message(0x22, [1], 'no room')]),
  Buffer.concat([PLAIN_HELLO, FRAME, Uint8Array.of(1, 1), FRAME, message(0x60)]),
  Buffer.concat([PLAIN_HELLO, ...CONTROL]),
  Buffer.concat([HELLO, ...CONTROL]),
];
const FROM_LISTENER = [
  Buffer.concat([message(0x11, [1, 0, 4096]), FRAME, message(0x60)]),
  Buffer.concat([message(0x11, [1, 1, 1 << 20]), message(0x20, [12_288, 0, 4096, 4736, 4096])]),
  Buffer.concat([message(0x11, [1, 3, 1 << 20]), message(0x22, [1], 'later'), ...CONTROL]),
  message(0x12, [3], 'busy'),
  Buffer.concat([message(0x11, [1, 1, 64]), message(0x50, [1, 4096, 512, 4096, 64]), message(0x53, [1])]),
];

/** In pieces, so that messages are cut anywhere; sometimes with a descriptor. */
function sendInPieces(fd: number, bytes: Uint8Array, random: Random, memory: number): void {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + random.below(random.below(3) === 0 ? 5 : 400));
    const sent =
      random.below(4) === 0
        ? socketSendFds(fd, bytes, at, length, [memory])
        : socketSend(fd, bytes, at, length);
    if (sent <= 0) return; // the victim hung up
    at += sent;
  }
}

function drain(fd: number): void {
  const fds: number[] = [];
  const chunk = new Uint8Array(65_536);
  for (;;) {
    let count = 0;
    try {
      count = socketReceiveFds(fd, chunk, 0, chunk.length, fds);
    } catch {
      // reset: nothing more comes
    }
    for (const passed of fds.splice(0)) closeFd(passed);
    if (count <= 0) return;
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const giveUp = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > giveUp) throw new Error(`waited for ${what}; TENDON_FUZZ_SEED=${seed}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function judge(error: TendonError | undefined, run: number): void {
  if (error !== undefined && !EXPECTED.has(error.code)) {
    assert.fail(new Error(`run ${run}: ${String(error)}; TENDON_FUZZ_SEED=${seed}`, { cause: error }));
  }
}

async function inPlace(action: (directory: string, context: Context) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tendon-fuzz-'));
  chmodSync(directory, 0o700);
  const before = readdirSync('/proc/self/fd').length;
  try {
    await action(directory, new Context({ runtimeDirectory: directory }));
    await until(() => readdirSync('/proc/self/fd').length <= before, 'all descriptors to be closed');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe(`the life-line of a channel, fuzzed (TENDON_FUZZ_SEED=${seed}, ${runs} runs)`, () => {
  it('[CHANNEL-6] [CHANNEL-16] a listener answers any bytes with an expected error or with service, and serves the next', () =>
    inPlace(async (directory, context) => {
      const random = new Random(seed);
      const memory = createMemfd('fuzz', 12_288, { seal: 'size' });
      const listener = await shmTransport.listen('shm:fuzz', {
        context,
        ringBytes: 4096,
        maxFrameBytes: 1 << 16,
      });
      let over = 0;
      let run = 0;
      let stopped = false;
      const wrong: unknown[] = [];
      const judged = (error: TendonError | undefined): void => {
        over++;
        try {
          judge(error, run);
        } catch (failure) {
          wrong.push(failure);
        }
      };
      listener.events.on('refused', judged);
      const accepting = (async () => {
        for await (const connection of listener) {
          if (stopped) break;
          connection.consume(() => {});
          connection.offer(new Uint8Array(10));
          if (connection.state === 'closed') judged(connection.closeReason);
          else connection.events.on('state', (state, reason) => state === 'closed' && judged(reason));
        }
      })();
      for (; run < runs; run++) {
        const fd = unixConnect(join(directory, 'fuzz.sock'));
        sendInPieces(fd, hostileBytes(random, FROM_CLIENT), random, memory);
        for (let turns = random.below(4); turns > 0; turns--)
          await new Promise((resolve) => setImmediate(resolve));
        drain(fd);
        closeFd(fd);
        if (run % 50 === 49) await until(() => over > run - 40, `the connections before run ${run} to end`);
      }
      assert.deepEqual(wrong, []);
      const client = await shmTransport.connect('shm:fuzz', { context });
      assert.equal(client.stats.active, 'shm');
      stopped = true;
      await client.close();
      await listener.close();
      await accepting;
      closeFd(memory);
    }));

  it('[CHANNEL-6] [CHANNEL-14] a client answers any bytes of its listener with an expected error, or connects', () =>
    inPlace(async (directory, context) => {
      const random = new Random(seed + 1);
      const memory = createMemfd('fuzz', 12_288, { seal: 'size' });
      for (let run = 0; run < runs / 2; run++) {
        // A door for each run: a client that takes its listener for dead looks whether the socket still answers.
        const path = join(directory, `fuzz${run}.sock`);
        const door = unixListen(path);
        let result: Connection | TendonError | undefined;
        shmTransport.connect(`shm:fuzz${run}`, { context, timeoutMs: 2 * WAIT_MS }).then(
          (connection) => {
            result = connection;
          },
          (error: TendonError) => {
            result = error;
          },
        );
        let fd = -1;
        await until(() => {
          fd = unixAccept(door);
          return fd >= 0;
        }, 'the client');
        const bytes = hostileBytes(random, FROM_LISTENER);
        sendInPieces(fd, bytes, random, memory);
        for (let turns = random.below(4); turns > 0; turns--)
          await new Promise((resolve) => setImmediate(resolve));
        drain(fd);
        closeFd(fd);
        closeFd(door);
        rmSync(path);
        await until(
          () => result !== undefined,
          `an outcome of run ${run}, bytes ${Buffer.from(bytes).toString('hex')}`,
        );
        if (TendonError.is(result)) judge(result, run);
        else {
          const connection = result as Connection; // one of the two
          connection.consume(() => {});
          await until(() => connection.state === 'closed', `run ${run} to end`);
          judge(connection.closeReason, run);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      closeFd(memory);
    }));
});
