import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Checklist, conformance, type RecordedTest } from './tools.ts';

const list: Checklist = {
  spec: 'some-spec',
  lines: [
    { line: 1, title: 'anywhere', process: false },
    { line: 2, title: 'two processes', process: true },
  ],
};
const test = (
  name: string,
  file = 'src/ring/a.test.ts',
  status: RecordedTest['status'] = 'passed',
): RecordedTest => ({
  name,
  file,
  status,
});
const statuses = (...tests: RecordedTest[]): string[] =>
  conformance.entries(tests, [list], { 'some-spec': { 2: 'superseded' } }).map(({ status }) => status);

describe('the conformance page', () => {
  it('takes a line as proved when a test that passed quotes it, alone or among others, itself or in its suite', () => {
    assert.deepEqual(statuses(), ['open', 'deviates']);
    for (const name of [
      '[some-spec 1] works',
      '[some-spec 1, 7] works',
      '[some-spec 1-3] works',
      '[some-spec 1] > a',
    ]) {
      assert.equal(statuses(test(name))[0], 'proved', name);
    }
    assert.equal(statuses(test('[other-spec 1] works'))[0], 'open');
  });
  it('counts no test that was skipped, failed or unfinished, and no suite', () => {
    for (const status of ['skipped', 'failed', 'todo'] as const) {
      assert.equal(statuses(test('[some-spec 1] works', 'a.test.ts', status))[0], 'open', status);
    }
    assert.equal(statuses({ ...test('[some-spec 1] works'), suite: true })[0], 'open');
  });
  it('proves a line for two processes only from test/process', () => {
    assert.equal(statuses(test('[some-spec 2] works'))[1], 'deviates');
    assert.equal(statuses(test('[some-spec 2] works', 'test/process/ring/a.test.ts'))[1], 'proved');
  });
  it('is the same whatever the order of the tests', () => {
    const [a, b] = [test('[some-spec 1] a'), test('[some-spec 1] b', 'src/a.test.ts')];
    assert.deepEqual(conformance.entries([a, b], [list], {}), conformance.entries([b, a], [list], {}));
  });
  it('refuses a quote of a line that does not exist', () =>
    assert.match(
      conformance.strayQuotes([test('[some-spec 3] works')], [list]).join(),
      /quotes \[some-spec 3\]/,
    ));
});
