import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkRuntimeDirectory, defaultRuntimeDirectory, removeStale } from '../../transport/shm/index.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** Runs of the demo whose every process was killed leave one of these. */
const DEMO_DIRECTORY = /^tendon-demo-[A-Za-z0-9]{6}$/;
/** A younger one may belong to a demo that is just starting, in ms. */
const DEMO_START_MS = 60_000;

/** The runtime directory, and what dead processes left there and beside it. */
export async function checkMeetingPlace(
  configured: string | undefined,
  clean: boolean,
): Promise<readonly Check[]> {
  const directory = configured ?? defaultRuntimeDirectory();
  const checks: Check[] = [];
  let present = true;
  try {
    const status = lstatSync(directory);
    checkRuntimeDirectory(directory);
    const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
    checks.push(ok('runtime directory', `${directory}, owned by user ${status.uid}, mode ${mode}`));
  } catch (error) {
    present = false;
    checks.push(
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? ok('runtime directory', `${directory}, to be made by the first listener`)
        : fail(
            'runtime directory',
            error instanceof Error ? error.message : String(error),
            `chmod 700 it, or choose another with --runtime-directory or the context's runtimeDirectory`,
          ),
    );
  }
  checks.push(await checkSockets(present ? directory : undefined, clean), await checkDemoDirectories(clean));
  return checks;
}

async function checkSockets(directory: string | undefined, clean: boolean): Promise<Check> {
  const name = 'names';
  if (directory === undefined) return ok(name, 'nobody listens');
  const { live, stale } = await socketsOf(directory);
  const listening = live.length === 0 ? 'nobody listens' : `${live.length} listening: ${live.join(', ')}`;
  if (stale.length === 0) return ok(name, listening);
  if (!clean) {
    const left = `${listening}; left by dead listeners: ${stale.join(', ')}`;
    return warn(name, left, 'tendon doctor --clean removes them; a new listener of the name does so too');
  }
  const removed: string[] = [];
  for (const socket of stale)
    if (await removeStale(directory, join(directory, `${socket}.sock`))) removed.push(socket);
  return ok(name, `${listening}; removed what dead listeners left: ${removed.join(', ')}`);
}

async function checkDemoDirectories(clean: boolean): Promise<Check> {
  const name = 'leftovers';
  const found: string[] = [];
  for (const entry of readdirSync(tmpdir())) {
    const path = join(tmpdir(), entry);
    if (DEMO_DIRECTORY.test(entry) && (await isDead(path))) found.push(path);
  }
  if (found.length === 0) return ok(name, 'none');
  if (!clean)
    return warn(name, `of demos that were killed: ${found.join(', ')}`, 'tendon doctor --clean removes them');
  for (const path of found) rmSync(path, { recursive: true, force: true });
  return ok(name, `removed what killed demos left: ${found.join(', ')}`);
}

async function isDead(directory: string): Promise<boolean> {
  try {
    const status = lstatSync(directory);
    if (!status.isDirectory() || status.uid !== process.getuid?.()) return false;
    if (Date.now() - status.mtimeMs < DEMO_START_MS) return false;
    return (await socketsOf(directory)).live.length === 0;
  } catch {
    return false; // it went away meanwhile, or is not ours to look at
  }
}

async function socketsOf(directory: string): Promise<{ readonly live: string[]; readonly stale: string[] }> {
  const live: string[] = [];
  const stale: string[] = [];
  for (const entry of readdirSync(directory).sort()) {
    if (!entry.endsWith('.sock')) continue;
    ((await answers(join(directory, entry))) ? live : stale).push(entry.slice(0, -'.sock'.length));
  }
  return { live, stale };
}

/** Only a refusal proves that nobody is there; a stopped listener's queue still takes us. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
