/**
 * Compiles the sources: `npm run build`, and `prepare`, which npm runs in a clone after an install and before a pack.
 * An install that left the compiler out (`--omit=dev`) keeps what is in dist/ and says so.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { dropStaleOutputs, ROOT } from './tree.mjs';

/** @returns the exit code: 0 when every file compiled without an error */
export function build() {
  let compiler;
  try {
    compiler = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  } catch {
    process.stderr.write('tendon: no TypeScript compiler is installed, the sources were not built\n');
    return existsSync(join(ROOT, 'dist')) ? 0 : 1;
  }
  dropStaleOutputs();
  const { status } = spawnSync(process.execPath, [compiler, '-b'], { cwd: ROOT, stdio: 'inherit' });
  const command = join(ROOT, 'dist/cli/main.js');
  if (existsSync(command)) chmodSync(command, 0o755);
  return status ?? 1;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = build();
