import { type Context, durationOption, powerOfTwoOption, TendonError } from '../../core/index.ts';
import type { ConnectOptions, Listener, ListenOptions, Peer, Transport } from '../contract.ts';
import { parseEndpoint } from '../endpoint.ts';
import { resolveConnectOptions, resolveListenOptions } from '../options.ts';
import { greet } from './handshake.ts';
import { knock, nativeAvailable, removeAfterDeath } from './rendezvous.ts';
import { checkRuntimeDirectory, defaultRuntimeDirectory, socketPath } from './runtime-directory.ts';
import type { ShmConnection } from './shm-connection.ts';
import { ShmListener } from './shm-listener.ts';

export { removeStale } from './rendezvous.ts';
export {
  checkRuntimeDirectory,
  defaultRuntimeDirectory,
  openRuntimeDirectory,
  SOCKET_PATH_LIMIT_BYTES,
  socketPath,
} from './runtime-directory.ts';
export type { ShmConnection } from './shm-connection.ts';

export const SHM_DEFAULTS = { ringBytes: 1024 * 1024 } as const;

export interface ShmConnectOptions extends ConnectOptions {
  /**
   * The ring size this client would like each way: a power of two from 4 KiB to 16 MiB. The larger of this and the
   * listener's is taken. Default: the listener's choice.
   */
  readonly ringBytes?: number;
}

export interface ShmListenOptions extends ListenOptions {
  /** Bytes of the ring of each direction: a power of two from 4 KiB to 1 GiB; 1 MiB. */
  readonly ringBytes?: number;
  /** Whether a peer, as the kernel vouches for it, may connect. Default: the same user. */
  readonly authorize?: (peer: Peer) => boolean;
}

/** Frames through shared memory between two processes of one host; over the Unix socket where there is none. */
export interface ShmTransport extends Transport {
  connect(endpoint: string, options?: ShmConnectOptions): Promise<ShmConnection>;
  listen(endpoint: string, options?: ShmListenOptions): Promise<Listener>;
}

function nameOf(endpoint: string): string {
  const parsed = parseEndpoint(endpoint);
  if (parsed.form !== 'name') {
    throw new TendonError('ENDPOINT_INVALID', `"${endpoint}" is not of the form shm:NAME`, { endpoint });
  }
  return parsed.name;
}

/** Said once a context, where a person sees it. */
function sayWithoutMemory(context: Context, endpoint: string): void {
  if (nativeAvailable() || !context.firstTime('native')) return;
  const message = `${endpoint} runs over its Unix socket: the native addon is not there (run "npx tendon doctor")`;
  context.logger.warn({ endpoint }, message);
  process.emitWarning(message, { code: 'TENDON_NATIVE_UNAVAILABLE' });
}

export const shmTransport: ShmTransport = {
  scheme: 'shm',

  /**
   * @throws TendonError ENDPOINT_NOT_FOUND when nobody listens; CONNECT_TIMEOUT; PERMISSION_DENIED; VERSION_UNSUPPORTED;
   *   CONNECTION_REFUSED; PROTOCOL_ERROR; ABORTED
   */
  async connect(endpoint: string, options: ShmConnectOptions = {}): Promise<ShmConnection> {
    const resolved = resolveConnectOptions(options, ['ringBytes']);
    const ringBytes =
      options.ringBytes === undefined ? 0 : powerOfTwoOption('ringBytes', options.ringBytes, 4096, 1 << 24);
    const timeoutMs = durationOption('timeoutMs', resolved.timeoutMs, 1);
    const directory = resolved.context.runtimeDirectory ?? defaultRuntimeDirectory();
    const path = socketPath(directory, nameOf(endpoint));
    sayWithoutMemory(resolved.context, endpoint);
    const abort = new AbortController();
    const { signal } = resolved;
    const onAbort = (): void => {
      const message = `connecting to ${endpoint} was aborted`;
      abort.abort(new TendonError('ABORTED', message, {}, { cause: signal?.reason }));
    };
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = resolved.context.clock.setTimer(
      () => {
        const message = `${endpoint} did not finish the handshake within ${timeoutMs} ms; is its process stopped or very busy?`;
        abort.abort(new TendonError('CONNECT_TIMEOUT', message, { endpoint, timeoutMs }));
      },
      timeoutMs,
      true,
    );
    try {
      checkIfThere(directory, endpoint);
      const life = await knock(path, endpoint, abort.signal);
      const lost = (): void => {
        removeAfterDeath(directory, path).catch((error: unknown) => {
          resolved.context.logger.debug({ path, error }, 'the dead listener left its socket');
        });
      };
      return await greet(life, endpoint, nativeAvailable(), ringBytes, resolved, abort.signal, lost);
    } catch (error) {
      if (abort.signal.aborted && TendonError.is(error, 'ABORTED') && error !== abort.signal.reason)
        throw abort.signal.reason;
      throw error;
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  },

  /**
   * @throws TendonError ENDPOINT_IN_USE; PERMISSION_DENIED for a runtime directory of somebody else; PATH_TOO_LONG
   */
  async listen(endpoint: string, options: ShmListenOptions = {}): Promise<Listener> {
    const resolved = resolveListenOptions(options, ['ringBytes', 'authorize']);
    const ringBytes = powerOfTwoOption(
      'ringBytes',
      options.ringBytes ?? SHM_DEFAULTS.ringBytes,
      4096,
      1 << 30,
    );
    const name = nameOf(endpoint);
    sayWithoutMemory(resolved.context, endpoint);
    return ShmListener.open({ endpoint, name, ringBytes, authorize: options.authorize }, resolved);
  },
};

/** A directory of somebody else is no place to meet, and a missing one means that nobody listens. */
function checkIfThere(directory: string, endpoint: string): void {
  try {
    checkRuntimeDirectory(directory);
  } catch (error) {
    const missing =
      TendonError.is(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    if (!missing) throw error;
    const message = `nobody listens at ${endpoint}: the runtime directory ${directory} does not exist; start the listener first`;
    throw new TendonError('ENDPOINT_NOT_FOUND', message, { endpoint }, { cause: error });
  }
}
