import { TendonError } from '../core/index.ts';

/** Refuses a frame. `position` counts from the frame's start. */
export function malformed(position: number, what: string, cause?: unknown): never {
  throw new TendonError(
    'DECODE_FAILED',
    `envelope: ${what} at byte ${position}`,
    { codec: 'envelope', position },
    cause === undefined ? undefined : { cause },
  );
}

/** Refuses a message that the envelope cannot express. */
export function inexpressible(field: string, expected: string, value: unknown): never {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new TendonError('ENCODE_FAILED', `envelope: ${field} must be ${expected}, got ${shown}`, {
    codec: 'envelope',
  });
}
