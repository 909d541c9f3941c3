import { TendonError } from './errors.ts';

/**
 * Checks of option values. Each throws OPTION_INVALID with the option's name, the value it had and what was
 * expected, and returns the value, so that a resolver reads as a table.
 */

function invalid(option: string, expected: string, value: unknown): never {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new TendonError('OPTION_INVALID', `${option} must be ${expected}, got ${shown}`, { option, value });
}

export function integerOption(option: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    invalid(option, `an integer from ${min} to ${max}`, value);
  }
  return value;
}

export function powerOfTwoOption(option: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max || 2 ** Math.floor(Math.log2(value)) !== value) {
    invalid(option, `a power of two from ${min} to ${max}`, value);
  }
  return value;
}

/** A duration: any finite number of at least `min`; `Infinity` only where `unbounded` says so. */
export function durationOption(option: string, value: number, min = 0, unbounded = false): number {
  const fits =
    typeof value === 'number' &&
    value >= min &&
    (Number.isFinite(value) || (unbounded && value === Infinity));
  if (!fits)
    invalid(option, `a number of milliseconds of at least ${min}${unbounded ? ' (or Infinity)' : ''}`, value);
  return value;
}

export function oneOfOption<T extends string>(option: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) invalid(option, `one of ${allowed.join(', ')}`, value);
  return value;
}

/** Refuses keys that nobody reads: a misspelt option must not pass in silence. */
export function refuseUnknownOptions(owner: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new TendonError(
        'OPTION_INVALID',
        `${owner} has no option "${key}"; it knows ${known.join(', ')}`,
        {
          option: key,
          value: (options as Record<string, unknown>)[key],
        },
      );
    }
  }
}
