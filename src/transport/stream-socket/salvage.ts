import { readSync } from 'node:fs';
import type { Socket } from 'node:net';

const CHUNK_BYTES = 64 * 1024;
/** More than any kernel holds for one socket by default (tcp_rmem allows 6 MiB, and that only when tuned up). */
const LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * Keeps what the kernel has received when a *write* fails.
 *
 * Node destroys a socket whose write fails (EPIPE, ECONNRESET: the peer is gone) together with everything that the
 * peer had sent before and that is still in the kernel. A peer that was killed has committed those frames, so
 * they are read first: here, from the descriptor that is still open, without waiting.
 */
export function salvageOnError(socket: Socket, keep: (chunk: Uint8Array) => void): void {
  const destroy = socket._destroy;
  socket._destroy = (error, callback) => {
    if (error !== null && error !== undefined) {
      // A paused socket has taken a chunk from the kernel that it has not handed over: it comes first, and only here.
      socket.removeAllListeners('data');
      for (let chunk = held(socket); chunk !== null; chunk = held(socket)) keep(Uint8Array.from(chunk));
      const descriptor = descriptorOf(socket);
      if (descriptor >= 0) drain(descriptor, keep);
    }
    destroy.call(socket, error, callback);
  };
}

function held(socket: Socket): Uint8Array | null {
  return socket.readableLength > 0 ? (socket.read() as Uint8Array | null) : null; // no encoding is set: bytes
}

/** Node keeps it on the handle and does not document it; without it nothing is salvaged, and nothing breaks. */
function descriptorOf(socket: Socket): number {
  const handle = (socket as { _handle?: { fd?: unknown } | null })._handle;
  return typeof handle?.fd === 'number' ? handle.fd : -1;
}

function drain(descriptor: number, keep: (chunk: Uint8Array) => void): void {
  for (let total = 0; total < LIMIT_BYTES; ) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    let count: number;
    try {
      count = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
    } catch {
      return; // EAGAIN: that was all; ECONNRESET: the kernel has dropped it
    }
    if (count === 0) return;
    keep(chunk.subarray(0, count));
    total += count;
  }
}
