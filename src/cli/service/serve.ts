import { once } from 'node:events';
import type { Command } from 'commander';
import { TendonError } from '../../core/index.ts';
import { listen } from '../../index.ts';
import { ServiceStub } from '../../rpc/index.ts';
import { contextOf, ENDPOINT_HELP, type GlobalFlags, parseSeconds } from '../endpoint-flags.ts';
import { Interrupt } from '../interrupt.ts';
import { loadServedModule } from './served-module.ts';

const SERVE_DEFAULTS = { drainSeconds: 5 } as const;

interface Flags extends GlobalFlags {
  readonly module: string;
  readonly drain: number;
}

/** Adds `tendon serve` to the program. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('serve the service of an ES module until Ctrl-C or SIGTERM')
    .argument('<endpoint>', ENDPOINT_HELP)
    .requiredOption('--module <file>', 'an ES module that exports { service, handlers }')
    .option(
      '--drain <seconds>',
      'how long handlers that run may take to finish at the end',
      parseSeconds,
      SERVE_DEFAULTS.drainSeconds,
    )
    .action((endpoint: string, _: unknown, command: Command) => serve(endpoint, command.optsWithGlobals()));
}

async function serve(endpoint: string, flags: Flags): Promise<void> {
  const { service, handlers } = await loadServedModule(flags.module);
  if (handlers === undefined) {
    const message = `the module ${flags.module} exports no handlers`;
    throw new TendonError('OPTION_INVALID', message, { option: 'module', value: flags.module });
  }
  using interrupt = new Interrupt();
  const context = contextOf(flags);
  const listener = await listen(endpoint, { context });
  const stub = await ServiceStub.serve(service, handlers, {
    listener,
    context,
    shutdownTimeoutMs: flags.drain * 1000,
  });
  stub.events.on('handlerFailed', (error, method) => {
    process.stderr.write(
      `${service.name}/${method} failed: ${error instanceof Error ? error.message : error}\n`,
    );
  });
  stub.events.on('dropped', (reason) => process.stderr.write(`a client was dropped: ${reason.message}\n`));
  const methods = Object.keys(service.methods).join(', ');
  process.stdout.write(`serving ${service.name} (${methods}) at ${listener.endpoint}, pid ${process.pid}\n`);
  if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort');
  const { totalRequests } = stub.stats;
  const { abandoned } = await stub.stop();
  process.stdout.write(
    `stopped after ${totalRequests} requests${abandoned > 0 ? `, ${abandoned} cut off` : ''}\n`,
  );
  process.exit(abandoned > 0 ? 1 : 0); // what the module holds open (timers, sockets) would keep the process
}
