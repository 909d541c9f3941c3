import type { Figure, HostReport } from './contract.ts';
import { HOST_COLUMNS, HostColumn, TICKS_PER_SECOND } from './layout.ts';

/** So often a figure gets a value. */
const SLICE_NS = 250e6;
/** A rate is that of the last four slices: the kernel counts processor time in steps of 10 ms. */
const RATE_SLICES = 4;
const HISTORY = 80;

class TrendOf {
  #now = Number.NaN;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #sum = 0;
  #count = 0;
  readonly #history: number[] = [];

  add(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#now = value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    this.#sum += value;
    this.#count++;
    if (this.#history.push(value) > HISTORY) this.#history.shift();
  }

  get figure(): Figure {
    if (this.#count === 0) return null;
    return {
      now: this.#now,
      min: this.#min,
      mean: this.#sum / this.#count,
      max: this.#max,
      history: [...this.#history],
    };
  }
}

type TrendName = Exclude<keyof HostReport, 'memoryBytes'>;

/** Figures that grow: each becomes a rate, in its column's unit a second, times a factor. */
const RATES: readonly (readonly [TrendName, column: number, factor: number])[] = [
  ['contextSwitchesPerSecond', HostColumn.CONTEXT_SWITCHES, 1],
  ['interruptsPerSecond', HostColumn.INTERRUPTS, 1],
  ['receivedBytesPerSecond', HostColumn.RECEIVED_BYTES, 1],
  ['sentBytesPerSecond', HostColumn.SENT_BYTES, 1],
  ['loopbackBytesPerSecond', HostColumn.LOOPBACK_BYTES, 1],
  ['cpuPressurePercent', HostColumn.CPU_STALL_US, 100 / 1e6],
  ['ioPressurePercent', HostColumn.IO_STALL_US, 100 / 1e6],
  ['memoryPressurePercent', HostColumn.MEMORY_STALL_US, 100 / 1e6],
];

/** Rolling figures of the host, from the HOST frames of the sensor. */
export class HostTrends {
  readonly #trends: Record<TrendName, TrendOf> = {
    cpuPercent: new TrendOf(),
    runningTasks: new TrendOf(),
    contextSwitchesPerSecond: new TrendOf(),
    interruptsPerSecond: new TrendOf(),
    memoryUsedBytes: new TrendOf(),
    receivedBytesPerSecond: new TrendOf(),
    sentBytesPerSecond: new TrendOf(),
    loopbackBytesPerSecond: new TrendOf(),
    cpuPressurePercent: new TrendOf(),
    ioPressurePercent: new TrendOf(),
    memoryPressurePercent: new TrendOf(),
  };
  /** the columns at the end of the last slices, the oldest first, each with its time in the last element */
  readonly #slices: Float64Array[] = [];
  #memoryBytes = Number.NaN;

  add(columns: Float64Array, takenNs: number): void {
    const last = this.#slices.at(-1);
    if (last !== undefined && takenNs - last[HOST_COLUMNS]! < SLICE_NS) return;
    const slice = new Float64Array(HOST_COLUMNS + 1);
    slice.set(columns);
    slice[HOST_COLUMNS] = takenNs;
    this.#slices.push(slice);
    this.#memoryBytes = slice[HostColumn.MEMORY_BYTES]!;
    this.#trends.memoryUsedBytes.add(this.#memoryBytes - slice[HostColumn.AVAILABLE_BYTES]!);
    this.#trends.runningTasks.add(slice[HostColumn.RUNNING_TASKS]!);
    if (this.#slices.length > RATE_SLICES + 1) this.#slices.shift();
    if (this.#slices.length > 1) this.#rates(this.#slices[0]!, slice);
  }

  get report(): HostReport {
    const entries = Object.entries(this.#trends).map(([name, trend]) => [name, trend.figure]);
    const memoryBytes = Number.isFinite(this.#memoryBytes) ? this.#memoryBytes : null;
    return { ...(Object.fromEntries(entries) as Record<TrendName, Figure>), memoryBytes }; // the keys are those of #trends
  }

  #rates(from: Float64Array, to: Float64Array): void {
    const seconds = (to[HOST_COLUMNS]! - from[HOST_COLUMNS]!) / 1e9;
    const grown = (column: number): number => to[column]! - from[column]!;
    const totalTicks = grown(HostColumn.TOTAL_TICKS);
    // Without a tick in between there is nothing to divide by; a virtual machine may be held that long.
    if (totalTicks > seconds * TICKS_PER_SECOND * 0.1) {
      this.#trends.cpuPercent.add((100 * grown(HostColumn.BUSY_TICKS)) / totalTicks);
    }
    for (const [name, column, factor] of RATES) this.#trends[name].add((grown(column) / seconds) * factor);
  }
}
