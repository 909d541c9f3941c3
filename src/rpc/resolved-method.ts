import { binaryCodec, bytesCodec } from '../codec/binary/index.ts';
import type { Codec } from '../codec/index.ts';
import { jsonCodec } from '../codec/json/index.ts';
import { TendonError } from '../core/index.ts';
import type { EnvelopeReader } from '../envelope/index.ts';
import { NO_VALUE } from './frame-sender.ts';
import type { CodecName, Service, Validator } from './service.ts';

/** A method of a contract with everything looked up that a call needs. */
export interface ResolvedMethod {
  readonly name: string;
  /** u32 on the wire */
  readonly id: number;
  readonly codec: Codec;
  readonly oneWay: boolean;
  readonly deadlineMs: number | undefined;
  readonly validateRequest: Validator | undefined;
  readonly validateResponse: Validator | undefined;
}

/** @throws TendonError DEPENDENCY_MISSING when a codec needs a package that is not installed */
export async function resolveMethods(service: Service): Promise<ResolvedMethod[]> {
  const methods: ResolvedMethod[] = [];
  for (const [name, definition] of Object.entries(service.methods)) {
    const { codec, oneWay, deadlineMs, validateRequest, validateResponse } = definition;
    methods.push({
      name,
      id: service.methodIds[name]!, // defineService numbers every method
      codec: typeof codec === 'string' ? await codecNamed(codec) : codec,
      oneWay,
      deadlineMs,
      validateRequest,
      validateResponse,
    });
  }
  return methods;
}

async function codecNamed(name: CodecName): Promise<Codec> {
  switch (name) {
    case 'json':
      return jsonCodec;
    case 'binary':
      return binaryCodec as Codec; // refuses, with ENCODE_FAILED, whatever is not a typed array
    case 'bytes':
      return bytesCodec as Codec; // refuses, with ENCODE_FAILED, whatever is not bytes
    case 'msgpack': {
      const { messagePackCodec } = await import('../codec/msgpack/index.ts');
      return messagePackCodec();
    }
    default:
      return name satisfies never;
  }
}

/**
 * The value that a frame carries, in memory of its own.
 *
 * @hot
 * @throws TendonError DECODE_FAILED, also when the frame speaks another codec than the method
 */
export function decodeValue(method: ResolvedMethod, reader: EnvelopeReader, bytes: Uint8Array): unknown {
  const { codec } = method;
  if (reader.codec === codec.id) return codec.decode(bytes, reader.payloadOffset, reader.payloadLength);
  if (reader.codec === NO_VALUE && reader.payloadLength === 0) return undefined;
  throw new TendonError(
    'DECODE_FAILED',
    `${method.name} speaks the codec ${codec.name} (${codec.id}); the message came in codec ${reader.codec}`,
    { codec: codec.name, position: 0 },
  );
}

/** Why `validator` refuses `value`; undefined when it does not. */
export function refusal(
  validator: Validator,
  value: unknown,
  method: string,
  what: 'request' | 'response',
): TendonError | undefined {
  let cause: unknown;
  try {
    if (validator(value) !== false) return undefined;
  } catch (error) {
    cause = error;
  }
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new TendonError(
    'VALIDATION_FAILED',
    `the ${what} of ${method} is not valid${why}`,
    { method },
    cause === undefined ? undefined : { cause },
  );
}
