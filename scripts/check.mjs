/**
 * The checks that need no test runner: layout and lint (biome), what nobody uses (knip), what is published (publint).
 * `npm run check` also runs the architecture test.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT } from './tree.mjs';

const require = createRequire(import.meta.url);

/** The script behind a package's command, so that a check runs under this Node and needs no PATH. */
function commandOf(name, command = name) {
  const manifest = join(ROOT, 'node_modules', name, 'package.json');
  const { bin } = require(manifest);
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[command]);
}

function run(script, ...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ ok: false, output: String(error) }));
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** Files the manifest names whose source is not there: announced, not built. `.ci/run` imports every one of them. */
function announced({ main, bin, exports }) {
  const named = [main, ...Object.values(bin), ...Object.values(exports).map((target) => target.default)];
  const source = (path) => path.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts');
  return [...new Set(named)].filter((path) => path !== undefined && !existsSync(join(ROOT, source(path))));
}

async function published() {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const missing = announced(manifest);
  const withTypes = new Set(missing.flatMap((path) => [path, path.replace(/\.js$/, '.d.ts')]));
  const { messages } = await publint({ pkgDir: ROOT, strict: true });
  const real = messages.filter(
    ({ code, args, path }) =>
      !(code === 'FILE_DOES_NOT_EXIST' && withTypes.has(args.filePath ?? valueAt(manifest, path))),
  );
  const output = real.map((message) => formatMessage(message, manifest, { color: false })).join('\n');
  const note = missing.length > 0 ? `announced and not there yet: ${missing.join(' ')}` : '';
  return { ok: real.length === 0, output, note };
}

function valueAt(object, path) {
  return path.reduce((value, key) => value?.[key], object);
}

const CHECKS = {
  biome: () => run(commandOf('@biomejs/biome', 'biome'), 'check', '--error-on-warnings'),
  knip: () => run(commandOf('knip'), '--no-progress', '--no-config-hints'),
  publint: published,
};

/** Runs all of them, prints a line each and the findings of those that failed. */
export async function check() {
  const outcomes = await Promise.all(
    Object.entries(CHECKS).map(async ([name, start]) => {
      const began = performance.now();
      const outcome = await start();
      return { name, seconds: (performance.now() - began) / 1000, ...outcome };
    }),
  );
  for (const { name, ok, output, note, seconds } of outcomes) {
    process.stdout.write(
      `${ok ? 'clean ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s)${note ? `: ${note}` : ''}\n`,
    );
    if (!ok) process.stdout.write(`${output}\n`);
  }
  return outcomes.every(({ ok }) => ok);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = (await check()) ? 0 : 1;
