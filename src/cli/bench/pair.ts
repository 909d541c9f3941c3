import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Closer } from '../../core/index.ts';
import type { ActorSpec } from './actor.ts';
import type { ActorHandle, ControlServer } from './control.ts';
import { StepGuard } from './deferred.ts';
import { nodeCommand } from './placement.ts';
import type { Session } from './session.ts';
import type { CpuPair, FaceName, InitiatorStart, Role, Subject, Task, TaskResult } from './subject.ts';
import { joinSides, type SideResult } from './tasks/index.ts';

/** Compiled beside this file; `.ts` when the sources run directly. */
const ACTOR_ENTRY = fileURLToPath(
  import.meta.resolve(import.meta.url.endsWith('.ts') ? './actor.ts' : './actor.js'),
);
const OPEN_DEADLINE_MS = 20_000;
/** A window may last this much longer than it was asked to before it counts as hung. */
const WINDOW_GRACE_MS = 30_000;
const STDERR_KEPT = 4096;

export interface PairOptions {
  readonly name: string;
  readonly control: ControlServer;
  /** parent of the pair's own directory */
  readonly directory: string;
  readonly subject: Subject;
  readonly face: FaceName;
  readonly bytes: number;
  readonly cpus: CpuPair;
  readonly signal: AbortSignal;
}

/** Two actors of one subject, opened and connected, running window after window. */
export class Pair implements Session {
  readonly #closer: Closer;
  readonly #responder: ActorHandle;
  readonly #initiator: ActorHandle;
  readonly #sharesProcess: boolean;
  readonly #guard: StepGuard;

  private constructor(
    closer: Closer,
    responder: ActorHandle,
    initiator: ActorHandle,
    sharesProcess: boolean,
    guard: StepGuard,
  ) {
    this.#closer = closer;
    this.#responder = responder;
    this.#initiator = initiator;
    this.#sharesProcess = sharesProcess;
    this.#guard = guard;
  }

  static async open(options: PairOptions): Promise<Pair> {
    const closer = new Closer();
    try {
      return await openPair(options, closer);
    } catch (error) {
      await closer.close();
      throw error;
    }

    async function openPair({ subject, control, ...rest }: PairOptions, owner: Closer): Promise<Pair> {
      const directory = join(rest.directory, rest.name);
      await mkdir(directory, { mode: 0o700 });
      owner.defer(() => rm(directory, { recursive: true, force: true }));
      const argument = (role: Role, initiator: InitiatorStart): string => {
        const spec: ActorSpec = {
          control: control.path,
          id: `${rest.name}.${role}`,
          role,
          subject: subject.name,
          face: rest.face,
          bytes: rest.bytes,
          directory,
          initiator,
        };
        return JSON.stringify(spec);
      };
      const command = nodeCommand(rest.cpus.initiator);
      const initiatorStart: InitiatorStart = {
        entry: ACTOR_ENTRY,
        argument: argument('initiator', { entry: '', argument: '', command: [] }),
        command,
      };
      const guard = new StepGuard();
      const onAbort = () => guard.fail(rest.signal.reason);
      if (rest.signal.aborted) onAbort();
      rest.signal.addEventListener('abort', onAbort, { once: true });
      owner.defer(() => rest.signal.removeEventListener('abort', onAbort));

      const responderReports = control.expect(`${rest.name}.responder`);
      const initiatorReports = control.expect(`${rest.name}.initiator`);
      startProcess([...nodeCommand(rest.cpus.responder), ACTOR_ENTRY, argument('responder', initiatorStart)]);
      if (subject.initiatorLives === undefined) {
        startProcess([...command, ACTOR_ENTRY, initiatorStart.argument]);
      }

      const opening = async (): Promise<Pair> => {
        const responder = await responderReports;
        const responderOpens = responder.request('open', null);
        await Promise.race([responder.listening, responderOpens]);
        const initiator = await initiatorReports;
        await Promise.all([responderOpens, initiator.request('open', null)]);
        const shares = subject.initiatorLives === 'worker' || subject.initiatorLives === 'same-thread';
        return new Pair(owner, responder, initiator, shares, guard);
      };
      return await guard.step(opening(), OPEN_DEADLINE_MS, `opening ${rest.name}`);

      function startProcess([program, ...args]: readonly string[]): void {
        const child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'pipe'] });
        let stderr = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          stderr = (stderr + text).slice(-STDERR_KEPT);
        });
        child.once('error', (error) => guard.fail(error));
        child.once('close', (code, signal) => {
          guard.fail(new Error(`${rest.name}: an actor ended (${signal ?? code}) ${stderr}`.trim()));
        });
        owner.defer(() => endProcess(child));
      }
    }
  }

  async run(task: Task): Promise<TaskResult> {
    if (task.kind === 'death') return this.#kill(task);
    const windowMs = task.seconds * 1000 + WINDOW_GRACE_MS;
    const running = async (): Promise<TaskResult> => {
      await this.#responder.request('arm', task);
      const [initiator, responder] = await Promise.all([
        this.#initiator.request<SideResult>('run', task),
        this.#responder.request<SideResult>('run', task),
      ]);
      return joinSides(task, initiator, responder, this.#sharesProcess);
    };
    return this.#guard.step(running(), windowMs, `a window of ${task.kind}`);
  }

  /** Kills the initiator and waits until the responder has been told. */
  async #kill(task: Task): Promise<TaskResult> {
    await this.#responder.request('arm', task);
    const told = this.#responder.request<SideResult>('run', task);
    const killedNs = Number(process.hrtime.bigint());
    process.kill(this.#initiator.pid, 'SIGKILL');
    const { lastNs } = await new StepGuard().step(told, WINDOW_GRACE_MS, 'the survivor being told');
    const seconds = (lastNs - killedNs) / 1e9;
    return { count: 1, seconds, cpuSeconds: 0, faults: 0, percentiles: { p50: seconds * 1e6 } };
  }

  close(): Promise<void> {
    this.#initiator.close();
    this.#responder.close();
    return this.#closer.close();
  }
}

/** An actor leaves by itself when its control line ends; one that is stuck is killed. */
async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGKILL');
  await closed;
}
