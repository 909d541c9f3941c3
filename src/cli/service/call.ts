import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { TendonError } from '../../core/index.ts';
import { type CodecName, defineService, method, type Service, ServiceProxy } from '../../rpc/index.ts';
import {
  connectWithin,
  contextOf,
  ENDPOINT_HELP,
  type GlobalFlags,
  parseCount,
  parseSeconds,
} from '../endpoint-flags.ts';
import { Interrupt } from '../interrupt.ts';
import { loadServedModule } from './served-module.ts';

const CODECS: readonly CodecName[] = ['json', 'msgpack', 'bytes'];
const STDIN = '-';

interface Flags extends GlobalFlags {
  readonly module?: string;
  readonly codec?: CodecName;
  readonly timeout?: number;
  readonly oneWay?: boolean;
  readonly wait: number;
}

/** What to call, known from a module or from its names alone. */
interface Target {
  readonly service: Service;
  readonly method: string;
}

/** Adds `tendon call` to the program. */
export function registerCall(program: Command): void {
  program
    .command('call')
    .description('call a method of a service and print what it answers')
    .argument('<endpoint>', ENDPOINT_HELP)
    .argument('<method>', 'SERVICE/METHOD; with --module METHOD will do')
    .argument('[json]', `the request, as JSON; "${STDIN}" reads it from standard input`)
    .option('--module <file>', 'an ES module that exports { service }: its codecs and time limits apply')
    .addOption(new Option('--codec <name>', 'without a module: how values travel').choices([...CODECS]))
    .option('--timeout <ms>', 'how long to wait for the answer', parseCount)
    .option('--one-way', 'without a module: the method does not answer')
    .option('--wait <seconds>', 'how long to look for the server', parseSeconds, 0)
    .action((endpoint: string, name: string, json: string | undefined, _: unknown, command: Command) =>
      call(endpoint, name, json, command.optsWithGlobals()),
    );
}

async function call(endpoint: string, name: string, json: string | undefined, flags: Flags): Promise<void> {
  const target = await resolveTarget(name, flags);
  const definition = target.service.methods[target.method]!; // resolveTarget made sure of it
  const request = readRequest(json === STDIN ? readFileSync(0, 'utf8') : json, definition.codec === 'bytes');
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const context = contextOf(flags);
  try {
    const connection = await connectWithin(endpoint, context, flags.wait * 1000, signal);
    await using proxy = await ServiceProxy.connect(target.service, connection, { context });
    if (definition.oneWay) {
      await proxy.callOneWay(target.method, request);
      return;
    }
    const answer = await proxy.call(target.method as never, request, {
      signal,
      ...(flags.timeout !== undefined && { deadlineMs: flags.timeout }),
    });
    printAnswer(answer);
  } catch (error) {
    interrupt.orThrow(error);
  }
}

async function resolveTarget(name: string, flags: Flags): Promise<Target> {
  const slash = name.lastIndexOf('/');
  const [serviceName, methodName] = [name.slice(0, Math.max(0, slash)), name.slice(slash + 1)];
  if (flags.module !== undefined) {
    const { service } = await loadServedModule(flags.module);
    if (serviceName !== '' && serviceName !== service.name)
      throw misnamed(name, `the module's service is ${service.name}`);
    if (!Object.hasOwn(service.methods, methodName))
      throw misnamed(name, `${service.name} has ${Object.keys(service.methods).join(', ')}`);
    return { service, method: methodName };
  }
  if (serviceName === '') throw misnamed(name, 'without --module it must be SERVICE/METHOD');
  const codec = flags.codec ?? 'json';
  const definition = flags.oneWay === true ? method({ codec, oneWay: true }) : method({ codec });
  return {
    service: defineService(serviceName, { methods: { [methodName]: definition } }),
    method: methodName,
  };
}

function misnamed(name: string, why: string): TendonError {
  return new TendonError('OPTION_INVALID', `method must name one, got "${name}": ${why}`, {
    option: 'method',
    value: name,
  });
}

function readRequest(text: string | undefined, asBytes: boolean): unknown {
  if (asBytes) return Buffer.from(text ?? '');
  if (text === undefined || text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = (error as Error).message; // JSON.parse throws SyntaxError only
    throw new TendonError('OPTION_INVALID', `json must be JSON, for example '{"a":1}': ${why}`, {
      option: 'json',
      value: text,
    });
  }
}

/** JSON, indented for a terminal; bytes as they are; nothing for a method that answers nothing. */
function printAnswer(answer: unknown): void {
  if (answer === undefined) return;
  if (answer instanceof Uint8Array) {
    process.stdout.write(answer);
    return;
  }
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString();
    return ArrayBuffer.isView(value) && !(value instanceof DataView)
      ? Array.from(value as Uint8Array)
      : value;
  };
  process.stdout.write(`${JSON.stringify(answer, plain, process.stdout.isTTY ? 2 : undefined)}\n`);
}
