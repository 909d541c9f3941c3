import { TendonError } from '../../core/index.ts';

interface SystemFailure extends Error {
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
}

/** An errno of Node's as one of our codes; the system's error is kept as cause. */
export function fromSystemError(
  error: unknown,
  endpoint: string,
  doing: 'connect to' | 'accept from' | 'listen on',
): TendonError {
  if (TendonError.is(error)) return error;
  // Several addresses were tried and none answered: the first failure speaks for them.
  const failure = (error instanceof AggregateError ? error.errors[0] : error) as SystemFailure;
  const options = { cause: error };
  const details = { endpoint };
  switch (failure.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return doing === 'connect to'
        ? new TendonError(
            'ENDPOINT_NOT_FOUND',
            `nobody listens on ${endpoint}: there is no such file`,
            details,
            options,
          )
        : new TendonError(
            'ENDPOINT_INVALID',
            `cannot listen on ${endpoint}: its directory does not exist`,
            details,
            options,
          );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EADDRNOTAVAIL':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new TendonError(
        'ENDPOINT_NOT_FOUND',
        `cannot ${doing} ${endpoint}: no such host can be reached (${failure.code})`,
        details,
        options,
      );
    case 'ECONNREFUSED':
      return new TendonError('CONNECTION_REFUSED', `nobody listens on ${endpoint}`, details, options);
    case 'EADDRINUSE':
      return new TendonError('ENDPOINT_IN_USE', `somebody listens on ${endpoint} already`, details, options);
    case 'EACCES':
    case 'EPERM':
      return new TendonError(
        'PERMISSION_DENIED',
        `this user may not ${doing} ${endpoint}`,
        { subject: endpoint },
        options,
      );
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
    case 'ENOMEM':
      return new TendonError(
        'RESOURCE_EXHAUSTED',
        `cannot ${doing} ${endpoint}: the system is out of resources (${failure.code})`,
        { resource: failure.code },
        options,
      );
    case 'ETIMEDOUT':
    case 'ECONNRESET':
    case 'EPIPE':
      return new TendonError(
        'CONNECTION_LOST',
        `${endpoint} was lost before it was open (${failure.code})`,
        { endpoint, unknownBytes: 0 },
        options,
      );
    default:
      return new TendonError(
        'SYSTEM_ERROR',
        `cannot ${doing} ${endpoint}: ${failure.message}`,
        {
          errnoCode: failure.code ?? 'UNKNOWN',
          errno: Math.abs(failure.errno ?? 0),
          syscall: failure.syscall ?? '',
        },
        options,
      );
  }
}
