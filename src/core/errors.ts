/**
 * The one error class of Tendon and the closed set of its codes.
 *
 * A program decides by `code` (and by `details`, typed by code), never by parsing messages.
 * `docs/reference/errors.md` says for each code what to do about it; a test keeps the two in step.
 */

/** `retryable`: the same operation, unchanged, may succeed later. */
export const ERROR_CODES = {
  ABORTED: { retryable: false },
  OPTION_INVALID: { retryable: false },
  STATE_INVALID: { retryable: false },
  NATIVE_UNAVAILABLE: { retryable: false },
  DEPENDENCY_MISSING: { retryable: false },
  CAPABILITY_MISSING: { retryable: false },
  SYSTEM_ERROR: { retryable: false },
  PERMISSION_DENIED: { retryable: false },
  RESOURCE_EXHAUSTED: { retryable: true },
  PATH_TOO_LONG: { retryable: false },
  ENDPOINT_INVALID: { retryable: false },
  ENDPOINT_NOT_FOUND: { retryable: true },
  ENDPOINT_IN_USE: { retryable: true },
  CONNECTION_REFUSED: { retryable: true },
  CONNECTION_LOST: { retryable: true },
  CONNECTION_CLOSED: { retryable: false },
  CONNECT_TIMEOUT: { retryable: true },
  PROTOCOL_ERROR: { retryable: false },
  VERSION_UNSUPPORTED: { retryable: false },
  REGION_CORRUPT: { retryable: false },
  REGION_UNSAFE: { retryable: false },
  FRAME_TOO_LARGE: { retryable: false },
  QUEUE_FULL: { retryable: true },
  DECODE_FAILED: { retryable: false },
  ENCODE_FAILED: { retryable: false },
  CHECKSUM_MISMATCH: { retryable: false },
  DEADLINE_EXCEEDED: { retryable: true },
  CANCELLED: { retryable: false },
  METHOD_NOT_FOUND: { retryable: false },
  VALIDATION_FAILED: { retryable: false },
  HANDLER_FAILED: { retryable: false },
  OVERLOADED: { retryable: true },
  DRAINING: { retryable: true },
  REMOTE: { retryable: false },
  LOCK_OWNER_DIED: { retryable: true },
  LOCK_NOT_OWNED: { retryable: false },
  LOCK_TIMEOUT: { retryable: true },
  OVER_RELEASE: { retryable: false },
} as const satisfies Record<string, { readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What a failed system call said, next to whatever else a code carries. */
export interface SystemErrorDetails {
  /** symbolic errno, `'ENOENT'` */
  readonly errnoCode: string;
  /** numeric errno, positive */
  readonly errno: number;
  readonly syscall: string;
}

/** Details by code; codes that are not named here carry `NoDetails`. */
export interface SpecificErrorDetails {
  OPTION_INVALID: { readonly option: string; readonly value: unknown };
  DEPENDENCY_MISSING: { readonly dependency: string };
  CAPABILITY_MISSING: { readonly capability: string };
  SYSTEM_ERROR: SystemErrorDetails;
  PERMISSION_DENIED: { readonly subject: string };
  RESOURCE_EXHAUSTED: { readonly resource: string };
  PATH_TOO_LONG: { readonly path: string; readonly bytes: number; readonly limitBytes: number };
  ENDPOINT_INVALID: { readonly endpoint: string };
  ENDPOINT_NOT_FOUND: { readonly endpoint: string };
  ENDPOINT_IN_USE: { readonly endpoint: string };
  CONNECTION_REFUSED: { readonly endpoint: string };
  CONNECTION_LOST: {
    readonly endpoint: string;
    /** bytes that were committed towards a dead receiver and whose fate is unknown; 0 when none */
    readonly unknownBytes: number;
  };
  CONNECTION_CLOSED: { readonly endpoint: string };
  CONNECT_TIMEOUT: { readonly endpoint: string; readonly timeoutMs: number };
  PROTOCOL_ERROR: { readonly endpoint: string };
  VERSION_UNSUPPORTED: { readonly theirs: number; readonly ours: number };
  REGION_CORRUPT: { readonly what: string; readonly value: number };
  REGION_UNSAFE: { readonly what: string };
  FRAME_TOO_LARGE: { readonly bytes: number; readonly limitBytes: number };
  QUEUE_FULL: { readonly queue: string; readonly limit: number };
  DECODE_FAILED: { readonly codec: string; readonly position: number };
  ENCODE_FAILED: { readonly codec: string };
  CHECKSUM_MISMATCH: { readonly expected: number; readonly actual: number };
  DEADLINE_EXCEEDED: { readonly timeoutMs: number };
  METHOD_NOT_FOUND: { readonly service: string; readonly method: string };
  VALIDATION_FAILED: { readonly method: string };
  HANDLER_FAILED: { readonly method: string };
  OVERLOADED: { readonly limit: number };
  REMOTE: { readonly remoteCode: string; readonly remoteDetails: unknown; readonly remoteRetryable: boolean };
  LOCK_OWNER_DIED: { readonly ownerId: number };
  LOCK_NOT_OWNED: { readonly ownerId: number };
  LOCK_TIMEOUT: { readonly timeoutMs: number };
  OVER_RELEASE: { readonly permits: number };
}
export type NoDetails = Readonly<Record<never, never>>;
export type ErrorDetails<C extends ErrorCode> = C extends keyof SpecificErrorDetails
  ? SpecificErrorDetails[C]
  : NoDetails;

const BRAND: unique symbol = Symbol.for('tendon.error') as never;

export class TendonError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'TendonError';
  readonly code: C;
  readonly details: ErrorDetails<C>;

  constructor(code: C, message: string, details: ErrorDetails<C>, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** The same operation, unchanged, may succeed later. A REMOTE error answers what its sender said. */
  get retryable(): boolean {
    if (this.code === 'REMOTE') return (this.details as SpecificErrorDetails['REMOTE']).remoteRetryable;
    return ERROR_CODES[this.code].retryable;
  }

  /** By brand, not by prototype: two installed copies of Tendon must agree. */
  static is<C extends ErrorCode>(error: unknown, code: C): error is TendonError<C>;
  static is(error: unknown): error is TendonError;
  static is(error: unknown, code?: ErrorCode): boolean {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
    return code === undefined || (error as { code?: unknown }).code === code;
  }
}

/** The `ABORTED` error every waiting operation rejects with; keeps the signal's reason as `cause`. */
export function abortedError(signal: AbortSignal, what: string): TendonError<'ABORTED'> {
  return new TendonError('ABORTED', `${what} was aborted`, {}, { cause: signal.reason });
}

/** Throws `ABORTED` when the signal is aborted already: what waits checks its signal first. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortedError(signal, what);
}
