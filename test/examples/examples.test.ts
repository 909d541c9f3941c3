/** Every program in `examples/` is run as its reader would run it, in processes of its own. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { defaultRuntimeDirectory, removeStale, socketPath } from 'tendon/transport/shm';
import { prints } from '../docs/blocks.ts';
import { Program } from '../docs/program.ts';

/** This file runs from `dist-test/test/examples/`. */
const EXAMPLES = join(dirname(dirname(import.meta.dirname)), 'examples');
const SOURCES = join(dirname(dirname(EXAMPLES)), 'examples');
const LIMIT_MS = 30_000;

/** A name that no other run uses. */
function endpoint(example: string): string {
  return `shm:example-${example}-${process.pid}`;
}

function start(path: string, ...args: string[]): Program {
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env['NODE_TEST_CONTEXT']; // the program is not a test file
  return new Program(path, process.execPath, [join(EXAMPLES, path), ...args], EXAMPLES, env);
}

/** Starts what the others connect to, and waits until it has said that it listens. */
async function listening(path: string, ...args: string[]): Promise<Program> {
  const program = start(path, ...args);
  try {
    await program.ready(LIMIT_MS);
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

/** Waits for its end and compares what it printed; `...` stands for anything. */
async function printed(program: Program, shown: string): Promise<void> {
  const { code, stdout, stderr } = await program.ended(LIMIT_MS);
  assert.equal(code, 0, `${stdout}${stderr}`);
  if (!prints(shown, stdout)) assert.equal(stdout, shown);
}

describe('the examples', () => {
  it('are all run here', () => {
    const folders = readdirSync(SOURCES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    assert.deepEqual(folders.map(({ name }) => name).sort(), [
      'broadcast',
      'counters',
      'echo',
      'frames',
      'worker-threads',
    ]);
  });

  it('echo: a server sends back what its clients send', async () => {
    const at = endpoint('echo');
    await using server = await listening('echo/server.js', at);
    for (let client = 0; client < 2; client++) {
      await using program = start('echo/client.js', at);
      await printed(program, 'echo: one\necho: two\necho: three\nsent 3 frames, received 3');
    }
    await server[Symbol.asyncDispose](); // killed: it listens for ever
    const directory = defaultRuntimeDirectory();
    await removeStale(directory, socketPath(directory, at.slice('shm:'.length)));
  });

  it('frames: every sample written in place is read in place', async () => {
    const at = endpoint('frames');
    await using viewer = await listening('frames/viewer.js', at);
    await using sensor = start('frames/sensor.js', at);
    await printed(sensor, 'wrote 100000 samples; ...had to wait');
    await printed(viewer, `listening at ${at}\n100000 of 100000 samples, 0 lost, mean 21.0`);
  });

  it('broadcast: three readers get every quote of one publisher', async () => {
    const at = endpoint('broadcast');
    await using publisher = await listening('broadcast/publisher.js', at);
    await using one = start('broadcast/reader.js', at);
    await using two = start('broadcast/reader.js', at);
    await using three = start('broadcast/reader.js', at);
    for (const reader of [one, two, three]) await printed(reader, '10000 quotes, sum 50005000');
    await printed(
      publisher,
      `listening at ${at}, waiting for 3 readers\npublished 10000 quotes to 3 readers, 0 dropped\nevery reader has left`,
    );
  });

  it('counters: what three processes add is all there', async () => {
    await using main = start('counters/main.js');
    await printed(main, `${'process ... added 100000\n'.repeat(3)}requests: 300000`);
  });

  it('worker-threads: two threads answer while the main thread goes on', async () => {
    await using main = start('worker-threads/main.js', endpoint('threads'));
    await printed(main, '78498 primes below 1000000\n148933 primes below 2000000\nthe main thread went on');
  });
});
