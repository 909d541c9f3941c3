import { openSync, writeSync } from 'node:fs';
import { BACK_PRESSURED, CLOSED, Context } from '../../core/index.ts';
import { connect } from '../../index.ts';
import type { Connection } from '../../transport/index.ts';
import { monotonicClock } from './clock.ts';
import { HostSampler } from './host-sampler.ts';
import { FrameKind, HOST_BYTES, PROCESS_BYTES } from './layout.ts';
import { accountPath, type ParentLine, type PartSpec, SAMPLES_ENDPOINT } from './part.ts';
import { type ProcessSample, ProcessTable } from './process-table.ts';
import { SampleWriter } from './sample-writer.ts';

/** What a sensor says when it stops in order. */
export interface SensorAccount {
  readonly committed: number;
  readonly dropped: number;
}

/** After a pause (the machine was busy) at most so many samples are made up for at once. */
const MAX_BURST = 32;

/**
 * Samples the host as fast as asked and sends each sample as a frame, written in place. When the analyser does not
 * keep up, a sample is dropped and its number left out: old news is worth less than the next.
 */
class Sensor {
  readonly #connection: Connection;
  readonly #generation: number;
  readonly #rate: number;
  readonly #host = new HostSampler();
  readonly #table = new ProcessTable();
  readonly #writer = new SampleWriter();
  readonly #nowNs = monotonicClock();
  readonly #account = new Float64Array(1);
  readonly #accountFd: number;
  #sequence = 0;
  #dropped = 0;
  #taken = 0;
  #startedMs = performance.now();
  #stopped = false;

  constructor(connection: Connection, spec: PartSpec) {
    this.#connection = connection;
    this.#generation = spec.generation;
    this.#rate = spec.rate;
    this.#accountFd = openSync(accountPath(spec.directory, spec.generation), 'w', 0o600);
  }

  run(): void {
    this.#startedMs = performance.now();
    this.#turn();
  }

  async stop(): Promise<SensorAccount> {
    this.#stopped = true;
    await this.#connection.close();
    this.#host[Symbol.dispose]();
    return { committed: this.#account[0]!, dropped: this.#dropped };
  }

  #turn = (): void => {
    if (this.#stopped) return;
    const nowMs = performance.now();
    let due = MAX_BURST;
    if (this.#rate > 0) {
      due = Math.floor(((nowMs - this.#startedMs) / 1000) * this.#rate) - this.#taken;
      this.#taken += due;
    }
    for (let n = Math.min(due, MAX_BURST); n > 0; n--) {
      this.#host.sample();
      if (!this.#send(FrameKind.HOST, HOST_BYTES, undefined)) return;
      const sample = this.#table.next(nowMs);
      if (sample !== undefined && !this.#send(FrameKind.PROCESS, PROCESS_BYTES, sample)) return;
    }
    if (this.#rate === 0) setImmediate(this.#turn);
    else setTimeout(this.#turn, 1);
  };

  /** @returns false when the connection has ended */
  #send(kind: number, length: number, sample: ProcessSample | undefined): boolean {
    const sequence = this.#sequence++;
    const at = this.#connection.tryClaim(length);
    if (at === CLOSED) return false;
    if (at === BACK_PRESSURED) {
      this.#dropped++;
      return true;
    }
    const writer = this.#writer.wrap(this.#connection.claimBuffer, at);
    writer.header(kind, this.#generation, sequence);
    if (sample === undefined) writer.host(this.#host.columns);
    else writer.process(sample);
    writer.takenAt(this.#nowNs());
    this.#connection.commit();
    // After the commit: whoever reads it knows that so many frames were committed, or one more.
    this.#account[0] = this.#account[0]! + 1;
    writeSync(this.#accountFd, new Uint8Array(this.#account.buffer), 0, 8, 0);
    return true;
  }
}

/** The sensor's process. */
export async function runSensor(spec: PartSpec, parent: ParentLine): Promise<void> {
  const context = new Context({ runtimeDirectory: spec.directory });
  const connection = await connect(SAMPLES_ENDPOINT, { context });
  const sensor = new Sensor(connection, spec);
  const { active, fallbackReason } = connection.stats;
  sensor.run();
  await parent.ready(active, fallbackReason, () => sensor.stop());
}
