import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The compiled peer program of that name. */
export function peerPath(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}.js`, import.meta.url));
}

export interface PeerResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PeerOptions {
  readonly args?: readonly string[];
  readonly deadlineMs?: number;
  /** a line of shell that runs before the peer in the same process, such as `ulimit -n 30` */
  readonly prelude?: string;
  /** descriptors of ours that the peer gets as 3, 4, ... */
  readonly inherit?: readonly number[];
  readonly started?: (child: ChildProcess) => void;
}

/** Runs a peer to its end; one that is not done by its deadline is killed and reported as such. */
export function runPeer(name: string, options: PeerOptions = {}): Promise<PeerResult> {
  const { args = [], deadlineMs = 30_000, prelude, inherit = [], started } = options;
  const command = [process.execPath, peerPath(name), ...args];
  const child =
    prelude === undefined
      ? spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe', ...inherit] })
      : spawn('/bin/bash', ['-c', `${prelude}; exec "$@"`, 'bash', ...command], {
          stdio: ['ignore', 'pipe', 'pipe', ...inherit],
        });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  started?.(child);
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`peer ${name} was not done after ${deadlineMs} ms:\n${stdout}${stderr}`));
    }, deadlineMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      resolve({ code, signal, stdout, stderr });
    });
  });
}
