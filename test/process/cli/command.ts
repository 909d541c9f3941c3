import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const DEADLINE_MS = 60_000;
/** This file runs from `dist-test/test/process/cli/`. */
export const ROOT = dirname(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))));

export interface Ended {
  /** exit code, or the signal that ended it */
  readonly how: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** descriptor or 'pipe'; default: nothing to read */
  readonly stdin?: number | 'pipe';
  /** descriptor, or text that is collected (the default), or a pipe that the test reads */
  readonly stdout?: number | 'pipe' | 'text';
  /** arguments of the shell's `ulimit` */
  readonly limits?: string;
  /** the installation to run; default: this one */
  readonly root?: string;
}

/** A running `tendon ...`. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess, collect: boolean) {
    this.child = child;
    if (collect) child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = once(child, 'close', { signal: AbortSignal.timeout(DEADLINE_MS) }).then(
      ([code, signal]) => ({
        how: signal ?? code,
        stdout: this.#stdout,
        stderr: this.#stderr,
      }),
    );
    this.ended.catch(() => {}); // whoever awaits it hears of it
  }

  /** Waits until it has printed something that matches. */
  async said(what: RegExp): Promise<void> {
    const giveUpMs = performance.now() + DEADLINE_MS;
    while (!what.test(this.#stdout) && !what.test(this.#stderr)) {
      assert.ok(performance.now() < giveUpMs, `it never said ${what}: ${this.#stdout}${this.#stderr}`);
      await sleep(10);
    }
  }

  get pid(): number {
    assert.ok(this.child.pid !== undefined);
    return this.child.pid;
  }
}

/**
 * A place for commands: a runtime directory and a temp directory of their own, and a mark that every process they start
 * inherits, so that at the end it is seen whether one is left.
 */
export class Place {
  readonly directory = mkdtempSync(join(tmpdir(), 'tendon-cli-test-'));
  readonly runtimeDirectory = mkdtempSync(join(this.directory, 'run-'));
  readonly #mark = `TENDON_TEST_MARK=${randomUUID()}`;

  start(args: readonly string[], options: CommandOptions = {}): Running {
    const { stdin = 'ignore', stdout = 'text', root = ROOT, limits } = options;
    const [name = '', value = ''] = this.#mark.split('=');
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      [name]: value,
      TENDON_RUNTIME_DIRECTORY: this.runtimeDirectory,
      TMPDIR: this.directory,
    };
    delete env['NODE_TEST_CONTEXT']; // these are not test files
    const command = [process.execPath, join(root, 'dist/cli/main.js'), ...args];
    const limited = ['sh', '-c', `ulimit ${limits}; exec "$@"`, 'sh', ...command];
    const [program = '', ...rest] = limits === undefined ? command : limited;
    const child = spawn(program, rest, {
      env,
      stdio: [stdin, stdout === 'text' ? 'pipe' : stdout, 'pipe'],
    });
    return new Running(child, stdout === 'text');
  }

  run(args: readonly string[], options?: CommandOptions): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** Processes that our commands started, and that run. */
  get processes(): readonly string[] {
    const left: string[] = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(this.#mark)) continue;
        left.push(`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`);
      } catch {
        // It ended meanwhile, or is not ours to look at.
      }
    }
    return left;
  }

  /** Sockets of names that are still there. */
  get sockets(): readonly string[] {
    return readdirSync(this.runtimeDirectory).filter((name) => name.endsWith('.sock'));
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const giveUpMs = performance.now() + DEADLINE_MS;
    while (!condition()) {
      assert.ok(performance.now() < giveUpMs, `waited in vain until ${what}`);
      await sleep(20);
    }
  }

  /** Nothing is left: no process, no name, no directory of a demo. */
  async assertEmpty(): Promise<void> {
    await this.until(`no process is left: ${this.processes.join('; ')}`, () => this.processes.length === 0);
    assert.deepEqual(this.sockets, []);
    assert.deepEqual(
      readdirSync(this.directory).filter((name) => name.startsWith('tendon-')),
      [],
    );
  }

  remove(): void {
    for (const left of this.processes) process.kill(Number.parseInt(left, 10), 'SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}
