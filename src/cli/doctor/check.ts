import { TendonError } from '../../core/index.ts';

/** One thing the doctor looked at. */
export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** what was found */
  readonly found: string;
  /** what to do about it; undefined when there is nothing to do */
  readonly remedy?: string;
}

export function ok(name: string, found: string): Check {
  return { name, status: 'ok', found };
}

export function warn(name: string, found: string, remedy: string): Check {
  return { name, status: 'warn', found, remedy };
}

export function fail(name: string, found: string, remedy: string): Check {
  return { name, status: 'fail', found, remedy };
}

/** A check that tries something: a failure of it is what it found. A limit that was reached has a remedy of its own. */
export function tried(name: string, attempt: () => string, remedy: string): Check {
  try {
    return ok(name, attempt());
  } catch (error) {
    const exhausted = TendonError.is(error, 'RESOURCE_EXHAUSTED');
    const found = error instanceof Error ? error.message : String(error);
    return fail(name, found, exhausted ? 'raise that limit; the limits of this process are below' : remedy);
  }
}
