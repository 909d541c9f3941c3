import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ControlServer } from './control.ts';
import { Pair } from './pair.ts';
import type { FaceName, Task } from './subject.ts';
import { SUBJECTS } from './subjects/index.ts';

const BYTES = 64;
const SECONDS = 0.01;
/** A task for each face. */
const TASKS: Readonly<Record<FaceName, Task>> = {
  oneWay: { kind: 'one-way', bytes: BYTES, seconds: SECONDS, verify: true },
  duplex: { kind: 'echo', bytes: BYTES, inFlight: 16, seconds: SECONDS },
  spin: { kind: 'round-trip', mode: 'spin', bytes: BYTES, seconds: SECONDS, gapMs: 0 },
  calls: { kind: 'echo', bytes: BYTES, inFlight: 16, seconds: SECONDS },
  dial: { kind: 'connect', bytes: BYTES, seconds: SECONDS },
};

describe('a pair of actors', () => {
  let directory: string;
  let control: ControlServer;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tendon-pair-test-'));
    control = await ControlServer.open(join(directory, 'control.sock'));
  });
  after(async () => {
    await control[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  for (const subject of SUBJECTS) {
    const faces = (Object.keys(TASKS) as FaceName[]).filter((face) => subject[face] !== undefined);
    if (faces.length === 0) continue;
    it(`moves every message of ${subject.name} (${faces.join(', ')})`, async () => {
      assert.equal(await subject.unavailable?.(), undefined, 'all development dependencies are installed');
      await Promise.all(
        faces.map(async (face) => {
          const pair = await Pair.open({
            name: `${subject.name}-${face}`,
            control,
            directory,
            subject,
            face,
            bytes: BYTES,
            cpus: { initiator: undefined, responder: undefined },
            signal: new AbortController().signal,
          });
          try {
            for (let round = 0; round < 2; round += 1) {
              const result = await pair.run(TASKS[face]);
              assert.ok(result.count > 0, `${face}: something moved`);
              assert.equal(result.faults, 0, `${face}: nothing lost, repeated, reordered or torn`);
              assert.ok(result.seconds > 0 && result.cpuSeconds >= 0);
            }
          } finally {
            await pair.close();
          }
        }),
      );
      assert.deepEqual(await readdir(directory), ['control.sock'], 'the directories of pairs are gone');
    });
  }
});
