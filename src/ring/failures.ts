import { TendonError } from '../core/index.ts';

/** A word that the other side can write has a value that no correct peer writes. */
export function corrupt(what: string, value: number): never {
  throw new TendonError('REGION_CORRUPT', `${what} is ${value}, which no correct peer writes`, {
    what,
    value,
  });
}

export function misuse(message: string): never {
  throw new TendonError('STATE_INVALID', message, {});
}

export function recordRefused(length: number, kind: number, maxRecordBytes: number): never {
  if (length > maxRecordBytes) {
    throw new TendonError(
      'FRAME_TOO_LARGE',
      `a record of this ring has at most ${maxRecordBytes} bytes, got ${length}`,
      { bytes: length, limitBytes: maxRecordBytes },
    );
  }
  if (!(length >= 0)) {
    throw new TendonError('OPTION_INVALID', `length must be at least 0, got ${length}`, {
      option: 'length',
      value: length,
    });
  }
  throw new TendonError('OPTION_INVALID', `kind must be an integer from 1 to 255, got ${kind}`, {
    option: 'kind',
    value: kind,
  });
}
