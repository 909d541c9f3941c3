import { TendonError } from '../../core/index.ts';
import {
  CLIENT_MAGIC,
  FLAGS_OFFSET,
  HELLO_BYTES,
  LISTENER_MAGIC,
  MAGIC_BYTES,
  MAGIC_OFFSET,
  MAX_FRAME_OFFSET,
  MIN_MAX_FRAME_BYTES,
  NEWEST_OFFSET,
  NEWEST_VERSION,
  OLDEST_OFFSET,
  OLDEST_VERSION,
  REFUSAL_OFFSET,
  REFUSED_BACKLOG,
  REFUSED_CLOSING,
  REFUSED_HANDSHAKES,
  REFUSED_VERSION,
  WELCOME,
} from './layout.ts';

export type Role = 'client' | 'listener';

export interface Hello {
  readonly role: Role;
  readonly newest: number;
  readonly oldest: number;
  readonly maxFrameBytes: number;
  readonly flags: number;
  readonly refusal: number;
}

/** What this code says of itself. */
export function ourHello(role: Role, maxFrameBytes: number, refusal: number = WELCOME): Hello {
  return { role, newest: NEWEST_VERSION, oldest: OLDEST_VERSION, maxFrameBytes, flags: 0, refusal };
}

export function encodeHello(hello: Hello): Uint8Array {
  const bytes = new Uint8Array(HELLO_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(MAGIC_OFFSET, hello.role === 'client' ? CLIENT_MAGIC : LISTENER_MAGIC, true);
  view.setUint16(NEWEST_OFFSET, hello.newest, true);
  view.setUint16(OLDEST_OFFSET, hello.oldest, true);
  view.setUint32(MAX_FRAME_OFFSET, hello.maxFrameBytes, true);
  view.setUint16(FLAGS_OFFSET, hello.flags, true);
  view.setUint16(REFUSAL_OFFSET, hello.refusal, true);
  return bytes;
}

/** @throws TendonError PROTOCOL_ERROR when `bytes` do not begin with the magic of `theirRole` */
export function checkMagic(bytes: Uint8Array, theirRole: Role, endpoint: string): void {
  const magic = new DataView(bytes.buffer, bytes.byteOffset, MAGIC_BYTES).getUint32(MAGIC_OFFSET, true);
  if (magic === (theirRole === 'client' ? CLIENT_MAGIC : LISTENER_MAGIC)) return;
  const what = `the other side of ${endpoint} does not speak Tendon's stream protocol (it began with 0x${magic.toString(16)})`;
  throw new TendonError('PROTOCOL_ERROR', what, { endpoint });
}

/**
 * Checks the peer's hello and says what both agree on.
 *
 * @param bytes at least HELLO_BYTES
 * @throws TendonError PROTOCOL_ERROR when it is none; VERSION_UNSUPPORTED; CONNECTION_REFUSED with the listener's reason
 */
export function agree(bytes: Uint8Array, theirRole: Role, endpoint: string): { maxFrameBytes: number } {
  checkMagic(bytes, theirRole, endpoint);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HELLO_BYTES);
  const newest = view.getUint16(NEWEST_OFFSET, true);
  const oldest = view.getUint16(OLDEST_OFFSET, true);
  const refusal = view.getUint16(REFUSAL_OFFSET, true);
  const agreed = Math.min(newest, NEWEST_VERSION);
  if (agreed < Math.max(oldest, OLDEST_VERSION) || refusal === REFUSED_VERSION) {
    throw new TendonError(
      'VERSION_UNSUPPORTED',
      `${endpoint} speaks versions ${oldest} to ${newest} of the stream protocol, this side ${OLDEST_VERSION} to ${NEWEST_VERSION}; upgrade the older one`,
      { theirs: newest, ours: NEWEST_VERSION },
    );
  }
  if (refusal !== WELCOME) {
    throw new TendonError('CONNECTION_REFUSED', `${endpoint} refused: ${refusalReason(refusal)}`, {
      endpoint,
    });
  }
  const maxFrameBytes = view.getUint32(MAX_FRAME_OFFSET, true);
  if (maxFrameBytes < MIN_MAX_FRAME_BYTES) {
    const what = `the other side of ${endpoint} announced frames of at most ${maxFrameBytes} bytes; at least ${MIN_MAX_FRAME_BYTES} are needed`;
    throw new TendonError('PROTOCOL_ERROR', what, { endpoint });
  }
  return { maxFrameBytes };
}

export function refusalReason(refusal: number): string {
  switch (refusal) {
    case REFUSED_BACKLOG:
      return 'too many connections wait to be accepted; try again, or raise backlog there';
    case REFUSED_HANDSHAKES:
      return 'too many handshakes are under way; try again, or raise maxHandshakes there';
    case REFUSED_CLOSING:
      return 'it is closing';
    default:
      return `reason ${refusal}`;
  }
}
