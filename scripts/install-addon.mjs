// npm's "install" script: compiles the addon when no prebuilt one fits. It never fails the install: without the
// addon Tendon runs over Unix sockets, and one line says so and what to do.
//
//   TENDON_SKIP_ADDON=1   skips the build

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REMEDY = 'apt-get install g++ make python3 (or their like), then: npm rebuild tendon';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const logFile = join(root, 'build', 'addon.log');
const require = createRequire(import.meta.url);

/** A reason to go without; not a crash of this script. */
class Unavailable extends Error {}

function prebuiltFits() {
  try {
    const found = require('node-gyp-build').path(root);
    if (!found.startsWith(join(root, 'prebuilds'))) return false; // an old build of this checkout: build it anew
    require(found);
    return true;
  } catch {
    return false;
  }
}

function hasHeaders(prefix) {
  return existsSync(join(prefix, 'include/node/node_api.h')) && existsSync(join(prefix, 'include/node/uv.h'));
}

/** The directory whose include/node has this Node's headers: beside the running one, else from the npm registry. */
function findHeaders(temporary) {
  const beside = dirname(dirname(realpathSync(process.execPath)));
  if (hasHeaders(beside)) return beside;
  const name = `node-linux-${process.arch}`;
  const major = process.versions.node.split('.')[0];
  const npm = process.env['npm_execpath'];
  const pack = ['pack', `${name}@${major}`, '--silent', '--pack-destination', temporary];
  const options = { cwd: temporary, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' };
  try {
    const printed = npm?.endsWith('.js')
      ? execFileSync(process.execPath, [npm, ...pack], options)
      : execFileSync('npm', pack, options);
    const archive = join(temporary, printed.trim().split('\n').at(-1));
    execFileSync('tar', ['-xzf', archive, '-C', temporary, 'package/include'], options);
  } catch (error) {
    throw new Unavailable(
      `the headers of Node ${major} are neither beside ${process.execPath} nor to be had from the registry ` +
        `package ${name} (${String(error.stderr ?? error.message)
          .trim()
          .split('\n')
          .at(-1)})`,
    );
  }
  const unpacked = join(temporary, 'package');
  if (!hasHeaders(unpacked)) throw new Unavailable(`the registry package ${name}@${major} has no headers`);
  return unpacked;
}

/** node-gyp as npm names it to install scripts, else as a package of ours, else npm's own copy. */
function findNodeGyp() {
  const named = process.env['npm_config_node_gyp'];
  if (named && existsSync(named)) return named;
  const places = [root];
  if (process.env['npm_execpath']) places.push(dirname(process.env['npm_execpath']));
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  places.push(join(prefix, 'lib/node_modules/npm'), join(prefix, 'share/nodejs/npm'));
  for (const place of places) {
    try {
      return createRequire(join(place, 'package.json')).resolve('node-gyp/bin/node-gyp.js');
    } catch {
      // looked for in the next place
    }
  }
  throw new Unavailable('node-gyp was not found');
}

function requireTool(names, purpose) {
  if (names.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)) return;
  throw new Unavailable(`there is no ${purpose} (${names.join(', ')})`);
}

function build() {
  if (process.env['TENDON_SKIP_ADDON'] === '1') throw new Unavailable('TENDON_SKIP_ADDON is set');
  if (process.platform !== 'linux')
    throw new Unavailable(`shared memory needs Linux, this is ${process.platform}`);
  if (prebuiltFits()) return;
  requireTool([process.env['CXX'] ?? 'c++', 'g++', 'clang++'], 'C++ compiler');
  requireTool(['make'], 'make');
  requireTool([process.env['npm_config_python'] ?? process.env['PYTHON'] ?? 'python3', 'python'], 'Python');
  const nodeGyp = findNodeGyp();
  const temporary = mkdtempSync(join(tmpdir(), 'tendon-headers-'));
  try {
    const headers = findHeaders(temporary);
    const result = spawnSync(process.execPath, [nodeGyp, 'rebuild', `--nodedir=${headers}`], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    mkdirSync(dirname(logFile), { recursive: true }); // after the build, which empties this directory
    writeFileSync(logFile, `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`);
    if (result.status !== 0) throw new Unavailable(`compiling the addon failed, see ${logFile}`);
    require(require('node-gyp-build').path(root)); // what was built must load
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

try {
  build();
} catch (error) {
  const reason = error instanceof Unavailable ? error.message : `the build of the addon broke off: ${error}`;
  console.warn(
    `tendon: without shared memory, over Unix sockets only: ${reason}. To get the addon: ${REMEDY}`,
  );
}
