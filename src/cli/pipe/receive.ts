import { TendonError } from '../../core/index.ts';
import type { Connection } from '../../transport/index.ts';
import type { Output } from './output.ts';
import { receipt } from './stream-end.ts';

/**
 * Writes what the sender sends, in order, never holding more than a batch: when the output is slow, the sender waits.
 *
 * @returns how many bytes
 * @throws TendonError CONNECTION_LOST, also when the sender closed without saying that it was all; ABORTED;
 *   Error of the system, EPIPE when the reader of the output is gone
 */
export async function receiveTo(
  connection: Connection,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  for await (const batch of connection.receive({ signal })) {
    const end = batch.findIndex(({ length }) => length === 0);
    await output.write(end < 0 ? batch : batch.slice(0, end));
    if (end < 0) continue;
    await connection.send(receipt(output.writtenBytes), { signal });
    return output.writtenBytes;
  }
  const { endpoint } = connection;
  const message = `${endpoint}: the sender closed before its end; ${output.writtenBytes} bytes had come, and are written`;
  throw new TendonError('CONNECTION_LOST', message, { endpoint, unknownBytes: 0 });
}
