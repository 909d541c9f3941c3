import type { Codec } from '../codec/index.ts';
import { durationOption, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { methodIdOf } from '../envelope/index.ts';

/**
 * Codecs that a method names; any other is passed as an object. `json` (the default) and `msgpack` carry plain
 * values, `binary` typed arrays with their type, `bytes` a `Uint8Array` as it is.
 */
export type CodecName = 'json' | 'msgpack' | 'binary' | 'bytes';
const CODEC_NAMES: readonly CodecName[] = ['json', 'msgpack', 'binary', 'bytes'];

/** Refuses a value by answering `false` or by throwing; whatever else it answers is ignored. */
export type Validator = (value: unknown) => unknown;

export interface MethodOptions {
  /** how request and response become bytes; `'json'` */
  readonly codec?: CodecName | Codec;
  /** calling it twice is as good as calling it once: who retries may send it again; false */
  readonly idempotent?: boolean;
  /** never answered: only `callOneWay` reaches it; false */
  readonly oneWay?: boolean;
  /** how long a caller waits when it says nothing itself, in ms; the proxy's `deadlineMs` */
  readonly deadlineMs?: number;
  /** run by the stub before the handler: a refusal is VALIDATION_FAILED and the handler is not called */
  readonly validateRequest?: Validator;
  /** run by the proxy before the caller gets the response: a refusal is VALIDATION_FAILED */
  readonly validateResponse?: Validator;
}

declare const SHAPE: unique symbol;

/** One method of a contract. Made by `method`. */
export interface Method<Request = unknown, Response = unknown, OneWay extends boolean = boolean> {
  /** types only; nothing is there at run time */
  readonly [SHAPE]?: { readonly request: Request; readonly response: Response; readonly oneWay: OneWay };
  readonly codec: CodecName | Codec;
  readonly idempotent: boolean;
  readonly oneWay: OneWay;
  readonly deadlineMs: number | undefined;
  readonly validateRequest: Validator | undefined;
  readonly validateResponse: Validator | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: `any` is what lets a Method of every shape into the table; the shapes come out again through RequestOf and ResponseOf
export type MethodTable = Readonly<Record<string, Method<any, any>>>;

type ShapeOf<M> = M extends { readonly [SHAPE]?: infer Shape } ? NonNullable<Shape> : never;
/** What a method is called with. */
export type RequestOf<M> = ShapeOf<M> extends { readonly request: infer Request } ? Request : never;
/** What a method answers; `void` for a one-way method. */
export type ResponseOf<M> = ShapeOf<M> extends { readonly response: infer Response } ? Response : never;
/** Names of the methods that answer. */
export type AnsweringMethods<Methods extends MethodTable> = {
  [Name in keyof Methods & string]: Methods[Name]['oneWay'] extends true ? never : Name;
}[keyof Methods & string];

/**
 * A method of a contract: `method<Request, Response>()`, or `method<Request>({ oneWay: true })`.
 *
 * @throws TendonError OPTION_INVALID
 */
export function method<Request>(
  options: MethodOptions & { readonly oneWay: true },
): Method<Request, void, true>;
export function method<Request, Response>(
  options?: MethodOptions & { readonly oneWay?: false },
): Method<Request, Response, false>;
export function method(options: MethodOptions = {}): Method {
  refuseUnknownOptions('method', options, [
    'codec',
    'idempotent',
    'oneWay',
    'deadlineMs',
    'validateRequest',
    'validateResponse',
  ]);
  const { codec = 'json', deadlineMs } = options;
  if (typeof codec === 'string') oneOfOption('codec', codec, CODEC_NAMES);
  return Object.freeze({
    codec,
    idempotent: options.idempotent ?? false,
    oneWay: options.oneWay ?? false,
    deadlineMs: deadlineMs === undefined ? undefined : durationOption('deadlineMs', deadlineMs, 1, true),
    validateRequest: options.validateRequest,
    validateResponse: options.validateResponse,
  });
}

/** A contract: what client and server share, usually a module that both import. Made by `defineService`. */
export interface Service<Methods extends MethodTable = MethodTable> {
  readonly name: string;
  readonly methods: Methods;
  /** the number that stands for each method on the wire */
  readonly methodIds: Readonly<Record<keyof Methods & string, number>>;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;

function checkName(option: string, name: string): void {
  if (typeof name === 'string' && NAME.test(name)) return;
  throw new TendonError('OPTION_INVALID', `${option} must match ${NAME}, got ${JSON.stringify(name)}`, {
    option,
    value: name,
  });
}

/**
 * Defines a contract by name and typed methods.
 *
 * ```ts
 * export const calculator = defineService('calculator', {
 *   methods: { add: method<{ a: number; b: number }, number>({ idempotent: true }) },
 * });
 * ```
 *
 * A method is known on the wire by a number made from both names, so adding and reordering methods changes nothing
 * for those that exist. Changing a method's request or response in a way that old peers do not understand needs a
 * new name.
 *
 * @throws TendonError OPTION_INVALID for a bad name, no methods, or two methods whose numbers are equal
 */
export function defineService<const Methods extends MethodTable>(
  name: string,
  options: { readonly methods: Methods },
): Service<Methods> {
  checkName('name of a service', name);
  refuseUnknownOptions('defineService', options, ['methods']);
  const ids: Record<string, number> = {};
  const owners = new Map<number, string>();
  for (const methodName of Object.keys(options.methods)) {
    checkName(`name of a method of ${name}`, methodName);
    const id = methodIdOf(`${name}/${methodName}`);
    const owner = owners.get(id);
    if (owner !== undefined) {
      throw new TendonError(
        'OPTION_INVALID',
        `the methods ${owner} and ${methodName} of ${name} have the same number ${id} on the wire; rename one`,
        { option: 'methods', value: methodName },
      );
    }
    owners.set(id, methodName);
    ids[methodName] = id;
  }
  if (owners.size === 0) {
    throw new TendonError('OPTION_INVALID', `the service ${name} has no methods`, {
      option: 'methods',
      value: options.methods,
    });
  }
  return Object.freeze({
    name,
    methods: Object.freeze({ ...options.methods }),
    methodIds: Object.freeze(ids) as Service<Methods>['methodIds'], // filled from the keys of these methods
  });
}
