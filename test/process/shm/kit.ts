import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from 'tendon/core';

const WAIT_MS = 15_000;

/** A runtime directory of its own for each test, removed afterwards. */
export class Place implements Disposable {
  readonly directory: string;
  readonly context: Context;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'tendon-shm-'));
    chmodSync(this.directory, 0o700);
    this.context = new Context({ runtimeDirectory: this.directory });
  }

  path(name: string): string {
    return join(this.directory, `${name}.sock`);
  }

  /** What lies in the directory, the lock file aside. */
  leftovers(): string[] {
    return readdirSync(this.directory).filter((name) => name !== '.lock');
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Turns the event loop until `condition` holds. */
export async function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > giveUpAt) {
      throw new Error(`waited ${WAIT_MS} ms until ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(1);
  }
}

/** Runs a test; afterwards this process may hold no descriptor and no mapping that it did not hold before. */
export async function leavingNothing(test: () => Promise<void>): Promise<void> {
  const before = { descriptors: openDescriptors(), mappings: channelMappings() };
  await test();
  const held = (): string[] => openDescriptors();
  await until(
    () => held().length <= before.descriptors.length && channelMappings() <= before.mappings,
    () => `nothing is left: ${held().join(', ')} instead of ${before.descriptors.join(', ')}`,
  );
}

/** Open descriptors of this process by what they are, epoll and the like of Node's own left out. */
export function openDescriptors(): string[] {
  const found: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (/^socket:|memfd|tendon/.test(target)) found.push(target.replace(/\d+/g, '#'));
    } catch {
      // the descriptor of this very listing
    }
  }
  return found.sort();
}

/** Mappings of channel memory in this process. */
export function channelMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('memfd:tendon')).length;
}

export function frame(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 17 + seed * 31) & 0xff);
}
