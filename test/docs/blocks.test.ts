import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { examplesOf, prints } from './blocks.ts';

const page = (...lines: string[]): string => lines.join('\n');

describe('the blocks of a page', () => {
  it('are the marked languages, each with the output that follows', () => {
    const [one, two, ...rest] = examplesOf(
      page(
        '# A',
        '```ts',
        'a',
        '```',
        '',
        '```text',
        'printed',
        '```',
        '```json',
        '{}',
        '```',
        '```sh',
        'b',
        '```',
      ),
    );
    assert.deepEqual(rest, []);
    assert.equal(one?.parts[0]?.code, 'a\n');
    assert.equal(one?.parts[0]?.output, 'printed\n');
    assert.equal(one?.line, 2);
    assert.equal(two?.language, 'sh');
    assert.equal(two?.parts[0]?.output, undefined);
  });
  it('are left out only with a reason', () => {
    assert.deepEqual(examplesOf(page('```sh no-run: needs a browser', 'a', '```')), []);
    assert.throws(() => examplesOf(page('```sh no-run', 'a', '```')), /needs a reason/);
  });
  it('belong together by file=, up to the next heading', () => {
    const examples = examplesOf(
      page(
        '```ts file=server.ts',
        's',
        '```',
        '```ts file=client.ts',
        'c',
        '```',
        '## B',
        '```ts file=x.ts',
        '```',
      ),
    );
    assert.deepEqual(
      examples.map(({ parts }) => parts.map(({ file }) => file)),
      [['server.ts', 'client.ts'], ['x.ts']],
    );
  });
  it('continue the block before', () => {
    const [one, ...rest] = examplesOf(page('```ts', 'a', '```', 'words', '```ts continues', 'b', '```'));
    assert.deepEqual(rest, []);
    assert.equal(one?.parts[0]?.code, 'a\nb\n');
    assert.throws(() => examplesOf(page('```ts continues', 'b', '```')), /no block to continue/);
  });
  it('are refused when misspelt, unclosed, or named like a path', () => {
    assert.throws(() => examplesOf(page('```ts norun', '```')), /nobody knows what "norun"/);
    assert.throws(() => examplesOf(page('```ts', 'a')), /never closed/);
    assert.throws(() => examplesOf(page('```ts file=../a.ts', '```')), /no plain file name/);
  });
  it('lose the indent of the list they stand in', () =>
    assert.equal(
      examplesOf(page('1. do', '   ```sh', '   a', '     b', '   ```'))[0]?.parts[0]?.code,
      'a\n  b\n',
    ));
});

describe('printed output', () => {
  it('is compared line by line, with ... for anything', () => {
    assert.ok(prints('a 1\nb\n', 'a 1  \nb\n\n'));
    assert.ok(prints('took ... us\n...\nend', 'took 3.5 us\nx\ny\nend'));
    assert.ok(!prints('a 1', 'a 2'));
    assert.ok(!prints('a', 'a\nb'));
  });
});
