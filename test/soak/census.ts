import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What the kernel knows of a process; numbers left out of the names, so that two lists can be compared. */
export interface Census {
  readonly descriptors: readonly string[];
  /** mappings of memory that Tendon made */
  readonly mappings: readonly string[];
  readonly rss: number;
}

export function takeCensus(pid: number): Census {
  const descriptors: string[] = [];
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      descriptors.push(readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/g, '#'));
    } catch {
      // closed since the listing
    }
  }
  const mappings = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => /memfd:(tendon-[a-z]+)/.exec(line)?.[1] ?? [])
    .sort();
  const resident = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { descriptors: descriptors.sort(), mappings, rss: resident * 4096 };
}

/** The states and numbers of the child processes of `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .split(' ')
      .filter((word) => word !== '')
      .map(Number),
  );
}
