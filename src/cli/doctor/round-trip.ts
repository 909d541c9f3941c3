import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Context } from '../../core/index.ts';
import { listen } from '../../index.ts';
import { nativeStatus } from '../../os/index.ts';
import type { Connection, ConnectionStats } from '../../transport/index.ts';
import { figures } from '../terminal/index.ts';
import { type Check, fail, ok, warn } from './check.ts';

const ECHO_PROGRAM = fileURLToPath(new URL('./echo.process.js', import.meta.url));
const TIMEOUT_MS = 15_000;
const TRIPS = 200;
const FRAME_BYTES = 64;

/** A channel to another process, really opened, with frames there and back. */
export async function checkRoundTrip(runtimeDirectory: string | undefined): Promise<Check> {
  const name = 'channel';
  const endpoint = `auto:doctor-${process.pid}`;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let child: ChildProcess | undefined;
  try {
    const context = new Context(runtimeDirectory === undefined ? {} : { runtimeDirectory });
    await using listener = await listen(endpoint, { context });
    child = spawn(process.execPath, [ECHO_PROGRAM, endpoint, runtimeDirectory ?? ''], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await using connection = await listener.accept({ signal });
    const medianUs = await measure(connection, signal);
    const { stats } = connection;
    const found = `process ${child.pid} answered ${TRIPS} times over ${stats.active}, median ${figures.microseconds(medianUs)}`;
    return judge(name, found, stats);
  } catch (error) {
    const why = signal.aborted
      ? `no round trip within ${TIMEOUT_MS} ms`
      : String((error as Error).message ?? error);
    return fail(name, why, 'mend what failed above first');
  } finally {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.stdin?.end(); // its sign to end
      const timer = setTimeout(() => child?.kill('SIGKILL'), 2_000);
      await exit;
      clearTimeout(timer);
    }
  }
}

function judge(name: string, found: string, stats: ConnectionStats): Check {
  if (stats.active === 'shm' || !nativeStatus().available) return ok(name, found);
  return warn(
    name,
    `${found}: ${stats.fallbackReason}`,
    'it works, slower; mend what failed above, then it uses memory',
  );
}

async function measure(connection: Connection, signal: AbortSignal): Promise<number> {
  const frame = new Uint8Array(FRAME_BYTES);
  const tookMs: number[] = [];
  const answers = connection.receive({ signal })[Symbol.asyncIterator]();
  for (let trip = 0; trip < TRIPS; trip++) {
    frame[0] = trip;
    const startedMs = performance.now();
    await connection.send(frame, { signal });
    const { value } = await answers.next();
    tookMs.push(performance.now() - startedMs);
    if (value?.[0]?.length !== FRAME_BYTES || value[0][0] !== frame[0])
      throw new Error(`the answer to frame ${trip} was not that frame`);
  }
  await answers.return?.();
  return tookMs.sort((a, b) => a - b)[TRIPS >> 1]! * 1000;
}
