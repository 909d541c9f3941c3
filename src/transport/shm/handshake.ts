import { TendonError } from '../../core/index.ts';
import type { ResolvedConnectionOptions } from '../options.ts';
import { ChannelLine, type LineSink } from './channel-line.ts';
import { refusedError } from './handshake-refusal.ts';
import type { LifeLine } from './life-line.ts';
import {
  agreeOnVersion,
  FEATURE_BROADCAST,
  FEATURE_MEMORY,
  HELLO,
  helloMessage,
  protocolError,
  REFUSE,
  REFUSED_BUSY,
  REFUSED_IDENTITY,
  REFUSED_PROTOCOL,
  REFUSED_VERSION,
  readHello,
  readWelcome,
  refuseMessage,
  VERSION_MAX,
  VERSION_MIN,
  WELCOME,
  welcomeMessage,
} from './protocol.ts';
import { ShmConnection } from './shm-connection.ts';

/** The features this end has. */
function ownFeatures(native: boolean): number {
  return native ? FEATURE_MEMORY | FEATURE_BROADCAST : 0;
}

/** Longest a ring may get on a client's wish; the listener's own option may ask for more. */
const WISH_RING_BYTES_MAX = 16 * 1024 * 1024;

const IGNORE: LineSink = { message() {}, doorbell() {}, ended() {}, drained() {}, failed() {} };

/**
 * The client's part: says hello and waits until it is decided whether memory carries the first frame. `life` is
 * closed when it fails.
 *
 * @param ringBytes the ring size it would like each way; 0 for the listener's choice
 * @param lost called when the listener dies, now or later
 * @throws TendonError VERSION_UNSUPPORTED, PERMISSION_DENIED, CONNECTION_REFUSED, CONNECTION_LOST, PROTOCOL_ERROR;
 *   ABORTED by `signal`
 */
export async function greet(
  life: LifeLine,
  endpoint: string,
  native: boolean,
  ringBytes: number,
  options: ResolvedConnectionOptions,
  signal: AbortSignal,
  lost: () => void,
): Promise<ShmConnection> {
  const line = new ChannelLine(life, endpoint, IGNORE);
  let connection: ShmConnection | undefined;
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(signal.reason);
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      const hungUp = (cause: Error | undefined): void => {
        const message = `${endpoint}: the listener hung up during the handshake`;
        reject(new TendonError('CONNECTION_LOST', message, { endpoint, unknownBytes: 0 }, { cause }));
        lost();
      };
      line.sink = {
        ...IGNORE,
        ended: hungUp,
        failed: reject,
        message: (type, body) => {
          if (type === REFUSE) {
            const refused = refusedError(body, endpoint); // may throw: then it was no refusal
            line.sink = IGNORE; // the listener hangs up now: that is no death
            reject(refused);
            return;
          }
          if (type !== WELCOME) throw protocolError(endpoint, `a message of type ${type} instead of WELCOME`);
          const welcome = readWelcome(body, endpoint);
          const parts = { endpoint, line, role: 'client', ringBytes, lost, ...welcome } as const;
          connection = new ShmConnection(parts, options);
          connection.ready.then(resolve);
        },
      };
      line.start();
      life.write(
        helloMessage({
          versionMin: VERSION_MIN,
          versionMax: VERSION_MAX,
          features: ownFeatures(native),
          maxFrameBytes: options.maxFrameBytes,
          ringBytes,
        }),
      );
    });
    const made = connection as unknown as ShmConnection; // resolved only after it was made
    if (made.state === 'closed' && made.closeReason !== undefined) throw made.closeReason;
    return made;
  } catch (error) {
    connection?.destroy();
    life.close();
    throw error;
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

export interface WelcomePolicy {
  readonly endpoint: string;
  readonly native: boolean;
  readonly ringBytes: number;
  /** whether this peer may connect; undefined where the kernel does not say who it is */
  readonly authorized: (line: LifeLine) => boolean;
  readonly options: ResolvedConnectionOptions;
}

/** A handshake of the listener's side that is under way. */
export interface PendingWelcome {
  /** Ends it: the listener is busy, or the peer too slow. The peer is told where it can be. */
  refuse(error: TendonError): void;
}

/**
 * The listener's part: waits for HELLO, answers, offers memory.
 *
 * @param done called once: with the connection when it can be used, or with why not; the line is closed then
 */
export function welcome(
  life: LifeLine,
  policy: WelcomePolicy,
  done: (result: ShmConnection | TendonError) => void,
): PendingWelcome {
  const { endpoint, options } = policy;
  const line = new ChannelLine(life, endpoint, IGNORE);
  let connection: ShmConnection | undefined;
  let over = false;
  const finish = (result: ShmConnection | TendonError): void => {
    if (over) return;
    over = true;
    if (TendonError.is(result)) {
      line.sink = IGNORE;
      connection?.destroy(result);
      life.close();
    }
    done(result as ShmConnection | TendonError);
  };
  const refuse = (reason: number, text: string, error: TendonError): void => {
    if (!over) life.write(refuseMessage(reason, text));
    finish(error);
  };
  const forbid = (cause?: unknown): void => {
    const who = life.peer === undefined ? 'this user' : `user ${life.peer.uid}`;
    const text = `${who} may not connect to ${endpoint}`;
    const error = new TendonError('PERMISSION_DENIED', text, { subject: endpoint }, { cause });
    refuse(REFUSED_IDENTITY, text, error);
  };
  line.sink = {
    ...IGNORE,
    ended: (cause) => {
      const message = `${endpoint}: a peer hung up during the handshake`;
      finish(new TendonError('CONNECTION_LOST', message, { endpoint, unknownBytes: 0 }, { cause }));
    },
    failed: (error) => {
      const reason = TendonError.is(error, 'VERSION_UNSUPPORTED') ? REFUSED_VERSION : REFUSED_PROTOCOL;
      refuse(reason, error.message, error);
    },
    message: (type, body) => {
      if (type !== HELLO) throw protocolError(endpoint, `a message of type ${type} instead of HELLO`);
      const hello = readHello(body, endpoint);
      const version = agreeOnVersion(hello, endpoint);
      const features = hello.features & ownFeatures(policy.native);
      const maxFrameBytes = Math.max(64, Math.min(hello.maxFrameBytes, options.maxFrameBytes));
      life.write(welcomeMessage({ version, features, maxFrameBytes }));
      const ringBytes = agreeOnRing(hello.ringBytes, policy.ringBytes);
      connection = new ShmConnection(
        { endpoint, line, role: 'listener', ringBytes, features, maxFrameBytes },
        options,
      );
      const made = connection;
      made.ready.then(() => {
        if (made.state === 'closed') {
          const message = `${endpoint}: a peer hung up while memory was offered`;
          finish(
            made.closeReason ?? new TendonError('CONNECTION_LOST', message, { endpoint, unknownBytes: 0 }),
          );
        } else finish(made);
      });
    },
  };
  let allowed = false;
  let objection: unknown;
  try {
    allowed = policy.authorized(life);
  } catch (error) {
    objection = error; // a check that fails has not said yes
  }
  if (!allowed) forbid(objection);
  else {
    try {
      line.start();
    } catch (error) {
      finish(error as TendonError); // what cannot be watched; os throws nothing else
    }
  }
  return { refuse: (error) => refuse(REFUSED_BUSY, error.message, error) };
}

/** A client's wish counts when it is a power of two within bounds; the listener's own size is the least. */
function agreeOnRing(wish: number, own: number): number {
  const possible = wish >= 4096 && wish <= WISH_RING_BYTES_MAX && (wish & (wish - 1)) === 0;
  return possible ? Math.max(wish, own) : own;
}
