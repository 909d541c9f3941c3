import { writev } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const writeAll = promisify(writev);
const FULL_PAUSE_MS = 1;

/**
 * Standard output written off the event loop, also where it is a pipe whose reader is slow: Node's own
 * `process.stdout` would block on it, and with it the answer to a signal and to the peer.
 */
export class Output {
  readonly #fd: number;
  writtenBytes = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Resolves when the system has taken all. @throws Error of the system, EPIPE when the reader is gone */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    let left = parts.filter(({ length }) => length > 0);
    while (left.length > 0) {
      const written = await this.#some(left);
      this.writtenBytes += written;
      left = after(left, written);
    }
  }

  async #some(parts: readonly Uint8Array[]): Promise<number> {
    for (;;) {
      try {
        const { bytesWritten } = await writeAll(this.#fd, parts);
        return bytesWritten;
      } catch (error) {
        // Somebody made the pipe non-blocking and it is full.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        await sleep(FULL_PAUSE_MS);
      }
    }
  }
}

function after(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const left: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      left.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return left;
}
