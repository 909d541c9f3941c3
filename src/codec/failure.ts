import { TendonError } from '../core/index.ts';

/** Refuses bytes. `position` counts from the first byte of the value. */
export function undecodable(codec: string, position: number, what: string, cause?: unknown): never {
  throw new TendonError(
    'DECODE_FAILED',
    `${codec}: ${what} at byte ${position}`,
    { codec, position },
    cause === undefined ? undefined : { cause },
  );
}

/** Refuses a value. */
export function unencodable(codec: string, what: string, cause?: unknown): never {
  throw new TendonError(
    'ENCODE_FAILED',
    `${codec}: ${what}`,
    { codec },
    cause === undefined ? undefined : { cause },
  );
}

/** Refuses an extent outside its memory: before a codec, who measured wrong; after it, nobody. */
export function requireExtent(codec: string, bytes: Uint8Array, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
    undecodable(codec, 0, `value at ${offset} of ${length} bytes outside its memory of ${bytes.length}`);
  }
}

/** `length` bytes at `offset` in memory of their own, which nobody else can change. */
export function ownBytes(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  const own = new Uint8Array(length);
  own.set(bytes.subarray(offset, offset + length));
  return own;
}
