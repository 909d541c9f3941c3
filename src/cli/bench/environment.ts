import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { allowedCpus } from './placement.ts';
import type { BenchEnvironment } from './report.ts';
import { findCompiler } from './subjects/c-ring.ts';

type Timing = Pick<BenchEnvironment, 'warmUpSeconds' | 'roundSeconds' | 'rounds'>;

/** Everything about this host and these programs that figures depend on. `tookSeconds` is filled in at the end. */
export async function describeEnvironment(timing: Timing): Promise<BenchEnvironment> {
  const allowed = allowedCpus();
  const compiler = await findCompiler();
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: allowed,
    governor:
      readTrimmed(`/sys/devices/system/cpu/cpu${allowed[0] ?? 0}/cpufreq/scaling_governor`) ?? 'unknown',
    loadBefore: loadavg()[0] ?? 0,
    kernel: release(),
    node: process.version,
    flags: process.execArgv,
    commit: commitOrVersion(),
    versions: {
      v8: process.versions.v8,
      uv: process.versions.uv,
      ...versionOf('zeromq'),
      ...versionOf('@grpc/grpc-js'),
      ...(compiler && { compiler: compiler.version }),
    },
    ...timing,
    tookSeconds: 0,
  };
}

function readTrimmed(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Git is asked only in a checkout of Tendon itself: an installed package may lie in somebody else's repository. */
function commitOrVersion(): string {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const manifest = JSON.parse(readTrimmed(`${root}/package.json`) ?? '{}') as { version?: string };
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', root, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    if (git('rev-parse', '--show-prefix') !== '') throw new Error('a package inside another repository');
    const dirty = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '-dirty';
    return git('rev-parse', '--short', 'HEAD') + dirty;
  } catch {
    return `v${manifest.version ?? '0'}`;
  }
}

function versionOf(name: string): Readonly<Record<string, string>> {
  const require = createRequire(import.meta.url);
  for (const directory of require.resolve.paths(name) ?? []) {
    const manifest = readTrimmed(`${directory}/${name}/package.json`);
    if (manifest !== undefined)
      return { [name]: String((JSON.parse(manifest) as { version?: unknown }).version) };
  }
  return {};
}
