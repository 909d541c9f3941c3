import * as layout from './layout.ts';
import type { ProcessSample } from './process-table.ts';

/** Writes frames of the sensor in place; `wrap` once for each frame. */
export class SampleWriter {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;

  wrap(bytes: Uint8Array, offset: number): this {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#at = offset;
    return this;
  }

  header(kind: number, generation: number, sequence: number): void {
    const view = this.#view;
    view.setUint8(this.#at + layout.KIND, kind);
    view.setUint8(this.#at + layout.VERSION, layout.LAYOUT_VERSION);
    view.setUint16(this.#at + layout.GENERATION, generation, true);
    view.setUint32(this.#at + layout.SEQUENCE, sequence, true);
  }

  host(columns: Float64Array): void {
    let at = this.#at + layout.HEADER_BYTES;
    for (let column = 0; column < layout.HOST_COLUMNS; column++, at += 8) {
      this.#view.setFloat64(at, columns[column]!, true);
    }
  }

  process(sample: ProcessSample): void {
    const view = this.#view;
    const at = this.#at;
    view.setUint32(at + layout.PID, sample.pid, true);
    view.setUint32(at + layout.THREADS, sample.threads, true);
    view.setFloat64(at + layout.CPU_TICKS, sample.cpuTicks, true);
    view.setFloat64(at + layout.RESIDENT_BYTES, sample.residentBytes, true);
    view.setFloat64(at + layout.STARTED_TICKS, sample.startedTicks, true);
    view.setUint8(at + layout.STATE, sample.state.charCodeAt(0));
    const nameBytes = Math.min(sample.name.length, layout.MAX_NAME_BYTES); // latin1: a byte a unit
    view.setUint8(at + layout.NAME_BYTES, nameBytes);
    for (let n = 0; n < layout.PROCESS_BYTES - layout.NAME; n++) {
      view.setUint8(at + layout.NAME + n, n < nameBytes ? sample.name.charCodeAt(n) : 0);
    }
  }

  /** Last, so that what it took to sample is not counted as time on the way. */
  takenAt(ns: number): void {
    this.#view.setFloat64(this.#at + layout.TAKEN_NS, ns, true);
  }
}
