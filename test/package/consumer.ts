/** A folder of a user who installs the packed package, and nothing else that this repository has. */
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The root of the repository: this file runs from `dist-test/test/package/`. */
export const ROOT: string = dirname(dirname(dirname(import.meta.dirname)));

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables that npm sets for scripts and the test runner for its files mean nothing to the user's processes. */
function userEnvironment(changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_TEST_CONTEXT|INIT_CWD)/i.test(name),
  );
  return { ...Object.fromEntries(own), ...changes };
}

/** Runs to its end, whatever that is; kills after `limitMs`. Rejects only when the command cannot be started. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  limitMs = 300_000,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: userEnvironment(env), timeout: limitMs, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number' && error.signal === null) reject(error);
      else resolve({ code: child.exitCode ?? 1, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** Like `run`; rejects with everything that was printed when it fails. */
export async function succeed(...parameters: Parameters<typeof run>): Promise<Outcome> {
  const outcome = await run(...parameters);
  if (outcome.code !== 0) {
    const [command, args] = parameters;
    throw new Error(
      `${command} ${args.join(' ')}: exit code ${outcome.code}\n${outcome.stdout}${outcome.stderr}`,
    );
  }
  return outcome;
}

export interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

export const MANIFEST: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** `tendon`, `tendon/core`, ...: what can be imported as code. */
export const SPECIFIERS: readonly string[] = Object.entries(MANIFEST.exports)
  .filter(([, target]) => typeof target === 'object')
  .map(([name]) => `tendon${name.slice(1)}`);

export class Consumer implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'consumer-'));

  constructor() {
    this.write('package.json', JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }));
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  write(name: string, text: string): string {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  install(tarball: string, env: NodeJS.ProcessEnv = {}, ...flags: string[]): Promise<Outcome> {
    const args = ['install', '--no-audit', '--no-fund', '--foreground-scripts', ...flags, tarball];
    return succeed('npm', args, this.folder, env);
  }

  /** The installed command, under the running Node. */
  tendon(args: readonly string[], limitMs?: number): Promise<Outcome> {
    const command = realpathSync(this.path('node_modules/.bin/tendon'));
    return run(process.execPath, [command, ...args], this.folder, {}, limitMs);
  }

  /** A PATH with Node, npm and the shell, and no compiler, make or Python. */
  pathWithoutCompiler(): string {
    const folder = this.path('commands');
    mkdirSync(folder);
    const wanted = ['npm', 'npx', 'sh', 'env', 'uname', 'tar', 'cat', 'dirname', 'sed'];
    for (const name of wanted) {
      const found = (process.env['PATH'] ?? '').split(':').map((part) => join(part, name));
      const real = found.find((candidate) => {
        try {
          return realpathSync(candidate) !== '';
        } catch {
          return false;
        }
      });
      if (real !== undefined) symlinkSync(real, join(folder, name));
    }
    symlinkSync(process.execPath, join(folder, 'node'));
    return folder;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
