import { createReadStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

/**
 * Standard input in pieces of at most `chunkBytes`. A file is read by the thread pool; a pipe or a terminal is watched
 * by the event loop, so that an interrupt never waits for bytes that may not come.
 */
export function openInput(fd: number, chunkBytes: number): Readable {
  const status = fstatSync(fd);
  if (status.isFIFO() || status.isSocket()) return new Socket({ fd, readable: true, writable: false });
  if (status.isFile()) return createReadStream('', { fd, autoClose: false, highWaterMark: chunkBytes });
  return process.stdin;
}
