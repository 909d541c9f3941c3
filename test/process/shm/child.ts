import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './kit.ts';

const ROOT = dirname(createRequire(import.meta.url).resolve('tendon/package.json'));

/** The compiled program of `peers/`. */
export function peerProgram(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}.js`, import.meta.url));
}

export interface ChildOptions {
  /** a line of shell that runs before the program in the same process, such as `ulimit -f 8` */
  readonly prelude?: string;
  readonly cwd?: string;
}

/** Another process, which tells on its standard output, a line each, what the test waits for. Killed at the end. */
export class Child implements Disposable {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly exited: Promise<unknown>;
  stderr = '';

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    const { prelude, cwd } = options;
    const [file, all] =
      prelude === undefined
        ? [command, args]
        : ['/bin/bash', ['-c', `${prelude}; exec "$@"`, 'bash', command, ...args]];
    this.process = spawn(file, all, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.exited = once(this.process, 'close');
    createInterface({ input: this.process.stdout! }).on('line', (line) => this.lines.push(line));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.process.stdin!.on('error', () => {}); // a killed child takes no orders
  }

  static program(path: string, args: readonly string[]): Child {
    return new Child(path, args);
  }

  /** A program of `peers/`, run by the same Node. */
  static peer(name: string, args: readonly string[], options: ChildOptions = {}): Child {
    return new Child(process.execPath, [peerProgram(name), ...args], options);
  }

  get pid(): number {
    return this.process.pid as number; // it was spawned
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Gives it a line on its standard input. */
  tell(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  /** Waits for a line that begins with `start`. @returns the rest of it */
  async says(start: string): Promise<string> {
    const find = (): string | undefined => this.lines.find((line) => line.startsWith(start));
    await until(
      () => find() !== undefined || !this.running,
      () => `the child to say "${start}"; it said ${JSON.stringify(this.lines.slice(-5))} ${this.stderr}`,
    );
    await until(
      () => find() !== undefined,
      () => `the dead child to have said "${start}": ${this.stderr}`,
    );
    return find()!.slice(start.length).trim();
  }

  /** Waits until it ends well; its last line is JSON. */
  async report<T>(): Promise<T> {
    await this.ends();
    return JSON.parse(this.lines.at(-1) ?? 'null') as T; // a program of ours wrote it
  }

  async ends(code = 0): Promise<void> {
    await until(
      () => !this.running,
      () => `the child to end; it said ${JSON.stringify(this.lines.slice(-5))} ${this.stderr}`,
    );
    await this.exited;
    if (this.process.exitCode !== code)
      throw new Error(
        `exit ${this.process.exitCode ?? this.process.signalCode}: ${this.stderr}${this.lines.join('\n')}`,
      );
  }

  /** `kill -9`, and waits until the kernel has taken it away. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
    await until(
      () => !existsSync(`/proc/${this.pid}`),
      () => `process ${this.pid} to be gone`,
    );
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  [Symbol.dispose](): void {
    if (this.stderr !== '') process.stderr.write(this.stderr);
    if (this.running) this.process.kill('SIGKILL');
  }
}

/** Compiles peer.c into `folder`. @returns the program, or why there is none on this machine */
export function compilePeer(folder: string): {
  readonly program: string;
  readonly missing: string | undefined;
} {
  const program = join(folder, 'peer');
  const flags = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror'];
  const source = join(ROOT, 'test/process/shm/peer.c');
  const made = spawnSync(process.env['CC'] ?? 'cc', [...flags, '-o', program, source], { encoding: 'utf8' });
  if (made.error !== undefined) return { program, missing: `no C compiler: ${made.error.message}` };
  if (made.status !== 0) throw new Error(made.stderr);
  return { program, missing: undefined };
}
