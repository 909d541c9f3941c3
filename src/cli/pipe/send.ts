import { TendonError, throwIfAborted } from '../../core/index.ts';
import type { Connection } from '../../transport/index.ts';
import { openInput } from './input.ts';
import { readReceipt, STREAM_END } from './stream-end.ts';

/**
 * Sends what a descriptor gives until its end, then waits until the receiver has written all of it.
 *
 * @returns how many bytes
 * @throws TendonError CONNECTION_LOST or CONNECTION_CLOSED when the receiver stopped before; ABORTED
 */
export async function sendInput(
  connection: Connection,
  fd: number,
  chunkBytes: number,
  signal: AbortSignal,
): Promise<number> {
  const receipt = new Receipt(connection);
  const input = openInput(fd, chunkBytes);
  const stop = (): void => void input.destroy();
  signal.addEventListener('abort', stop, { once: true });
  // The receiver may end while the input is silent: then waiting for more is pointless.
  connection.events.once('state', stop);
  let sentBytes = 0;
  try {
    for await (const piece of input as AsyncIterable<Uint8Array>) {
      for (let at = 0; at < piece.length; at += chunkBytes) {
        await connection.send(piece.subarray(at, at + chunkBytes));
      }
      sentBytes += piece.length;
    }
  } catch (error) {
    if (!input.destroyed || TendonError.is(error)) throw receipt.explain(error);
  } finally {
    connection.events.off('state', stop);
    signal.removeEventListener('abort', stop);
    input.destroy();
  }
  throwIfAborted(signal, `sending to ${connection.endpoint}`);
  receipt.refuseIfEnded();
  await connection.send(STREAM_END, { signal });
  const confirmed = await receipt.wait(signal);
  if (confirmed === sentBytes) return sentBytes;
  throw new TendonError(
    'PROTOCOL_ERROR',
    `${connection.endpoint}: ${sentBytes} bytes were sent, the receiver confirms ${confirmed}`,
    { endpoint: connection.endpoint },
  );
}

/** What the receiver says when it has written all; listened for from the start, as it may stop any time. */
class Receipt {
  readonly #connection: Connection;
  readonly #received: Promise<number | undefined>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#received = new Promise((resolve) => {
      connection.consume((bytes, offset, length) =>
        resolve(readReceipt(bytes.slice(offset, offset + length))),
      );
      connection.events.on('state', (state) => {
        if (state === 'closed') resolve(undefined);
      });
    });
  }

  async wait(signal: AbortSignal): Promise<number> {
    const stop = (): void => this.#connection.destroy();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const confirmed = await this.#received;
      if (confirmed !== undefined) return confirmed;
    } finally {
      signal.removeEventListener('abort', stop);
    }
    throwIfAborted(signal, `sending to ${this.#connection.endpoint}`);
    throw this.explain(this.#connection.closeReason);
  }

  refuseIfEnded(): void {
    const { state, closeReason } = this.#connection;
    if (state === 'draining' || state === 'closed') throw this.explain(closeReason);
  }

  /** A receiver that stops early closes in order, which alone would not tell what it means here. */
  explain(error: unknown): unknown {
    if (error !== undefined && !TendonError.is(error, 'CONNECTION_CLOSED')) return error;
    const { endpoint } = this.#connection;
    const message = `${endpoint}: the receiver stopped before it had everything (its output was closed, or it was interrupted)`;
    return new TendonError('CONNECTION_CLOSED', message, { endpoint }, { cause: error });
  }
}
