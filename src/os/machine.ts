import { readdirSync, readFileSync } from 'node:fs';
import { oneOfOption } from '../core/index.ts';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

/** Bytes of a memory page. */
export function pageSize(): number {
  return native().pageSize();
}

/** Bytes of the default huge page, or undefined where the kernel has none. */
export function hugePageSize(): number | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/meminfo', 'latin1');
  } catch {
    return undefined;
  }
  const kibibytes = /^Hugepagesize:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** The processors that the calling thread may run on, ascending. */
export function cpuAffinity(): number[] {
  try {
    return native().getAffinity(0);
  } catch (error) {
    throw systemFailure(error, 'read the cpu affinity');
  }
}

/** How many processors the calling thread may run on. */
export function availableCpus(): number {
  return cpuAffinity().length;
}

/**
 * Pins to the given processors.
 *
 * @param scope `'process'`: every thread there is now, those of the garbage collector too, and so all that these
 *   start later; `'thread'`: only the calling thread. Default: `'process'`.
 * @throws TendonError SYSTEM_ERROR EINVAL when none of them exists or is allowed
 */
export function setCpuAffinity(cpus: readonly number[], scope: 'process' | 'thread' = 'process'): void {
  oneOfOption('scope', scope, ['process', 'thread']);
  const doing = `pin to the cpus ${cpus.join(', ')}`;
  try {
    native().setAffinity(0, cpus);
  } catch (error) {
    throw systemFailure(error, doing);
  }
  if (scope === 'thread') return;
  for (const task of readdirSync('/proc/self/task')) {
    try {
      native().setAffinity(Number(task), cpus);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ESRCH') throw systemFailure(error, doing); // it ended meanwhile
    }
  }
}
