import { ERROR_CODES, type ErrorCode, type SpecificErrorDetails, TendonError } from '../core/index.ts';
import type { MessageError, MessageErrorInit } from '../envelope/index.ts';

/** Text of a message that crosses, at most; the rest is cut. In UTF-16 units. */
const MAX_MESSAGE_UNITS = 4_096;
/** Details that cross, encoded, at most; larger ones stay behind. In bytes. */
const MAX_DETAILS_BYTES = 64 * 1024;
const MAX_CODE_UNITS = 63;
const CODE = /^[A-Z][A-Z0-9_]{0,62}$/;

/**
 * An error of the application's own, to be thrown by a handler. The caller gets it as `REMOTE`, with this code in
 * `details.remoteCode`.
 *
 * @param code of the application: upper case letters, digits and underscores, at most 63
 * @throws TendonError OPTION_INVALID for another code, or one of Tendon's own
 */
export function serviceError(
  code: string,
  message: string,
  options: { readonly details?: unknown; readonly retryable?: boolean; readonly cause?: unknown } = {},
): TendonError<'REMOTE'> {
  if (!CODE.test(code) || isErrorCode(code)) {
    throw new TendonError(
      'OPTION_INVALID',
      `code must match ${CODE} and not be Tendon's own, got "${code}"`,
      {
        option: 'code',
        value: code,
      },
    );
  }
  return new TendonError(
    'REMOTE',
    message,
    { remoteCode: code, remoteDetails: options.details, remoteRetryable: options.retryable ?? false },
    options.cause === undefined ? undefined : { cause: options.cause },
  );
}

/** `error` as it crosses; details in JSON. What cannot cross is left out: an answer is always possible. */
export function toMessageError(error: TendonError, category: string): MessageErrorInit {
  let code: string = error.code;
  let details: unknown = error.details;
  if (TendonError.is(error, 'REMOTE')) {
    // Made by hand, or by another copy of Tendon: nothing says that the fields are what the type claims.
    const { remoteCode, remoteDetails } = error.details;
    if (typeof remoteCode === 'string' && remoteCode !== '') code = remoteCode;
    details = remoteDetails;
  }
  const encoded = encodeDetails(details);
  return {
    code: wellFormed(code, MAX_CODE_UNITS),
    message: wellFormed(error.message, MAX_MESSAGE_UNITS),
    retryable: error.retryable === true,
    category,
    ...(encoded === undefined ? {} : { details: encoded }),
  };
}

/** The error that crossed, as the caller gets it. */
export function fromMessageError(error: MessageError): TendonError {
  const details = decodeDetails(error.details);
  if (isErrorCode(error.code) && error.code !== 'REMOTE' && fits(error.code, details)) {
    return new TendonError(error.code, error.message, details as never); // `fits` has compared it with the code's shape
  }
  return new TendonError('REMOTE', error.message, {
    remoteCode: error.code,
    remoteDetails: details,
    remoteRetryable: error.retryable,
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** Halves of surrogate pairs become U+FFFD: the envelope refuses them. */
function wellFormed(text: unknown, maxUnits: number): string {
  return Buffer.from(String(text).slice(0, maxUnits)).toString();
}

function encodeDetails(details: unknown): Uint8Array | undefined {
  if (details === undefined || details === null) return undefined;
  try {
    const text = JSON.stringify(details);
    if (text === undefined || text === '{}' || Buffer.byteLength(text) > MAX_DETAILS_BYTES) return undefined;
    return Buffer.from(text);
  } catch {
    return undefined; // a cycle, a bigint, a toJSON that throws: the code and the message still cross
  }
}

function decodeDetails(details: Uint8Array | undefined): unknown {
  if (details === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(details.buffer, details.byteOffset, details.byteLength).toString());
  } catch {
    return undefined;
  }
}

type FieldType = 'string' | 'number' | 'boolean' | 'any';

/** What each code's details look like: an error from outside keeps its code only when its details fit. */
const SHAPES: {
  readonly [C in keyof SpecificErrorDetails]: Record<keyof SpecificErrorDetails[C], FieldType>;
} = {
  OPTION_INVALID: { option: 'string', value: 'any' },
  DEPENDENCY_MISSING: { dependency: 'string' },
  CAPABILITY_MISSING: { capability: 'string' },
  SYSTEM_ERROR: { errnoCode: 'string', errno: 'number', syscall: 'string' },
  PERMISSION_DENIED: { subject: 'string' },
  RESOURCE_EXHAUSTED: { resource: 'string' },
  PATH_TOO_LONG: { path: 'string', bytes: 'number', limitBytes: 'number' },
  ENDPOINT_INVALID: { endpoint: 'string' },
  ENDPOINT_NOT_FOUND: { endpoint: 'string' },
  ENDPOINT_IN_USE: { endpoint: 'string' },
  CONNECTION_REFUSED: { endpoint: 'string' },
  CONNECTION_LOST: { endpoint: 'string', unknownBytes: 'number' },
  CONNECTION_CLOSED: { endpoint: 'string' },
  CONNECT_TIMEOUT: { endpoint: 'string', timeoutMs: 'number' },
  PROTOCOL_ERROR: { endpoint: 'string' },
  VERSION_UNSUPPORTED: { theirs: 'number', ours: 'number' },
  REGION_CORRUPT: { what: 'string', value: 'number' },
  REGION_UNSAFE: { what: 'string' },
  FRAME_TOO_LARGE: { bytes: 'number', limitBytes: 'number' },
  QUEUE_FULL: { queue: 'string', limit: 'number' },
  DECODE_FAILED: { codec: 'string', position: 'number' },
  ENCODE_FAILED: { codec: 'string' },
  CHECKSUM_MISMATCH: { expected: 'number', actual: 'number' },
  DEADLINE_EXCEEDED: { timeoutMs: 'number' },
  METHOD_NOT_FOUND: { service: 'string', method: 'string' },
  VALIDATION_FAILED: { method: 'string' },
  HANDLER_FAILED: { method: 'string' },
  OVERLOADED: { limit: 'number' },
  REMOTE: { remoteCode: 'string', remoteDetails: 'any', remoteRetryable: 'boolean' },
  LOCK_OWNER_DIED: { ownerId: 'number' },
  LOCK_NOT_OWNED: { ownerId: 'number' },
  LOCK_TIMEOUT: { timeoutMs: 'number' },
  OVER_RELEASE: { permits: 'number' },
};

function fits(code: ErrorCode, details: unknown): boolean {
  const shape = (SHAPES as Partial<Record<ErrorCode, Readonly<Record<string, FieldType>>>>)[code];
  if (shape === undefined) return details === undefined || isRecord(details);
  if (!isRecord(details)) return false;
  for (const [field, type] of Object.entries(shape)) {
    if (type !== 'any' && typeof details[field] !== type) return false;
  }
  return true;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
