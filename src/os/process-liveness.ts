import { readFileSync } from 'node:fs';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

/**
 * A descriptor that becomes readable when the process ends; a recycled pid cannot confuse it.
 * @throws TendonError SYSTEM_ERROR ESRCH when there is no such process
 */
export function pidfdOpen(pid: number): number {
  try {
    return native().openPidfd(pid);
  } catch (error) {
    throw systemFailure(error, `watch process ${pid}`);
  }
}

interface ProcessFacts {
  /** one letter of proc(5); Z and X have ended */
  readonly state: string;
  /** clock ticks after boot at which it started */
  readonly startTime: number;
}

function readFacts(pid: number): ProcessFacts | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // gone, or hidden from us by the mount options of /proc
  }
  // `pid (comm) state ...`: comm is any bytes, spaces and parentheses included, so count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(fields[19]); // field 22 of proc(5), the third being the first here
  return Number.isSafeInteger(startTime) ? { state: fields[0] ?? '', startTime } : undefined;
}

/** True while the process runs; a zombie, which only waits to be collected, has ended. */
export function processAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false; // EPERM: it exists and is not ours
  }
  const facts = readFacts(pid);
  return facts === undefined || (facts.state !== 'Z' && facts.state !== 'X');
}

/**
 * When the process started, in clock ticks after boot (proc(5), field 22): with the pid it names one process for
 * ever, since a recycled pid has another start. Undefined when it does not exist or /proc hides it.
 */
export function processStartTime(pid: number): number | undefined {
  return readFacts(pid)?.startTime;
}

/** Who a process is: a pid alone may have been given to another. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/** Liveness as memory/ takes it, by interface. */
export interface ProcessLiveness {
  self(): ProcessIdentity;
  isAlive(pid: number, startTime: number): boolean;
}

/** When this process started, as `processStartTime`; 0 where /proc does not tell. */
export function ownStartTime(): number {
  return processStartTime(process.pid) ?? 0;
}

/**
 * A start of 0 means unknown: then the pid alone decides. Starts are compared modulo 2^32, which is how shared
 * memory keeps them; the ticks pass that after 497 days.
 */
export const processLiveness: ProcessLiveness = {
  self() {
    return { pid: process.pid, startTime: ownStartTime() };
  },
  isAlive(pid, startTime) {
    if (!processAlive(pid)) return false;
    const actual = processStartTime(pid);
    return actual === undefined || startTime === 0 || actual >>> 0 === startTime >>> 0;
  },
};
