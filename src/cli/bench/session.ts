import type { CpuPair, NativeRunner, Task, TaskResult } from './subject.ts';

/** A subject set up for one case; runs its windows one after the other. */
export interface Session {
  run(task: Task): Promise<TaskResult>;
  close(): Promise<void>;
}

/** A subject that is a program of its own: each window is one run of it. */
export class NativeSession implements Session {
  readonly #runner: NativeRunner;
  readonly #cpus: CpuPair;
  readonly #signal: AbortSignal;

  constructor(runner: NativeRunner, cpus: CpuPair, signal: AbortSignal) {
    this.#runner = runner;
    this.#cpus = cpus;
    this.#signal = signal;
  }

  run(task: Task): Promise<TaskResult> {
    return this.#runner.run(task, this.#cpus, this.#signal);
  }

  async close(): Promise<void> {}
}
