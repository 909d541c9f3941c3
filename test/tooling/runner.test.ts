import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type RecordedTest, ROOT, verdict } from './tools.ts';

const script = (name: string): string => pathToFileURL(join(ROOT, 'scripts', name)).href;

/** Runs files as `npm test` does and gives the record and what was printed. */
function runFiles(files: Readonly<Record<string, string>>): { tests: RecordedTest[]; stdout: string } {
  const folder = mkdtempSync(join(tmpdir(), 'runner-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const record = join(folder, 'record.json');
    const env: NodeJS.ProcessEnv = { ...process.env, TENDON_TEST_RECORD: record };
    delete env['NODE_TEST_CONTEXT']; // a run of its own, not a part of this one
    const names = Object.keys(files).filter((name) => name.endsWith('.test.js'));
    const { stdout } = spawnSync(
      process.execPath,
      [
        `--import=${script('announce-file.mjs')}`,
        '--test',
        '--test-concurrency=2',
        `--test-reporter=${script('reporter.mjs')}`,
        '--test-reporter-destination=stdout',
        ...names,
      ],
      { cwd: folder, env, encoding: 'utf8' },
    );
    const { tests } = JSON.parse(readFileSync(record, 'utf8')) as { tests: RecordedTest[] };
    return { stdout, tests: tests.map((test) => ({ ...test, file: test.file.split('/').pop() ?? '' })) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('a test run', () => {
  it('records each test with its suites, under the file that ran it, not the one that defines it', () => {
    const contract = `
      import { describe, it } from 'node:test';
      export const contract = (name) => describe(name, () => {
        it('holds', () => {});
        it('is left out', { skip: 'HUGE_PAGES are missing' }, () => {});
      });`;
    const use = (name: string): string => `import { contract } from './contract.mjs'; contract('${name}');`;
    const { tests, stdout } = runFiles({
      'contract.mjs': contract,
      'package.json': '{ "type": "module" }',
      'a.test.js': use('a'),
      'b.test.js': `await new Promise((wake) => setTimeout(wake, 50)); ${use('b')}`,
      'c.test.js': use('c'),
    });
    assert.deepEqual(
      tests.map(({ file, name, status }) => `${file} ${name} ${status}`).sort(),
      ['a', 'b', 'c'].flatMap((name) => [
        `${name}.test.js ${name} > holds passed`,
        `${name}.test.js ${name} > is left out skipped`,
      ]),
    );
    assert.match(stdout, /skipped: a > is left out \(HUGE_PAGES are missing\)/);
    assert.match(stdout, /slowest 3 of 3 files[\s\S]*\n\S+ tests 6\n[\s\S]*duration_ms [\d.]+\s*$/);
    assert.ok(!stdout.includes('\u0001'));
  });
  it('records failures, files that crash and files without a test', () => {
    const { tests } = runFiles({
      'package.json': '{ "type": "module" }',
      'bad.test.js': "import { it } from 'node:test'; it('fails', () => { throw new Error('no'); });",
      'crash.test.js': "throw new Error('no');",
      'empty.test.js': '',
    });
    assert.deepEqual(
      tests.map(({ file, status }) => `${file} ${status}`),
      ['bad.test.js failed', 'crash.test.js failed', 'empty.test.js passed'],
    );
    assert.deepEqual(verdict.problemsOf(['bad.test.js', 'crash.test.js', 'empty.test.js'], tests), [
      'crash.test.js ran no test',
      'empty.test.js ran no test',
    ]);
  });
});

describe('the verdict', () => {
  const passed: RecordedTest = { file: 'a.test.ts', name: 'works', status: 'passed' };
  it('is silent when every file has tests and every skip a reason', () => {
    const skipped: RecordedTest = {
      ...passed,
      name: 'b',
      status: 'skipped',
      reason: 'TENDON_TORTURE is not set',
    };
    assert.deepEqual(verdict.problemsOf(['a.test.ts'], [passed, skipped]), []);
  });
  it('names skips without a reason, unfinished tests, and a run without tests', () => {
    const skipped: RecordedTest = { ...passed, name: 'b', status: 'skipped' };
    assert.match(verdict.problemsOf(['a.test.ts'], [passed, skipped]).join(), /skipped without a reason: b/);
    const todo: RecordedTest = { ...passed, name: 'c', status: 'todo' };
    assert.match(verdict.problemsOf(['a.test.ts'], [passed, todo]).join(), /marked unfinished: c/);
    assert.match(verdict.problemsOf([], []).join(), /no test ran/);
  });
});
