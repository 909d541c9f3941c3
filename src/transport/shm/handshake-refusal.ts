import { TendonError } from '../../core/index.ts';
import { REFUSED_IDENTITY, REFUSED_VERSION, readRefusal, VERSION_MAX } from './protocol.ts';

/** What a client is told by REFUSE, at any time before it is served. */
export function refusedError(body: Uint8Array, endpoint: string): TendonError {
  const { reason, text } = readRefusal(body, endpoint);
  const message = `${endpoint} refused the connection: ${text}`;
  if (reason === REFUSED_VERSION)
    return new TendonError('VERSION_UNSUPPORTED', message, { theirs: 0, ours: VERSION_MAX });
  if (reason === REFUSED_IDENTITY)
    return new TendonError('PERMISSION_DENIED', message, { subject: endpoint });
  return new TendonError('CONNECTION_REFUSED', message, { endpoint });
}
