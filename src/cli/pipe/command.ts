import { type Command, Option } from 'commander';
import type { Context } from '../../core/index.ts';
import { listen } from '../../index.ts';
import type { Connection } from '../../transport/index.ts';
import {
  connectWithin,
  contextOf,
  ENDPOINT_HELP,
  type GlobalFlags,
  parseCount,
  parseSeconds,
} from '../endpoint-flags.ts';
import { Interrupt } from '../interrupt.ts';
import { figures } from '../terminal/index.ts';
import { Output } from './output.ts';
import { receiveTo } from './receive.ts';
import { sendInput } from './send.ts';

const PIPE_DEFAULTS = { chunkBytes: 256 * 1024, ringBytes: 4 * 1024 * 1024, waitSeconds: 10 } as const;
const STDIN = 0;
const STDOUT = 1;
/** 128 + SIGPIPE: what a shell shows for a program whose reader went away. */
const READER_GONE = 141;

interface Flags extends GlobalFlags {
  readonly listen?: boolean;
  readonly connect?: boolean;
  readonly wait: number;
  readonly quiet?: boolean;
}

/** Adds `tendon send` and `tendon receive` to the program. */
export function registerPipe(program: Command): void {
  const quiet = (): Option => new Option('-q, --quiet', 'do not say how much it was and how long it took');
  const wait = (): Option =>
    new Option('--wait <seconds>', 'how long to look for the other side when connecting')
      .argParser(parseSeconds)
      .default(PIPE_DEFAULTS.waitSeconds);
  program
    .command('send')
    .description('send standard input to "tendon receive" and wait until all of it is written there')
    .argument('<endpoint>', ENDPOINT_HELP)
    .option('--chunk <bytes>', 'the largest frame', parseCount, PIPE_DEFAULTS.chunkBytes)
    .option('--listen', 'wait for the receiver to connect (it then needs --connect)')
    .addOption(wait())
    .addOption(quiet())
    .action((endpoint: string, _: unknown, command: Command) => send(endpoint, command.optsWithGlobals()));
  program
    .command('receive')
    .description('write to standard output what one "tendon send" sends')
    .argument('<endpoint>', ENDPOINT_HELP)
    .addOption(new Option('--listen', 'wait for the sender to connect (the default)').conflicts('connect'))
    .option('--connect', 'connect to a sender that runs with --listen')
    .addOption(wait())
    .addOption(quiet())
    .action((endpoint: string, _: unknown, command: Command) => receive(endpoint, command.optsWithGlobals()));
}

async function send(endpoint: string, flags: Flags & { readonly chunk: number }): Promise<void> {
  using interrupt = new Interrupt();
  try {
    const connection = await meet(endpoint, flags.listen === true, flags, interrupt.signal);
    const startedMs = performance.now();
    const { active } = connection.stats;
    try {
      const chunkBytes = Math.min(flags.chunk, connection.maxFrameBytes);
      const bytes = await sendInput(connection, STDIN, chunkBytes, interrupt.signal);
      report('sent', bytes, startedMs, active, flags);
      await connection.close();
    } finally {
      connection.destroy();
    }
  } catch (error) {
    interrupt.orThrow(error);
  }
}

async function receive(endpoint: string, flags: Flags): Promise<void> {
  using interrupt = new Interrupt();
  try {
    const connection = await meet(endpoint, flags.connect !== true, flags, interrupt.signal);
    const startedMs = performance.now();
    const { active } = connection.stats;
    try {
      const bytes = await receiveTo(connection, new Output(STDOUT), interrupt.signal);
      await connection.close();
      report('received', bytes, startedMs, active, flags);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
      await connection.close(); // in order: the sender learns that it was not a crash
      process.exitCode = READER_GONE;
    } finally {
      connection.destroy();
    }
  } catch (error) {
    interrupt.orThrow(error);
  }
}

/** The one connection between the two, whichever side listens. */
async function meet(
  endpoint: string,
  listening: boolean,
  flags: Flags,
  signal: AbortSignal,
): Promise<Connection> {
  const context = contextOf(flags);
  return listening
    ? acceptOne(endpoint, context, signal)
    : connectWithin(endpoint, context, flags.wait * 1000, signal);
}

async function acceptOne(endpoint: string, context: Context, signal: AbortSignal): Promise<Connection> {
  // A deep ring, so that neither side waits for the other whenever the machine is busy with something else.
  const inMemory = endpoint.startsWith('shm:') || endpoint.startsWith('auto:');
  const ring = inMemory ? { ringBytes: PIPE_DEFAULTS.ringBytes } : {};
  await using listener = await listen(endpoint, { context, signal, ...ring });
  if (endpoint.endsWith(':0')) process.stderr.write(`listening at ${listener.endpoint}\n`); // the system chose the port
  return await listener.accept({ signal });
}

function report(done: string, bytes: number, startedMs: number, active: string, flags: Flags): void {
  if (flags.quiet === true) return;
  const seconds = (performance.now() - startedMs) / 1000;
  const rate = `${figures.bytes(bytes / Math.max(seconds, 1e-6))}/s`;
  process.stderr.write(
    `${done} ${bytes} bytes (${figures.bytes(bytes)}) in ${seconds.toFixed(2)} s, ${rate}, over ${active}\n`,
  );
}
