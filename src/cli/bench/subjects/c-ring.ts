import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { CpuPair, NativeRunner, Subject, Task, TaskResult } from '../subject.ts';
import { C_RING_SOURCE } from './c-ring-source.ts';

const run = promisify(execFile);

/** Compilers that are tried, in order, and how each wants its source to be called. */
const COMPILERS: readonly (readonly [command: string, source: string])[] = [
  ['cc', 'ring.c'],
  ['gcc', 'ring.c'],
  ['clang', 'ring.c'],
  ['c++', 'ring.cpp'],
  ['g++', 'ring.cpp'],
  ['clang++', 'ring.cpp'],
];
const FLAGS = ['-O3', '-march=native'];
const COMPILE_TIMEOUT_MS = 60_000;
const RUN_GRACE_MS = 30_000;

/** The command of the first compiler that answers, with its version for the report. */
export async function findCompiler(): Promise<
  { command: string; source: string; version: string } | undefined
> {
  for (const [command, source] of COMPILERS) {
    try {
      const { stdout } = await run(command, ['--version']);
      return { command, source, version: stdout.split('\n')[0] ?? command };
    } catch {
      // absent: the next one
    }
  }
  return undefined;
}

async function compile(directory: string): Promise<string> {
  const compiler = await findCompiler();
  if (compiler === undefined) throw new Error('no C or C++ compiler'); // `unavailable` was not asked
  const source = join(directory, compiler.source);
  const program = join(directory, 'ring');
  await writeFile(source, C_RING_SOURCE);
  await run(compiler.command, [...FLAGS, '-o', program, source], { timeout: COMPILE_TIMEOUT_MS });
  return program;
}

/** One window is one run of the program, which forks its other side. */
class CRing implements NativeRunner {
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  async run(task: Task, cpus: CpuPair, signal: AbortSignal): Promise<TaskResult> {
    if (task.kind !== 'one-way' && task.kind !== 'round-trip' && task.kind !== 'echo') {
      throw new Error(`a ring alone has no ${task.kind}`);
    }
    const { stdout } = await run(
      this.#program,
      [
        task.kind,
        String(task.bytes),
        String(task.seconds),
        String(task.kind === 'echo' ? task.inFlight : 1),
        task.kind === 'one-way' && task.verify ? '1' : '0',
        String(cpus.initiator ?? -1),
        String(cpus.responder ?? -1),
      ],
      { signal, timeout: Math.ceil(task.seconds * 1000) + RUN_GRACE_MS, killSignal: 'SIGKILL' },
    );
    return JSON.parse(stdout) as TaskResult; // printed by the program above, in this shape
  }
}

export const cRing: Subject = {
  name: 'c-ring',
  summary: `a spinning single-producer ring in C (${FLAGS.join(' ')}), two processes: the physical limit`,
  group: 'limit',
  between: 'processes',
  unavailable: async () =>
    (await findCompiler()) === undefined ? 'no C or C++ compiler was found' : undefined,
  native: {
    kinds: ['one-way', 'round-trip', 'echo'],
    modes: ['spin'],
    prepare: async (directory) => new CRing(await compile(directory)),
  },
};
