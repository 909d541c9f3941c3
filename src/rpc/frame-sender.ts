import { CODEC_IDS, type Codec } from '../codec/index.ts';
import { CLOSED, TendonError } from '../core/index.ts';
import {
  BASE_BYTES,
  EnvelopeWriter,
  encodeHeaderInto,
  encodeMessage,
  headerLength,
  type Kind,
  type MessageInit,
  type MetadataEntry,
  NO_DEADLINE,
  Priority,
} from '../envelope/index.ts';
import type { Connection } from '../transport/index.ts';

/** Room for a frame whose size is known only once it is encoded; larger values take memory of their own. */
const SCRATCH_BYTES = 16 * 1024;
/** Up to here a loop beats the call into the runtime that `set` is. In bytes. */
const LOOP_BYTES = 32;
/** Codec number and length of a payload that is no value: `undefined` in any codec. */
export const NO_VALUE = 0;
const NO_BYTES = new Uint8Array(0);

/**
 * Writes messages of one side of one connection, in order.
 *
 * Bytes go into a claim of the connection, envelope and payload in place. A value whose encoded size nobody knows
 * beforehand is encoded behind its envelope in a scratch and leaves with one copy. When there is no room the frame
 * queues as a copy of its own in `Connection.send`, which keeps the order.
 */
export class FrameSender {
  readonly #connection: Connection;
  readonly #scratch: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  readonly #scratchWriter = new EnvelopeWriter();
  readonly #claimWriter = new EnvelopeWriter();
  /** set while a codec runs: a `toJSON` of the user's may send in the middle of that */
  #encoding = false;
  /** payload and envelope bytes handed to the connection */
  bytesSent = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Sends a message that carries `value`.
   *
   * @hot
   * @returns undefined when it left at once, else a promise that settles as `Connection.send`
   * @throws TendonError ENCODE_FAILED; FRAME_TOO_LARGE; what ended the connection
   */
  sendValue(
    kind: Kind,
    codec: Codec,
    value: unknown,
    callId: number,
    remainingMs: number,
    methodId: number,
    metadata: readonly MetadataEntry[] | undefined,
  ): Promise<void> | undefined {
    if (metadata !== undefined) {
      return this.#sendWithMetadata(kind, codec, value, callId, remainingMs, methodId, metadata);
    }
    if (value === undefined) {
      return this.#sendBytes(kind, NO_VALUE, NO_BYTES, callId, remainingMs, methodId);
    }
    if (codec.id !== CODEC_IDS.BYTES && codec.encodeInto !== undefined && !this.#encoding) {
      const scratch = this.#scratch;
      this.#encoding = true;
      let written: number;
      try {
        written = codec.encodeInto(value, scratch, BASE_BYTES);
      } finally {
        this.#encoding = false;
      }
      if (written >= 0) {
        const writer = this.#scratchWriter;
        writer.writeBase(scratch, 0, kind, codec.id, Priority.NORMAL, 0, callId, remainingMs, methodId);
        return this.#sendCopy(scratch, BASE_BYTES + written);
      }
    }
    return this.#sendBytes(kind, codec.id, codec.encode(value), callId, remainingMs, methodId);
  }

  /** Sends a message without a payload. @returns and @throws as `sendValue` */
  sendEmpty(kind: Kind, callId: number): Promise<void> | undefined {
    return this.#sendBytes(kind, NO_VALUE, NO_BYTES, callId, NO_DEADLINE, 0);
  }

  /** Sends any message; not for the hot path. @returns and @throws as `sendValue` */
  sendMessage(message: MessageInit): Promise<void> | undefined {
    const frame = encodeMessage(message);
    return this.#sendCopy(frame, frame.length);
  }

  #sendBytes(
    kind: Kind,
    codecId: number,
    payload: Uint8Array,
    callId: number,
    remainingMs: number,
    methodId: number,
  ): Promise<void> | undefined {
    const connection = this.#connection;
    const length = BASE_BYTES + payload.length;
    if (length <= connection.maxClaimBytes) {
      const offset = connection.tryClaim(length);
      if (offset >= 0) {
        const target = connection.claimBuffer;
        const at = this.#claimWriter.writeBase(
          target,
          offset,
          kind,
          codecId,
          Priority.NORMAL,
          0,
          callId,
          remainingMs,
          methodId,
        );
        copy(payload, target, at);
        connection.commit();
        this.bytesSent += length;
        return undefined;
      }
      if (offset === CLOSED) throw closedError(connection);
    }
    const frame = new Uint8Array(length);
    writeFrame(frame, kind, codecId, callId, remainingMs, methodId);
    frame.set(payload, BASE_BYTES);
    return this.#send(frame);
  }

  #sendCopy(bytes: Uint8Array, length: number): Promise<void> | undefined {
    const connection = this.#connection;
    const outcome = connection.offer(bytes, 0, length); // throws FRAME_TOO_LARGE beyond maxFrameBytes
    if (outcome === 0) {
      this.bytesSent += length;
      return undefined;
    }
    if (outcome === CLOSED) throw closedError(connection);
    return this.#send(bytes.slice(0, length));
  }

  #send(frame: Uint8Array): Promise<void> {
    if (frame.length > this.#connection.maxFrameBytes) throw tooLarge(this.#connection, frame.length);
    this.bytesSent += frame.length;
    return this.#connection.send(frame);
  }

  #sendWithMetadata(
    kind: Kind,
    codec: Codec,
    value: unknown,
    callId: number,
    remainingMs: number,
    methodId: number,
    metadata: readonly MetadataEntry[],
  ): Promise<void> | undefined {
    const payload = value === undefined ? NO_BYTES : codec.encode(value);
    const header: MessageInit = {
      kind,
      codec: value === undefined ? NO_VALUE : codec.id,
      callId: callId >>> 0,
      remainingMs,
      methodId: methodId >>> 0,
      metadata,
    };
    const headerBytes = headerLength(header);
    const frame = new Uint8Array(headerBytes + payload.length);
    encodeHeaderInto(header, frame, 0);
    frame.set(payload, headerBytes);
    return this.#send(frame);
  }
}

function writeFrame(
  frame: Uint8Array,
  kind: Kind,
  codecId: number,
  callId: number,
  remainingMs: number,
  methodId: number,
): void {
  new EnvelopeWriter().writeBase(frame, 0, kind, codecId, Priority.NORMAL, 0, callId, remainingMs, methodId);
}

function copy(source: Uint8Array, target: Uint8Array, offset: number): void {
  if (source.length > LOOP_BYTES) {
    target.set(source, offset);
    return;
  }
  for (let index = 0; index < source.length; index++) target[offset + index] = source[index]!;
}

function tooLarge(connection: Connection, bytes: number): TendonError {
  const limitBytes = connection.maxFrameBytes;
  return new TendonError(
    'FRAME_TOO_LARGE',
    `a message of ${bytes} bytes does not fit the limit of ${limitBytes} of ${connection.endpoint}; raise maxFrameBytes on both ends`,
    { bytes, limitBytes },
  );
}

/** Why nothing can be sent any more. */
export function closedError(connection: Connection): TendonError {
  const { endpoint, closeReason } = connection;
  if (closeReason !== undefined) return lostError(connection);
  return new TendonError('CONNECTION_CLOSED', `the connection ${endpoint} is closed`, { endpoint });
}

/** What calls in flight are told when their connection ends under them: nobody knows whether they were served. */
export function lostError(connection: Connection): TendonError {
  const { endpoint, closeReason } = connection;
  if (TendonError.is(closeReason, 'CONNECTION_LOST')) return closeReason;
  const why = closeReason === undefined ? 'was closed by its peer' : `ended: ${closeReason.message}`;
  return new TendonError(
    'CONNECTION_LOST',
    `the connection ${endpoint} ${why}`,
    { endpoint, unknownBytes: 0 },
    closeReason === undefined ? undefined : { cause: closeReason },
  );
}
