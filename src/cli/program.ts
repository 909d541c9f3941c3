import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { registerBench } from './bench/index.ts';
import { registerDemo } from './demo/index.ts';
import { registerDoctor } from './doctor/index.ts';
import { registerPipe } from './pipe/index.ts';
import { registerCall, registerServe } from './service/index.ts';

/** The `tendon` command with all it can do. */
export function createProgram(): Command {
  const program = new Command('tendon')
    .description('messaging between processes at the speed of memory')
    .version(ownVersion(), '-V, --version')
    .option('--debug', 'show where a failure came from')
    .addOption(
      new Option(
        '--runtime-directory <path>',
        'where names meet; /run/user/UID/tendon or /tmp/tendon-UID',
      ).env('TENDON_RUNTIME_DIRECTORY'),
    )
    .showHelpAfterError('(run with --help for what there is)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  registerDemo(program);
  registerBench(program);
  registerDoctor(program);
  registerServe(program);
  registerCall(program);
  registerPipe(program);
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError('(run with --help for what there is)');
  return program;
}

/** dist/cli/program.js -> package.json of the package */
function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
