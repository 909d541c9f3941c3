import { Context, durationOption, integerOption, refuseUnknownOptions } from '../core/index.ts';
import type { ConnectOptions, ListenOptions } from './contract.ts';

export const CONNECTION_DEFAULTS = {
  maxFrameBytes: 16 * 1024 * 1024,
  maxQueuedSends: 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
  lingerMs: 5_000,
} as const;
export const CONNECT_DEFAULTS = { ...CONNECTION_DEFAULTS, timeoutMs: 5_000 } as const;
export const LISTEN_DEFAULTS = {
  ...CONNECTION_DEFAULTS,
  backlog: 128,
  handshakeTimeoutMs: 1_000,
  maxHandshakes: 64,
} as const;

const CONNECTION_KEYS = [
  'context',
  'maxFrameBytes',
  'maxQueuedSends',
  'maxQueuedBytes',
  'lingerMs',
  'signal',
] as const;
const CONNECT_KEYS = [...CONNECTION_KEYS, 'timeoutMs'] as const;
const LISTEN_KEYS = [...CONNECTION_KEYS, 'backlog', 'handshakeTimeoutMs', 'maxHandshakes'] as const;

/** Options of a connection after checking, every default filled in. */
export interface ResolvedConnectionOptions {
  readonly context: Context;
  readonly maxFrameBytes: number;
  readonly maxQueuedSends: number;
  readonly maxQueuedBytes: number;
  readonly lingerMs: number;
  readonly signal: AbortSignal | undefined;
}
export interface ResolvedConnectOptions extends ResolvedConnectionOptions {
  readonly timeoutMs: number;
}
export interface ResolvedListenOptions extends ResolvedConnectionOptions {
  readonly backlog: number;
  readonly handshakeTimeoutMs: number;
  readonly maxHandshakes: number;
}

function resolveConnectionOptions(options: ConnectOptions | ListenOptions): ResolvedConnectionOptions {
  const maxFrameBytes = integerOption(
    'maxFrameBytes',
    options.maxFrameBytes ?? CONNECTION_DEFAULTS.maxFrameBytes,
    64,
    0x7fff_fff0,
  );
  return {
    context: options.context ?? new Context(),
    maxFrameBytes,
    maxQueuedSends: integerOption(
      'maxQueuedSends',
      options.maxQueuedSends ?? CONNECTION_DEFAULTS.maxQueuedSends,
      1,
      0x7fff_ffff,
    ),
    maxQueuedBytes: integerOption(
      'maxQueuedBytes',
      options.maxQueuedBytes ?? Math.max(CONNECTION_DEFAULTS.maxQueuedBytes, 2 * maxFrameBytes),
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    lingerMs: durationOption('lingerMs', options.lingerMs ?? CONNECTION_DEFAULTS.lingerMs),
    signal: options.signal,
  };
}

/** @param extra keys that the transport adds to the common ones and checks itself */
export function resolveConnectOptions(
  options: ConnectOptions = {},
  extra: readonly string[] = [],
): ResolvedConnectOptions {
  refuseUnknownOptions('connect', options, [...CONNECT_KEYS, ...extra]);
  return {
    ...resolveConnectionOptions(options),
    timeoutMs: durationOption('timeoutMs', options.timeoutMs ?? CONNECT_DEFAULTS.timeoutMs, 1),
  };
}

/** @param extra keys that the transport adds to the common ones and checks itself */
export function resolveListenOptions(
  options: ListenOptions = {},
  extra: readonly string[] = [],
): ResolvedListenOptions {
  refuseUnknownOptions('listen', options, [...LISTEN_KEYS, ...extra]);
  return {
    ...resolveConnectionOptions(options),
    backlog: integerOption('backlog', options.backlog ?? LISTEN_DEFAULTS.backlog, 1, 65_535),
    handshakeTimeoutMs: durationOption(
      'handshakeTimeoutMs',
      options.handshakeTimeoutMs ?? LISTEN_DEFAULTS.handshakeTimeoutMs,
      1,
    ),
    maxHandshakes: integerOption(
      'maxHandshakes',
      options.maxHandshakes ?? LISTEN_DEFAULTS.maxHandshakes,
      1,
      65_535,
    ),
  };
}
