import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Closer, throwIfAborted } from '../../core/index.ts';
import { ControlServer } from './control.ts';
import { describeEnvironment } from './environment.ts';
import { judgeFloors } from './floors.ts';
import { type BenchOptions, type ResolvedBenchOptions, resolveBenchOptions } from './options.ts';
import { Pair } from './pair.ts';
import { allowedCpus, cpusFor, type Placement, placementMissing, unpinnable } from './placement.ts';
import { type BenchReport, type BenchResult, type BenchSkip, caseTitle } from './report.ts';
import { NativeSession, type Session } from './session.ts';
import { median, spread } from './statistics.ts';
import type { FaceName, NativeRunner, Subject, Task, TaskResult } from './subject.ts';
import type { Case } from './workload.ts';
import { WORKLOADS } from './workloads/index.ts';

/**
 * Warm-up: windows of this length that are thrown away, until one is no longer faster than the one before
 * by a tenth. A thin subject is warm after two; the thick stack of a call framework takes its JIT seconds,
 * and to count those against it would flatter the others.
 */
const WARM_UP_WINDOW_SECONDS = 0.15;
const WARM_UP_WINDOWS_MAX = 8;
const STILL_RISING = 1.1;
const STARTS_AT_ONCE = 4;

/**
 * Measures Tendon and its peers: the same work, in separate processes, in one run. Rounds alternate over
 * the subjects (round 1 of all, then round 2, ...), so that a host that gets slower does so for all.
 *
 * @throws TendonError OPTION_INVALID; ABORTED when the signal ends the run (all processes are gone by then)
 */
export async function runBench(options: BenchOptions = {}): Promise<BenchReport> {
  const resolved = resolveBenchOptions(options);
  throwIfAborted(resolved.signal, 'tendon bench');
  await using closer = new Closer();
  const run = await BenchRun.start(resolved, closer);
  return await run.measureAll();
}

interface Contender {
  readonly subject: Subject;
  readonly face: FaceName | 'native';
  readonly rounds: TaskResult[];
  session?: Session;
}

class BenchRun {
  readonly #options: ResolvedBenchOptions;
  readonly #directory: string;
  readonly #control: ControlServer;
  readonly #closer: Closer;
  readonly #allowedCpus: readonly number[] = allowedCpus();
  readonly #canPin = placementMissing('two-cores', this.#allowedCpus) === undefined;
  readonly #unavailable = new Map<Subject, string>();
  readonly #programs = new Map<Subject, Promise<NativeRunner>>();
  readonly #results: BenchResult[] = [];
  readonly #skipped: BenchSkip[] = [];
  #pairs = 0;

  private constructor(
    options: ResolvedBenchOptions,
    directory: string,
    control: ControlServer,
    closer: Closer,
  ) {
    this.#options = options;
    this.#directory = directory;
    this.#control = control;
    this.#closer = closer;
  }

  static async start(options: ResolvedBenchOptions, closer: Closer): Promise<BenchRun> {
    const directory = await mkdtemp(join(tmpdir(), 'tendon-bench-'));
    closer.defer(() => rm(directory, { recursive: true, force: true }));
    const control = closer.use(await ControlServer.open(join(directory, 'control.sock')));
    const run = new BenchRun(options, directory, control, closer);
    for (const subject of options.subjects) {
      const reason = await subject.unavailable?.();
      if (reason !== undefined) run.#unavailable.set(subject, reason);
    }
    return run;
  }

  async measureAll(): Promise<BenchReport> {
    const { workloads, rounds, roundSeconds } = this.#options;
    const startedMs = performance.now();
    const environment = await describeEnvironment({
      warmUpSeconds: round2(WARM_UP_WINDOWS_MAX * Math.min(WARM_UP_WINDOW_SECONDS, roundSeconds)),
      roundSeconds,
      rounds,
    });
    const cases = workloads.flatMap((name) => WORKLOADS[name].cases({ roundSeconds }));
    for (const [index, one] of cases.entries()) {
      await this.#measure(one, `${index + 1}/${cases.length} ${caseTitle(one.about)}`);
    }
    return {
      environment: { ...environment, tookSeconds: (performance.now() - startedMs) / 1000 },
      results: this.#results,
      skipped: this.#skipped,
      floors: judgeFloors(this.#results),
    };
  }

  async #measure(one: Case, title: string): Promise<void> {
    const owner = new Closer();
    const stop = (): Promise<void> => owner.close();
    this.#closer.defer(stop); // whatever fails below
    const contenders = this.#contenders(one);
    const rounds = Math.min(one.rounds ?? this.#options.rounds, this.#options.rounds);
    const live = new Set(contenders);
    const attempt = async (contender: Contender, step: () => Promise<void>): Promise<void> => {
      try {
        await step();
      } catch (error) {
        throwIfAborted(this.#options.signal, 'tendon bench');
        live.delete(contender);
        this.#skip(one, contender.subject, error instanceof Error ? error.message : String(error));
      }
    };
    const eachRound = async (contender: Contender): Promise<void> => {
      if (one.freshEachRound) await this.#open(one, contender, owner);
      contender.rounds.push(await contender.session!.run(one.task));
      if (one.freshEachRound) await contender.session!.close();
    };

    if (!one.freshEachRound) {
      this.#options.onProgress(`${title}: starting`);
      // A few at a time: nothing is measured yet, and a process takes longer to start than to warm up.
      await eachOf(contenders, STARTS_AT_ONCE, (contender) =>
        attempt(contender, () => this.#open(one, contender, owner)),
      );
      for (const contender of [...live]) {
        this.#options.onProgress(`${title}: warming up ${contender.subject.name}`);
        const { warmUp: task } = one;
        if (task !== undefined) await attempt(contender, () => warmUp(contender.session!, task));
      }
    }
    for (let round = 1; round <= rounds; round += 1) {
      this.#options.onProgress(`${title}: round ${round} of ${rounds}`);
      const turns = [...live].map((contender) => () => attempt(contender, () => eachRound(contender)));
      await eachOf(turns, one.together ? turns.length : 1, (turn) => turn());
    }
    for (const contender of live) this.#record(one, contender);
    await stop();
  }

  #contenders(one: Case): readonly Contender[] {
    return this.#options.subjects.flatMap((subject): Contender[] => {
      const face = one.face(subject);
      if (face === undefined) return [];
      const reason =
        this.#unavailable.get(subject) ??
        one.refuses?.(subject) ??
        placementMissing(one.about.placement ?? 'free', this.#allowedCpus);
      if (reason === undefined) return [{ subject, face, rounds: [] }];
      this.#skip(one, subject, reason);
      return [];
    });
  }

  async #open(one: Case, contender: Contender, owner: Closer): Promise<void> {
    const { subject, face } = contender;
    const cpus = cpusFor(this.#placementOf(one, subject), this.#allowedCpus);
    const { signal } = this.#options;
    if (face === 'native') {
      contender.session = new NativeSession(await this.#program(subject), cpus, signal);
    } else {
      this.#pairs += 1;
      contender.session = await Pair.open({
        name: `pair-${this.#pairs}`,
        control: this.#control,
        directory: this.#directory,
        subject,
        face,
        bytes: one.about.bytes,
        cpus,
        signal,
      });
    }
    const { session } = contender;
    owner.defer(() => session.close());
  }

  #placementOf({ about, apart }: Case, subject: Subject): Placement {
    if (about.placement !== undefined) return about.placement;
    return apart && unpinnable(subject, 'two-cores') === undefined && this.#canPin ? 'two-cores' : 'free';
  }

  #program(subject: Subject): Promise<NativeRunner> {
    const known = this.#programs.get(subject);
    if (known !== undefined) return known;
    if (subject.native === undefined) throw new Error(`${subject.name} is no program`);
    const program = subject.native.prepare(this.#directory);
    this.#programs.set(subject, program);
    return program;
  }

  #skip(one: Case, subject: Subject, reason: string): void {
    this.#skipped.push({ ...one.about, subject: subject.name, reason });
  }

  #record(one: Case, { subject, rounds }: Contender): void {
    const figures = rounds.map((round) => one.figures(round));
    const faults = rounds.reduce((sum, round) => sum + round.faults, 0);
    for (const { metric, unit } of figures[0] ?? []) {
      const values = figures.flatMap((ofRound) =>
        ofRound.filter((figure) => figure.metric === metric).map((figure) => figure.value),
      );
      this.#results.push({
        ...one.about,
        subject: subject.name,
        metric,
        unit,
        ...spread(values),
        rounds: values.length,
        values,
        ...processorTime(one, rounds),
        ...(one.apart && { pinned: this.#placementOf(one, subject) === 'two-cores' }),
        faults,
      });
    }
  }
}

/** Handles the items in order, `atOnce` of them at a time. */
async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  handle: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await handle(item);
  };
  // All lanes end before a failure goes on: nobody may still be starting what its owner then closes.
  const outcomes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function warmUp(session: Session, task: Task): Promise<void> {
  const window =
    'seconds' in task ? { ...task, seconds: Math.min(task.seconds, WARM_UP_WINDOW_SECONDS) } : task;
  let before = 0;
  for (let windows = 0; windows < WARM_UP_WINDOWS_MAX; windows += 1) {
    const { count, seconds } = await session.run(window);
    const rate = count / seconds;
    if (rate < before * STILL_RISING) return;
    before = rate;
  }
}

function round2(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}

/** What a message and a gigabyte cost both sides; only where a window is busy from end to end. */
function processorTime(
  one: Case,
  rounds: readonly TaskResult[],
): Pick<BenchResult, 'cpuSecondsPerGB' | 'cpuMicrosecondsPerMessage'> {
  const { kind } = one.task;
  if (kind === 'idle' || kind === 'death') return {};
  const perMessage = median(rounds.map(({ cpuSeconds, count }) => cpuSeconds / count));
  return {
    cpuMicrosecondsPerMessage: perMessage * 1e6,
    ...(kind === 'one-way' && { cpuSecondsPerGB: (perMessage / one.about.bytes) * 1e9 }),
  };
}
