import { BusiestProcesses } from './busiest.ts';
import type { Latency, Report, SensorReport } from './contract.ts';
import { Histogram } from './histogram.ts';
import { FrameKind, HOST_COLUMNS } from './layout.ts';
import { SampleReader } from './sample-reader.ts';
import { HostTrends } from './trends.ts';

/** The recent past is so many slices of this length. */
const SLICE_NS = 250e6;
const RECENT_SLICES = 4;

/** One start of the sensor. */
export class SensorRecord {
  generation = 0;
  pid: number | null;
  transport: string;
  received = 0;
  dropped = 0;
  readonly connectedNs: number;
  firstFrameNs: number | null = null;
  lastFrameNs: number | null = null;
  learnedNs: number | null = null;
  drainedNs: number | null = null;
  ended: string | null = null;
  nextSequence = 0;

  constructor(pid: number | null, transport: string, connectedNs: number) {
    this.pid = pid;
    this.transport = transport;
    this.connectedNs = connectedNs;
  }

  get report(): SensorReport {
    const { nextSequence: _, ...report } = this;
    return report;
  }
}

interface Slice {
  readonly latencyNs: Histogram;
  startNs: number;
  frames: number;
  bytes: number;
}

/** What the analyser knows: counts and latencies of the frames, rolling figures of what they say. */
export class Analysis {
  readonly #sensors: SensorRecord[] = [];
  readonly #host = new HostTrends();
  readonly #processes = new BusiestProcesses();
  readonly #reader = new SampleReader();
  readonly #columns = new Float64Array(HOST_COLUMNS);
  readonly #latencyNs = new Histogram();
  /** a ring of the recent past; `#slice` counts up for ever */
  readonly #slices: readonly Slice[] = Array.from({ length: RECENT_SLICES }, () => ({
    latencyNs: new Histogram(),
    startNs: 0,
    frames: 0,
    bytes: 0,
  }));
  #slice = 0;
  #frames = 0;
  #malformed = 0;

  sensor(pid: number | null, transport: string, nowNs: number): SensorRecord {
    const record = new SensorRecord(pid, transport, nowNs);
    this.#sensors.push(record);
    return record;
  }

  /** Takes a frame in place. @returns false for one that is none: its sender is to be disconnected */
  frame(record: SensorRecord, bytes: Uint8Array, offset: number, length: number, nowNs: number): boolean {
    const reader = this.#reader;
    if (!reader.wrap(bytes, offset, length) || reader.sequence < record.nextSequence) {
      this.#malformed++;
      return false;
    }
    record.dropped += reader.sequence - record.nextSequence;
    record.nextSequence = reader.sequence + 1;
    record.generation = reader.generation;
    record.received++;
    record.firstFrameNs ??= nowNs;
    record.lastFrameNs = nowNs;
    this.#frames++;

    const { takenNs } = reader;
    const slice = this.#sliceAt(nowNs);
    slice.frames++;
    slice.bytes += length;
    slice.latencyNs.record(nowNs - takenNs);
    this.#latencyNs.record(nowNs - takenNs);

    if (reader.kind === FrameKind.HOST) {
      reader.host(this.#columns);
      this.#host.add(this.#columns, takenNs);
    } else {
      this.#processes.add(reader.process, takenNs);
    }
    return true;
  }

  report(nowNs: number, busiest: number): Report {
    this.#sliceAt(nowNs); // silence passes slices too
    const recent = new Histogram();
    let oldestNs = nowNs;
    let frames = 0;
    let bytes = 0;
    for (const slice of this.#slices) {
      if (slice.startNs === 0) continue;
      recent.add(slice.latencyNs);
      frames += slice.frames;
      bytes += slice.bytes;
      oldestNs = Math.min(oldestNs, slice.startNs);
    }
    const seconds = Math.max((nowNs - oldestNs) / 1e9, SLICE_NS / 1e9);
    return {
      atNs: nowNs,
      frames: this.#frames,
      framesPerSecond: frames / seconds,
      bytesPerSecond: bytes / seconds,
      dropped: this.#sensors.reduce((sum, { dropped }) => sum + dropped, 0),
      malformed: this.#malformed,
      latencyUs: { recent: latencyOf(recent), run: latencyOf(this.#latencyNs) },
      host: this.#host.report,
      processes: this.#processes.sweep(nowNs),
      busiest: this.#processes.top(busiest),
      sensors: this.#sensors.map(({ report }) => report),
    };
  }

  #sliceAt(nowNs: number): Slice {
    let slice = this.#slices[this.#slice % RECENT_SLICES]!;
    if (slice.startNs === 0) slice.startNs = nowNs;
    if (nowNs - slice.startNs < SLICE_NS) return slice;
    const passed = Math.min(Math.floor((nowNs - slice.startNs) / SLICE_NS), RECENT_SLICES);
    for (let n = passed - 1; n >= 0; n--) {
      slice = this.#slices[++this.#slice % RECENT_SLICES]!;
      slice.latencyNs.clear();
      slice.frames = 0;
      slice.bytes = 0;
      slice.startNs = nowNs - n * SLICE_NS;
    }
    return slice;
  }
}

function latencyOf(ns: Histogram): Latency | null {
  if (ns.count === 0) return null;
  return { p50: ns.percentile(0.5) / 1e3, p99: ns.percentile(0.99) / 1e3, max: ns.max / 1e3 };
}
