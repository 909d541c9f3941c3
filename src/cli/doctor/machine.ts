import { readFileSync, statfsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { cpuAffinity, hugePageSize, nativeStatus, pageSize } from '../../os/index.ts';
import { figures } from '../terminal/index.ts';
import { type Check, fail, ok, warn } from './check.ts';

const LEAST_NODE: readonly [number, number] = [20, 19];
/** A connection takes about two descriptors, the process itself some twenty. */
const LEAST_DESCRIPTORS = 1024;
/** A few channels of the default size. */
const LEAST_FILE_BYTES = 64 * 1024 * 1024;
const LEAST_SHM_BYTES = 64 * 1024 * 1024;

export function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  const found = `${process.version} ${process.arch}`;
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
    ? ok('node', found)
    : fail('node', found, `install Node ${leastMajor}.${leastMinor} or later`);
}

export function checkKernel(): Check {
  const found = `${process.platform} ${release()}`;
  return process.platform === 'linux'
    ? ok('kernel', found)
    : warn('kernel', found, 'shared memory needs Linux; here everything runs over sockets');
}

export function checkAddon(): Check {
  const status = nativeStatus();
  if (status.available) return ok('addon', status.path);
  return warn(
    'addon',
    status.reason,
    'shm: runs over Unix sockets meanwhile; for shared memory install g++, make and python3, then: npm rebuild tendon',
  );
}

export function checkLimits(): readonly Check[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return [warn('limits', '/proc/self/limits cannot be read', 'mount /proc, or look at ulimit -a')];
  }
  const soft = (title: string): number => {
    const value = new RegExp(`^${title}\\s+(\\S+)`, 'm').exec(text)?.[1];
    return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
  };
  const amount = (value: number): string =>
    value === Number.POSITIVE_INFINITY ? 'unlimited' : figures.bytes(value);
  const descriptors = soft('Max open files');
  const fileBytes = soft('Max file size');
  const locked = amount(soft('Max locked memory'));
  return [
    descriptors >= LEAST_DESCRIPTORS
      ? ok('open files', `${descriptors}`)
      : warn(
          'open files',
          `${descriptors}`,
          `ulimit -n ${LEAST_DESCRIPTORS} or more: a connection takes two`,
        ),
    fileBytes >= LEAST_FILE_BYTES
      ? ok('file size', amount(fileBytes))
      : fail('file size', amount(fileBytes), 'ulimit -f unlimited: shared memory counts as a file'),
    ok('locked memory', `${locked} (only for memory that must not be swapped)`),
  ];
}

export function checkMemory(): readonly Check[] {
  const checks: Check[] = [];
  try {
    const { bsize, blocks, bavail } = statfsSync('/dev/shm');
    const size = bsize * blocks;
    const found = `${figures.bytes(bsize * bavail)} free of ${figures.bytes(size)}`;
    checks.push(
      size >= LEAST_SHM_BYTES
        ? ok('/dev/shm', found)
        : warn('/dev/shm', found, 'docker run --shm-size=1g; channels do not need it, pools in files do'),
    );
  } catch {
    checks.push(
      warn('/dev/shm', 'not there', 'mount a tmpfs there; channels do not need it, pools in files do'),
    );
  }
  const huge = hugePageSize();
  if (nativeStatus().available) {
    const pages = `${figures.bytes(pageSize())}${huge === undefined ? '' : `, huge pages of ${figures.bytes(huge)}`}`;
    checks.push(ok('pages', pages));
  }
  return checks;
}

export function checkProcessors(): Check {
  const all = cpus();
  const usable = nativeStatus().available ? cpuAffinity() : all.map((_, cpu) => cpu);
  const found = `${usable.length} of ${all.length} usable (${ranges(usable)}), ${all[0]?.model.trim() ?? 'unknown model'}`;
  return usable.length > 1
    ? ok('processors', found)
    : warn(
        'processors',
        found,
        'with one processor two processes take turns: give them two where latency matters',
      );
}

/** `0-3,6` */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
