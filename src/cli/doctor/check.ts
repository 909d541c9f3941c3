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

/** A check that tries something: a failure of it is what it found. */
export function tried(name: string, attempt: () => string, remedy: string): Check {
  try {
    return ok(name, attempt());
  } catch (error) {
    return fail(name, error instanceof Error ? error.message : String(error), remedy);
  }
}
