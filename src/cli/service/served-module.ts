import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TendonError } from '../../core/index.ts';
import type { Handlers, MethodTable, Service } from '../../rpc/index.ts';

/** What a module for `tendon serve` and `tendon call` exports. */
export interface ServedModule {
  readonly service: Service;
  /** only `serve` needs them */
  readonly handlers: Handlers<MethodTable> | undefined;
}

/**
 * Loads an ES module that exports `service` and `handlers`, by name or as properties of its default export.
 *
 * @throws TendonError OPTION_INVALID when it cannot be loaded or exports no service
 */
export async function loadServedModule(file: string): Promise<ServedModule> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = (await import(pathToFileURL(resolve(file)).href)) as Readonly<Record<string, unknown>>; // a module namespace
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(file, `cannot be loaded: ${why}`, error);
  }
  const { default: whole } = exports;
  const source = isRecord(whole) ? { ...exports, ...whole } : exports;
  const { service, handlers } = source;
  if (!isService(service)) {
    throw invalid(
      file,
      'must export { service, handlers }, by name or as its default; service is made by defineService',
    );
  }
  if (handlers !== undefined && (typeof handlers !== 'object' || handlers === null)) {
    throw invalid(file, 'exports handlers that are no object of functions');
  }
  return { service, handlers: handlers as Handlers<MethodTable> | undefined }; // ServiceStub checks every handler
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isService(value: unknown): value is Service {
  return (
    isRecord(value) &&
    typeof value['name'] === 'string' &&
    isRecord(value['methods']) &&
    isRecord(value['methodIds'])
  );
}

function invalid(file: string, why: string, cause?: unknown): TendonError {
  return new TendonError(
    'OPTION_INVALID',
    `the module ${file} ${why}`,
    { option: 'module', value: file },
    { cause },
  );
}
