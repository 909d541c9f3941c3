/** Runs one program of a page in a process of its own, always ended before the test is. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<Ended>;
  readonly #firstLine: Promise<void>;
  #stdout = '';
  #stderr = '';

  /** Starts at once; the process leads a group, so that what it starts ends with it. */
  constructor(name: string, command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    this.#name = name;
    this.#child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#firstLine = new Promise((resolve) => {
      this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        this.#stdout += text;
        if (this.#stdout.includes('\n')) resolve();
      });
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#ended = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
    this.#ended.catch(() => {}); // a program that cannot start is reported by who waits for it
  }

  /** Resolves with its first line of output; rejects when it ends or is silent for `limitMs`. */
  async ready(limitMs: number): Promise<void> {
    await this.#within(
      limitMs,
      'printed nothing',
      Promise.race([
        this.#firstLine,
        this.#ended.then(() => {
          throw new Error(`${this.#name} ended before it printed a line\n${this.#stderr}`);
        }),
      ]),
    );
  }

  async ended(limitMs: number): Promise<Ended> {
    return this.#within(limitMs, 'did not end', this.#ended);
  }

  get stdout(): string {
    return this.#stdout;
  }

  #within<T>(limitMs: number, failure: string, awaited: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(new Error(`${this.#name} ${failure} within ${limitMs} ms\n${this.#stdout}${this.#stderr}`)),
        limitMs,
      );
      awaited.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  /** Kills its whole group; the kernel closes what it held. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    await this.#ended;
  }
}
