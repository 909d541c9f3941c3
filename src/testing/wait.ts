import { setImmediate as turn } from 'node:timers/promises';
import { TendonError } from '../core/index.ts';

/** How long tests wait for something that must happen, in ms, unless they say otherwise. A bound, not a promise. */
export const DEADLINE_MS = 20_000;

/** Settles as `promise` does, or fails after `deadlineMs` saying `what` did not happen. */
export function within<T>(promise: Promise<T>, what: string, deadlineMs: number = DEADLINE_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(overdue(what, deadlineMs)), deadlineMs);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** Turns the event loop until `condition` holds, or fails after `deadlineMs` saying `what` did not happen. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
  deadlineMs: number = DEADLINE_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw overdue(typeof what === 'string' ? what : what(), deadlineMs);
    await turn();
  }
}

/** Lets the event loop turn `count` times. */
export async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

function overdue(what: string, deadlineMs: number): TendonError {
  return new TendonError('DEADLINE_EXCEEDED', `waited ${deadlineMs} ms in vain: ${what}`, {
    timeoutMs: deadlineMs,
  });
}
