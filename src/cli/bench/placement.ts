import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { CpuPair, Subject } from './subject.ts';

/** `free`: the scheduler chooses; `one-core`: both sides share one; `two-cores`: one each. */
export type Placement = 'free' | 'one-core' | 'two-cores';

/** The processors that this process may use, ascending. */
export function allowedCpus(): readonly number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '0';
  return parseCpuList(list);
}

/** `0-2,5` to `[0, 1, 2, 5]`. */
export function parseCpuList(list: string): readonly number[] {
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

export function cpusFor(placement: Placement, allowed: readonly number[]): CpuPair {
  const [first, second] = allowed;
  switch (placement) {
    case 'free':
      return { initiator: undefined, responder: undefined };
    case 'one-core':
      return { initiator: first, responder: first };
    case 'two-cores':
      return { initiator: first, responder: second };
    default:
      return placement satisfies never;
  }
}

/** Why this placement is impossible here, if it is. */
export function placementMissing(placement: Placement, allowed: readonly number[]): string | undefined {
  if (placement === 'free') return undefined;
  if (!hasTaskset()) return 'pinning needs taskset (util-linux)';
  if (placement === 'two-cores' && allowed.length < 2) return 'pinning to two cores needs two';
  return undefined;
}

/** Why this subject cannot be placed so, if it cannot. */
export function unpinnable({ between }: Pick<Subject, 'between'>, placement: Placement): string | undefined {
  return between !== 'processes' && placement === 'two-cores'
    ? 'its two sides live in one process, which is pinned as a whole'
    : undefined;
}

/** What starts Node on a processor, or anywhere. All threads of the process are pinned, as they inherit it. */
export function nodeCommand(cpu: number | undefined): readonly string[] {
  const node = [process.execPath];
  return cpu === undefined ? node : ['taskset', '-c', String(cpu), ...node];
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
