import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TendonError } from '../../core/index.ts';
import { type PartMessage, type PartSpec, STOP } from './part.ts';

const PROGRAM = fileURLToPath(new URL('./part.process.js', import.meta.url));
const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 8_000;
/** What is kept of what a process says on standard error. */
const MAX_COMPLAINT = 4_000;

/** A process of the demo, seen from the one that started it. */
export class DemoProcess {
  readonly spec: PartSpec;
  readonly pid: number;
  /** resolves with how it ended, in words */
  readonly exited: Promise<string>;
  /** what carries its frames, and why not memory */
  transport = '';
  reason: string | undefined = undefined;
  readonly #child: ChildProcess;
  #account: unknown = undefined;
  #failure = '';
  #over = false;

  private constructor(spec: PartSpec, child: ChildProcess, pid: number) {
    this.spec = spec;
    this.#child = child;
    this.pid = pid;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#failure = (this.#failure + text).slice(-MAX_COMPLAINT);
    });
    this.exited = once(child, 'exit').then(([code, signal]) => {
      this.#over = true;
      return signal === null ? `exit code ${code}` : String(signal);
    });
  }

  /** Starts a process and waits until it is ready. @throws TendonError HANDLER_FAILED with what it said */
  static async start(spec: PartSpec, signal: AbortSignal): Promise<DemoProcess> {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(spec)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    if (child.pid === undefined) await once(child, 'spawn'); // rejects with why it could not be started
    const started = new DemoProcess(spec, child, child.pid ?? 0);
    try {
      await started.#ready(signal);
    } catch (error) {
      started.kill();
      await started.exited;
      throw error;
    }
    return started;
  }

  get running(): boolean {
    return !this.#over;
  }

  /** What it said on standard error. */
  get complaint(): string {
    return this.#failure.trim();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Asks it to stop. @returns its account, or undefined when it gave none in time and was killed */
  async stop(): Promise<unknown> {
    if (this.#over) return this.#account;
    if (this.#child.connected) this.#child.send(STOP, () => {});
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS);
    await this.exited;
    clearTimeout(timer);
    return this.#account;
  }

  #ready(signal: AbortSignal): Promise<void> {
    const { role } = this.spec;
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        const said = this.complaint === '' ? '' : `\n${this.complaint}`;
        reject(new TendonError('HANDLER_FAILED', `the ${role} ${why}${said}`, { method: role }));
      };
      const timer = setTimeout(() => fail(`was not ready within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
      this.#child.on('message', (message: PartMessage) => {
        switch (message.kind) {
          case 'ready':
            clearTimeout(timer);
            this.transport = message.transport;
            this.reason = message.reason;
            resolve();
            break;
          case 'farewell':
            this.#account = message.account;
            break;
          case 'failed':
            fail(`failed: ${message.message}`);
            break;
          default:
            message satisfies never;
        }
      });
      this.exited.then((how) => fail(`ended before it was ready (${how})`));
      signal.addEventListener('abort', () => fail('was not needed any more'), { once: true });
    });
  }
}
