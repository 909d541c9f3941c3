import { TendonError } from './errors.ts';

/**
 * Loads an optional peer dependency when it is first needed.
 *
 * @param name package name as imported
 * @param install what to hand to `npm install`
 * @throws TendonError DEPENDENCY_MISSING when the package itself is absent (cause kept); whatever the package
 *   throws when it is present but broken
 */
export async function loadOptional<T>(name: string, install: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const absent =
      error instanceof Error &&
      (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' &&
      error.message.includes(`'${name}'`);
    if (!absent) throw error;
    throw new TendonError(
      'DEPENDENCY_MISSING',
      `this needs the package "${name}": npm install ${install}`,
      { dependency: name },
      { cause: error },
    );
  }
}
