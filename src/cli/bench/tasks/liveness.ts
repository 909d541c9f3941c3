import { setTimeout as sleep } from 'node:timers/promises';
import type { Duplex } from '../subject.ts';
import { monotonicNs, type SideReport } from './side.ts';

/** Does nothing for a while; the processor time of it is the result. */
export async function idle(task: { readonly seconds: number }): Promise<SideReport> {
  const firstNs = monotonicNs();
  await sleep(task.seconds * 1000);
  return { count: 1, faults: 0, firstNs, lastNs: monotonicNs() };
}

/** Waits to be told that the other end is gone. */
export async function awaitEnd(duplex: Duplex): Promise<SideReport> {
  if (duplex.ended === undefined) throw new Error('this subject is never told of a death');
  const firstNs = monotonicNs();
  await duplex.ended;
  return { count: 1, faults: 0, firstNs, lastNs: monotonicNs() };
}
