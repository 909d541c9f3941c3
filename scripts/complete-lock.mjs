/**
 * Completes package-lock.json: `npm run lock`, after a change of dependencies.
 *
 * A package that brings binaries names one optional package for each platform. When the registry at hand does not serve
 * those of other platforms, npm leaves them out of the lock file, and `npm ci` then refuses that file everywhere
 * ("Missing: ... from lock file"). Version, platform and nothing else of them is known without the registry, and that is
 * what a lock file needs: npm fetches none but that of the platform it runs on.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './tree.mjs';

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];
const LIBRARIES = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

/** What the name of a platform package says: `@biomejs/cli-linux-x64-musl`. */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const [os, cpu] = [SYSTEMS, PROCESSORS].map((known) => words.find((word) => known.includes(word)));
  if (os === undefined || cpu === undefined) throw new Error(`${name} names no platform that is known here`);
  const library = words.map((word) => LIBRARIES[word]).find((known) => known !== undefined);
  return { os, cpu, library: os === 'linux' ? library : undefined };
}

const path = join(ROOT, 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8'));
const added = [];
for (const { optionalDependencies = {}, dev } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const key = `node_modules/${name}`;
    if (key in lock.packages) continue;
    if (!/^\d+\.\d+\.\d+/.test(version))
      throw new Error(`${name} is wanted as "${version}", which is no version`);
    const { os, cpu, library } = platformOf(name);
    // In npm's own order of keys, so that npm's next writing changes nothing.
    lock.packages[key] = {
      version,
      cpu: [cpu],
      ...(dev ? { dev } : {}),
      ...(library ? { libc: [library] } : {}),
      optional: true,
      os: [os],
    };
    added.push(name);
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added.length} optional packages of other platforms added`);
