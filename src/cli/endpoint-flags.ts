import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import { Context, TendonError, throwIfAborted } from '../core/index.ts';
import { connect } from '../index.ts';
import type { Connection } from '../transport/index.ts';
import { ENDPOINT_SCHEMES } from '../transport/index.ts';

/** Flags of the whole program. */
export interface GlobalFlags {
  readonly debug?: boolean;
  readonly runtimeDirectory?: string;
}

export const ENDPOINT_HELP = `where: ${ENDPOINT_SCHEMES.filter((scheme) => scheme !== 'inproc').join(':, ')}: (shm:NAME, unix:/path, tcp://host:port)`;

/** How long to pause before a listener that was not there is looked for again, in ms. */
const RETRY_MS = 50;

export function contextOf(flags: GlobalFlags): Context {
  return new Context(
    flags.runtimeDirectory === undefined ? {} : { runtimeDirectory: flags.runtimeDirectory },
  );
}

/**
 * Connects, waiting up to `waitMs` for somebody to listen.
 *
 * @throws TendonError what the last try said; ABORTED
 */
export async function connectWithin(
  endpoint: string,
  context: Context,
  waitMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  const giveUpMs = performance.now() + waitMs;
  for (;;) {
    try {
      return await connect(endpoint, { context, signal });
    } catch (error) {
      const worthIt = TendonError.is(error) && error.retryable && !signal.aborted;
      if (!worthIt || performance.now() + RETRY_MS > giveUpMs) throw error;
    }
    await sleep(RETRY_MS);
    throwIfAborted(signal, `connecting to ${endpoint}`);
  }
}

/** A number of seconds of at least 0. */
export function parseSeconds(value: string): number {
  const parsed = Number(value);
  if (value.trim() !== '' && parsed >= 0 && Number.isFinite(parsed)) return parsed;
  throw new InvalidArgumentError('It must be a number of seconds of at least 0.');
}

/** A whole number of at least 1. */
export function parseCount(value: string): number {
  const parsed = Number(value);
  if (Number.isSafeInteger(parsed) && parsed >= 1) return parsed;
  throw new InvalidArgumentError('It must be a whole number of at least 1.');
}
