/**
 * Builds, checks and runs the tests: `npm test`. One `node --test` run, whose summary ends the output.
 *
 *   --suite a,b      suites to run: unit (beside the code), or a folder of test/ by name; default: all but package and soak
 *   --only PATTERN   files whose source path matches this regular expression
 *   --no-build       use dist/ and dist-test/ as they are (other Node versions run the same build)
 *   --no-check       leave out biome, knip and publint
 *   --timeout S      seconds that one test may take, and on Node 20 one file; default 120
 *   --deadline S     seconds after which the whole run is killed; default 15 times --timeout
 *   --record FILE    where the record of the run goes; default dist-test/record.json
 *   --write          afterwards write the conformance page from this run, instead of comparing
 *
 * The run fails when a test fails, when a file has no test or no output, when a test is skipped without saying
 * why, when one is marked unfinished, and, for a run of everything, when the conformance page is out of date.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { check } from './check.mjs';
import { conformanceProblems, writeConformance } from './conformance.mjs';
import { ROOT, testFiles } from './tree.mjs';
import { problemsOf } from './verdict.mjs';

/** Suites that only run when named: they install packages, or take too long for every run. */
const ON_REQUEST = ['package', 'soak'];

function fail(problems) {
  for (const problem of problems) process.stderr.write(`\nnpm test: ${problem}\n`);
  process.exit(1);
}

function selected(files, { suite, only }) {
  const suites = suite === undefined || suite === 'all' ? undefined : suite.split(',');
  const pattern = only === undefined ? undefined : new RegExp(only);
  const unknown = (suites ?? []).filter((name) => !files.some((file) => file.suite === name));
  if (unknown.length > 0) {
    const known = [...new Set(files.map((file) => file.suite))].join(', ');
    fail([`no test file is in suite ${unknown.join(', ')}; there are ${known}`]);
  }
  return files.filter(
    (file) =>
      (suites === undefined ? !ON_REQUEST.includes(file.suite) : suites.includes(file.suite)) &&
      (pattern === undefined || pattern.test(file.source)),
  );
}

/** Runs the files in one `node --test`; a run that does not end is killed with all it started. */
async function runTests(files, { timeoutS, deadlineS, record }) {
  mkdirSync(dirname(record), { recursive: true });
  rmSync(record, { force: true });
  const child = spawn(
    process.execPath,
    [
      '--expose-gc', // inherited by the process of each file: allocation tests collect before they measure
      `--import=${new URL('announce-file.mjs', import.meta.url)}`,
      '--test',
      `--test-concurrency=${Math.max(2, availableParallelism())}`,
      `--test-timeout=${timeoutS * 1000}`,
      '--test-reporter=./scripts/reporter.mjs',
      '--test-reporter-destination=stdout',
      ...files.map((file) => file.output),
    ],
    { cwd: ROOT, stdio: 'inherit', detached: true, env: { ...process.env, TENDON_TEST_RECORD: record } },
  );
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL'); // a group of its own: whatever the tests left goes too
    } catch {}
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, end);
  const deadline = setTimeout(() => {
    process.stderr.write(`\nnpm test: the run did not end within ${deadlineS} s\n`);
    end();
  }, deadlineS * 1000);
  const [code, signal] = await once(child, 'close');
  clearTimeout(deadline);
  end();
  if (!existsSync(record)) fail([`the test run left no record (${signal ?? `exit code ${code}`})`]);
  return { ok: code === 0, tests: JSON.parse(readFileSync(record, 'utf8')).tests };
}

const { values: options } = parseArgs({
  options: {
    suite: { type: 'string' },
    only: { type: 'string' },
    'no-build': { type: 'boolean' },
    'no-check': { type: 'boolean' },
    timeout: { type: 'string', default: '120' },
    deadline: { type: 'string' },
    record: { type: 'string', default: join(ROOT, 'dist-test/record.json') },
    write: { type: 'boolean' },
  },
});

if (!options['no-build'] && build() !== 0) fail(['the build failed']);
if (!options['no-check'] && !(await check())) fail(['a check failed']);

const everything = options.suite === undefined && options.only === undefined;
const files = selected(testFiles(), options);
if (files.length === 0) fail(['no test file matches']);
const missing = files.filter((file) => !existsSync(join(ROOT, file.output)));
if (missing.length > 0)
  fail(missing.map((file) => `${file.output} is missing: ${file.source} was not built`));

const timeoutS = Number(options.timeout);
const { ok, tests } = await runTests(files, {
  timeoutS,
  deadlineS: Number(options.deadline ?? 15 * timeoutS),
  record: resolve(options.record),
});
const problems = problemsOf(
  files.map(({ source }) => source),
  tests,
);
if (options.write) {
  if (!everything || !ok) fail(['the conformance page is written from a run of everything that passed']);
  writeConformance(tests);
} else if (everything && ok) {
  problems.push(...conformanceProblems(tests));
}
if (problems.length > 0) fail(problems);
process.exitCode = ok ? 0 : 1;
