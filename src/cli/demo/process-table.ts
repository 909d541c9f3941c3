import { readdirSync, readFileSync } from 'node:fs';
import { nativeStatus, pageSize } from '../../os/index.ts';

/** One process, as /proc/PID/stat tells. */
export interface ProcessSample {
  readonly pid: number;
  /** at most 15 bytes, one to a character */
  readonly name: string;
  /** the letter of proc(5) */
  readonly state: string;
  readonly threads: number;
  readonly cpuTicks: number;
  readonly residentBytes: number;
  /** ticks after boot; with the pid it names one process for ever */
  readonly startedTicks: number;
}

/** How often it is looked which processes there are. */
const LIST_MS = 1_000;

/** Goes round the processes of the host, one a call. */
export class ProcessTable {
  readonly #pageBytes = nativeStatus().available ? pageSize() : pageBytesFromMaps();
  #pids: readonly string[] = [];
  #next = 0;
  #listedMs = Number.NEGATIVE_INFINITY;

  /** The next process that is still there; undefined where /proc shows none. */
  next(nowMs: number): ProcessSample | undefined {
    for (let tries = 0; tries <= this.#pids.length; tries++) {
      if (this.#next >= this.#pids.length) {
        if (nowMs - this.#listedMs >= LIST_MS) {
          this.#pids = readdirSync('/proc').filter((name) => name.charCodeAt(0) <= 0x39); // only pids begin with a digit
          this.#listedMs = nowMs;
        }
        this.#next = 0;
      }
      const pid = this.#pids[this.#next++];
      const sample = pid === undefined ? undefined : this.#read(pid);
      if (sample !== undefined) return sample;
    }
    return undefined;
  }

  #read(pid: string): ProcessSample | undefined {
    let text: string;
    try {
      text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    } catch {
      return undefined; // it has ended
    }
    // `pid (name) state ...`: a name is any bytes, parentheses and blanks included, so what follows counts from its end.
    const nameEnd = text.lastIndexOf(')');
    const fields = text.slice(nameEnd + 2).split(' ');
    return {
      pid: Number(pid),
      name: text.slice(text.indexOf('(') + 1, nameEnd),
      state: fields[0] ?? '?',
      threads: Number(fields[17]),
      cpuTicks: Number(fields[11]) + Number(fields[12]),
      residentBytes: Number(fields[21]) * this.#pageBytes,
      startedTicks: Number(fields[19]),
    };
  }
}

function pageBytesFromMaps(): number {
  const kibibytes = /^KernelPageSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps', 'latin1'))?.[1];
  return Number(kibibytes) * 1024;
}
