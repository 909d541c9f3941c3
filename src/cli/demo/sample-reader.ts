import * as layout from './layout.ts';
import type { ProcessSample } from './process-table.ts';

/** Looks at a frame of the sensor in place; `wrap` says whether it is one. */
export class SampleReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;

  /** False for bytes that no sensor of this version sends. */
  wrap(bytes: Uint8Array, offset: number, length: number): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#at = offset;
    if (
      length < layout.HEADER_BYTES ||
      this.#view.getUint8(offset + layout.VERSION) !== layout.LAYOUT_VERSION
    )
      return false;
    switch (this.kind) {
      case layout.FrameKind.HOST:
        return length === layout.HOST_BYTES;
      case layout.FrameKind.PROCESS:
        return (
          length === layout.PROCESS_BYTES &&
          this.#view.getUint8(offset + layout.NAME_BYTES) <= layout.MAX_NAME_BYTES
        );
      default:
        return false;
    }
  }

  get kind(): number {
    return this.#view.getUint8(this.#at + layout.KIND);
  }

  get generation(): number {
    return this.#view.getUint16(this.#at + layout.GENERATION, true);
  }

  get sequence(): number {
    return this.#view.getUint32(this.#at + layout.SEQUENCE, true);
  }

  get takenNs(): number {
    return this.#view.getFloat64(this.#at + layout.TAKEN_NS, true);
  }

  /** Copies the columns of a HOST frame. */
  host(into: Float64Array): void {
    let at = this.#at + layout.HEADER_BYTES;
    for (let column = 0; column < layout.HOST_COLUMNS; column++, at += 8) {
      into[column] = this.#view.getFloat64(at, true);
    }
  }

  get process(): ProcessSample {
    const view = this.#view;
    const at = this.#at;
    const name = this.#bytes.subarray(
      at + layout.NAME,
      at + layout.NAME + view.getUint8(at + layout.NAME_BYTES),
    );
    return {
      pid: view.getUint32(at + layout.PID, true),
      threads: view.getUint32(at + layout.THREADS, true),
      cpuTicks: view.getFloat64(at + layout.CPU_TICKS, true),
      residentBytes: view.getFloat64(at + layout.RESIDENT_BYTES, true),
      startedTicks: view.getFloat64(at + layout.STARTED_TICKS, true),
      state: String.fromCharCode(view.getUint8(at + layout.STATE)),
      name: String.fromCharCode(...name),
    };
  }
}
