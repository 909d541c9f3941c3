import type { ProcessReport } from './contract.ts';
import { TICKS_PER_SECOND } from './layout.ts';
import type { ProcessSample } from './process-table.ts';

/** A share of a processor is taken over at least this time. */
const RATE_NS = 1e9;
/** A process that no frame has told of for so long has ended. */
const FORGET_NS = 5e9;

interface Known {
  sample: ProcessSample;
  seenNs: number;
  baseTicks: number;
  baseNs: number;
  cpuPercent: number;
}

/** The process table of the host as the PROCESS frames tell it, and who uses the processors most. */
export class BusiestProcesses {
  readonly #known = new Map<number, Known>();

  add(sample: ProcessSample, takenNs: number): void {
    const known = this.#known.get(sample.pid);
    if (known === undefined || known.sample.startedTicks !== sample.startedTicks) {
      const fresh = { sample, seenNs: takenNs, baseTicks: sample.cpuTicks, baseNs: takenNs, cpuPercent: 0 };
      this.#known.set(sample.pid, fresh);
      return;
    }
    known.sample = sample;
    known.seenNs = takenNs;
    const passedNs = takenNs - known.baseNs;
    if (passedNs < RATE_NS) return;
    known.cpuPercent = (100 * (sample.cpuTicks - known.baseTicks)) / TICKS_PER_SECOND / (passedNs / 1e9);
    known.baseTicks = sample.cpuTicks;
    known.baseNs = takenNs;
  }

  /** Forgets who has ended. @returns how many there are */
  sweep(nowNs: number): number {
    for (const [pid, known] of this.#known) if (nowNs - known.seenNs > FORGET_NS) this.#known.delete(pid);
    return this.#known.size;
  }

  top(count: number): ProcessReport[] {
    const order = (a: Known, b: Known): number =>
      b.cpuPercent - a.cpuPercent || b.sample.residentBytes - a.sample.residentBytes;
    return [...this.#known.values()]
      .sort(order)
      .slice(0, count)
      .map(({ sample, cpuPercent }) => ({
        pid: sample.pid,
        name: sample.name,
        state: sample.state,
        threads: sample.threads,
        cpuPercent,
        residentBytes: sample.residentBytes,
      }));
  }
}
