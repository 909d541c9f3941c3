import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context, TendonError } from '../../core/index.ts';
import { connect } from '../../index.ts';
import { ServiceProxy } from '../../rpc/index.ts';
import { monotonicClock } from './clock.ts';
import { analyserService, type Report, type SensorReport } from './contract.ts';
import { DemoProcess } from './demo-process.ts';
import { Histogram } from './histogram.ts';
import { accountPath, REPORTS_ENDPOINT } from './part.ts';
import type { SensorAccount } from './sensor.ts';
import type { DemoSummary, Recovery } from './summary.ts';

export interface DemoOptions {
  readonly seconds: number;
  /** host samples a second; 0: as fast as it goes */
  readonly rate: number;
  /** processes to name in a report */
  readonly busiest: number;
  readonly signal: AbortSignal;
  /** called after each report */
  readonly show: (state: DemoState) => void;
}

/** What happened, for the one who watches. */
export interface DemoEvent {
  readonly atSeconds: number;
  readonly tone: 'plain' | 'good' | 'bad';
  readonly text: string;
}

/** A picture of the run between two reports. */
export interface DemoState {
  readonly seconds: number;
  readonly ofSeconds: number;
  readonly report: Report;
  readonly sensor: Pick<DemoProcess, 'pid' | 'transport'>;
  readonly analyserPid: number;
  readonly callsTransport: string;
  readonly restarts: number;
  readonly calls: number;
  readonly failedCalls: number;
  readonly callP50Us: number;
  readonly events: readonly DemoEvent[];
}

const REPORT_MS = 250;
const CALL_DEADLINE_MS = 5_000;
/** How long the new sensor may take until its samples arrive, on a machine that is busy. */
const RECOVERY_TIMEOUT_MS = 15_000;

/** A run of the demo: starts its processes, watches, kills the sensor once, and draws the conclusions. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #directory = mkdtempSync(join(tmpdir(), 'tendon-demo-'));
  readonly #nowNs = monotonicClock();
  readonly #callNs = new Histogram();
  readonly #events: DemoEvent[] = [];
  readonly #problems: string[] = [];
  readonly #sensors: DemoProcess[] = [];
  #analyser: DemoProcess | undefined = undefined;
  #proxy: ServiceProxy<typeof analyserService.methods> | undefined = undefined;
  #report: Report | undefined = undefined;
  #startedNs = 0;
  #calls = 0;
  #failedCalls = 0;
  #kill:
    | { readonly pid: number; readonly atNs: number; restartedNs: number | null; committed: number }
    | undefined = undefined;
  #told = new Set<string>();

  private constructor(options: DemoOptions) {
    this.#options = options;
  }

  static async run(options: DemoOptions): Promise<DemoSummary> {
    const demo = new Demo(options);
    try {
      return await demo.#run();
    } finally {
      await demo.#cleanUp();
    }
  }

  async #run(): Promise<DemoSummary> {
    const { signal, seconds } = this.#options;
    let farewell: SensorAccount | undefined;
    let transport = { samples: '', calls: '' };
    let reason: string | null = null;
    try {
      await this.#start();
      const calls = this.#proxy?.connection.stats;
      transport = { samples: this.#sensor.transport, calls: calls?.active ?? '' };
      reason = this.#sensor.reason ?? calls?.fallbackReason ?? null;
      await this.#watchFor(seconds / 2);
      await this.#killAndRestart();
      await this.#watchFor(seconds);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (this.#sensors.length > 0) farewell = (await this.#sensor.stop()) as SensorAccount | undefined; // what runSensor answers
    await this.#lastReport();
    await this.#proxy?.close();
    await this.#analyser?.stop();
    return this.#conclude(transport, reason, farewell);
  }

  async #start(): Promise<void> {
    const { signal } = this.#options;
    const common = { directory: this.#directory, generation: 0, rate: this.#options.rate };
    this.#analyser = await DemoProcess.start({ ...common, role: 'analyser' }, signal);
    const context = new Context({ runtimeDirectory: this.#directory });
    this.#proxy = await ServiceProxy.connect(
      analyserService,
      await connect(REPORTS_ENDPOINT, { context, signal }),
      { context, deadlineMs: CALL_DEADLINE_MS },
    );
    await this.#startSensor();
    this.#startedNs = this.#nowNs();
    this.#tell('plain', `sensor ${this.#sensor.pid} samples, analyser ${this.#analyser.pid} answers`);
  }

  get #sensor(): DemoProcess {
    const sensor = this.#sensors.at(-1);
    if (sensor === undefined) throw new TendonError('STATE_INVALID', 'no sensor was started', {});
    return sensor;
  }

  get #seconds(): number {
    return this.#startedNs === 0 ? 0 : (this.#nowNs() - this.#startedNs) / 1e9;
  }

  async #startSensor(): Promise<void> {
    const { signal, rate } = this.#options;
    const generation = this.#sensors.length + 1;
    this.#sensors.push(
      await DemoProcess.start({ role: 'sensor', directory: this.#directory, generation, rate }, signal),
    );
  }

  /** Asks for reports until `seconds` of the run have passed. */
  async #watchFor(seconds: number): Promise<void> {
    const { signal } = this.#options;
    while (this.#seconds < seconds) {
      await this.#look();
      await sleep(Math.max(1, Math.min(REPORT_MS, (seconds - this.#seconds) * 1000)), undefined, { signal });
    }
  }

  /** One call, and what it showed. */
  async #look(): Promise<void> {
    await this.#ask();
    const report = this.#report;
    if (report === undefined) return;
    for (const part of [this.#sensor, this.#analyser]) {
      if (part === undefined || part.running) continue;
      const said = part.complaint === '' ? '' : `: ${part.complaint}`;
      throw new TendonError('HANDLER_FAILED', `the ${part.spec.role} has ended${said}`, {
        method: part.spec.role,
      });
    }
    this.#tellRecovery(report);
    this.#options.show({
      seconds: this.#seconds,
      ofSeconds: this.#options.seconds,
      report,
      sensor: this.#sensor,
      analyserPid: this.#analyser?.pid ?? 0,
      callsTransport: this.#proxy?.connection.stats.active ?? '',
      restarts: this.#kill === undefined ? 0 : this.#sensors.length - 1,
      calls: this.#calls,
      failedCalls: this.#failedCalls,
      callP50Us: this.#callNs.percentile(0.5) / 1e3,
      events: this.#events,
    });
  }

  /** A report in which all that the sensors left behind is read. */
  async #lastReport(): Promise<void> {
    const giveUpNs = this.#nowNs() + CALL_DEADLINE_MS * 1e6;
    try {
      do await this.#ask();
      while (this.#nowNs() < giveUpNs && this.#report?.sensors.some(({ drainedNs }) => drainedNs === null));
    } catch {
      // The analyser is gone: the run has failed already, and the report before tells the rest.
    }
  }

  async #ask(): Promise<void> {
    const proxy = this.#proxy;
    if (proxy === undefined) return;
    const beforeNs = this.#nowNs();
    this.#calls++;
    try {
      this.#report = await proxy.call('report', { busiest: this.#options.busiest });
      this.#callNs.record(this.#nowNs() - beforeNs);
    } catch (error) {
      this.#failedCalls++;
      if (!TendonError.is(error, 'DEADLINE_EXCEEDED')) throw error; // late, but alive: the next one may be answered
    }
  }

  /** The point of it all: SIGKILL, in the middle of whatever the sensor was doing. */
  async #killAndRestart(): Promise<void> {
    const victim = this.#sensor;
    const atNs = this.#nowNs();
    victim.kill();
    this.#tell('bad', `kill -9 ${victim.pid}, the sensor, in the middle of its work`);
    await victim.exited;
    const committed = readAccount(accountPath(this.#directory, victim.spec.generation));
    this.#kill = { pid: victim.pid, atNs, restartedNs: null, committed };
    this.#kill.restartedNs = this.#nowNs();
    await this.#startSensor();
    const giveUpNs = atNs + RECOVERY_TIMEOUT_MS * 1e6;
    do await this.#look();
    while (
      !this.#flowsAgain &&
      this.#nowNs() < giveUpNs &&
      (await sleep(20, true, { signal: this.#options.signal }))
    );
  }

  get #flowsAgain(): boolean {
    return this.#generation(this.#sensors.length)?.firstFrameNs != null;
  }

  #generation(generation: number): SensorReport | undefined {
    return this.#report?.sensors.find((sensor) => sensor.generation === generation);
  }

  get #recovery(): Recovery | null {
    const kill = this.#kill;
    if (kill === undefined) return null;
    const dead = this.#generation(1);
    const fresh = this.#generation(2);
    const afterKill = (ns: number | null | undefined): number | null =>
      ns === null || ns === undefined ? null : (ns - kill.atNs) / 1e6;
    return {
      killedPid: kill.pid,
      killedAtSeconds: (kill.atNs - this.#startedNs) / 1e9,
      learnedMs: afterKill(dead?.learnedNs),
      drainedMs: afterKill(dead?.drainedNs),
      restartedMs: afterKill(kill.restartedNs),
      flowingAgainMs: afterKill(fresh?.firstFrameNs),
      committed: kill.committed,
      received: dead?.received ?? 0,
      lost: Math.max(0, kill.committed - (dead?.received ?? 0)),
    };
  }

  #tellRecovery(report: Report): void {
    const recovery = this.#recovery;
    if (recovery === null) return;
    const { learnedMs, flowingAgainMs, committed, lost } = recovery;
    if (learnedMs !== null && this.#once('learned')) {
      this.#tell('plain', `the analyser learned of it ${learnedMs.toFixed(1)} ms after the kill`);
      const kept = `${committed} frames were committed, ${lost === 0 ? 'none' : lost} of them lost`;
      this.#tell(lost === 0 ? 'good' : 'bad', kept);
    }
    if (flowingAgainMs !== null && this.#once('flows')) {
      const pid = report.sensors.find(({ generation }) => generation === 2)?.pid ?? this.#sensor.pid;
      this.#tell('good', `sensor ${pid} took over: samples flow again after ${flowingAgainMs.toFixed(0)} ms`);
    }
  }

  #once(topic: string): boolean {
    return !this.#told.has(topic) && this.#told.add(topic) !== undefined;
  }

  #tell(tone: DemoEvent['tone'], text: string): void {
    this.#events.push({ atSeconds: this.#seconds, tone, text });
  }

  #conclude(
    transport: { readonly samples: string; readonly calls: string },
    reason: string | null,
    farewell: SensorAccount | undefined,
  ): DemoSummary {
    const seconds = this.#seconds;
    const interrupted = this.#options.signal.aborted;
    const report = this.#report;
    const recovery = this.#recovery;
    const last = this.#kill === undefined ? undefined : this.#generation(2);
    // Sockets belong to those who listened; the accounts are this program's own.
    const leftovers = readdirSync(this.#directory).filter((name) => name.endsWith('.sock'));
    const problems = this.#problems;
    if (!interrupted) {
      if (recovery?.learnedMs == null) problems.push('the analyser never learned that the sensor was killed');
      if (recovery?.flowingAgainMs == null) problems.push('no samples after the sensor was started again');
      if (recovery !== null && recovery.lost > 0)
        problems.push(`${recovery.lost} committed frames of the killed sensor were lost`);
      if (farewell === undefined) problems.push('the sensor did not stop when it was asked to');
      else if (last !== undefined && last.received !== farewell.committed)
        problems.push(`the last sensor committed ${farewell.committed} frames, ${last.received} arrived`);
      if (this.#failedCalls > 0) problems.push(`${this.#failedCalls} calls failed`);
      if ((report?.malformed ?? 0) > 0) problems.push(`${report?.malformed} frames were malformed`);
      if (leftovers.length > 0) problems.push(`sockets were left: ${leftovers.join(', ')}`);
    }
    const callNs = this.#callNs;
    return {
      ok: problems.length === 0,
      problems,
      interrupted,
      seconds,
      processes: {
        viewer: process.pid,
        analyser: this.#analyser?.pid ?? 0,
        sensors: this.#sensors.map(({ pid }) => pid),
      },
      transport: { ...transport, reason },
      samples: {
        received: report?.frames ?? 0,
        meanPerSecond: (report?.frames ?? 0) / Math.max(seconds, 1e-3),
        dropped: report?.dropped ?? 0,
        droppedAfterRecovery: last?.dropped ?? 0,
        malformed: report?.malformed ?? 0,
        lastCommitted: farewell?.committed ?? null,
        lastReceived: last?.received ?? null,
      },
      latencyUs: report?.latencyUs.run ?? null,
      calls: {
        made: this.#calls,
        failed: this.#failedCalls,
        latencyUs:
          callNs.count === 0
            ? null
            : {
                p50: callNs.percentile(0.5) / 1e3,
                p99: callNs.percentile(0.99) / 1e3,
                max: callNs.max / 1e3,
              },
      },
      host: report?.host ?? null,
      restarts: Math.max(0, this.#sensors.length - 1),
      recovery,
      leftovers,
    };
  }

  /** Whatever happened: no process and no file stays. */
  async #cleanUp(): Promise<void> {
    await this.#proxy?.close();
    const parts = [...this.#sensors, this.#analyser].filter((part) => part?.running);
    for (const part of parts) part?.kill();
    await Promise.all(parts.map((part) => part?.exited));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function readAccount(path: string): number {
  const bytes = readFileSync(path);
  return bytes.length < 8 ? 0 : bytes.readDoubleLE(0);
}
