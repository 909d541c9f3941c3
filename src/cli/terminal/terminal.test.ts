import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cells, clip, columns, figures, printable, sparkline, styleFor } from './index.ts';

const TERMINAL = { isTTY: true };

describe('text for a terminal', () => {
  it('is measured and cut by what is seen', () => {
    const style = styleFor(TERMINAL, { TERM: 'xterm' });
    const text = `${style.bad('red')} ━▶ plain`;
    assert.ok(text.length > cells(text));
    assert.equal(cells(text), 12);
    assert.equal(cells(clip(text, 5)), 5);
    assert.ok(clip(text, 2).endsWith('\u001b[0m'), 'the style ends with the text');
    assert.equal(clip('short', 80), 'short');
  });

  it('stands in columns, styled or not', () => {
    const style = styleFor(TERMINAL, {});
    assert.deepEqual(columns([['a', '1'], ['long', '200'], ['b']], ['left', 'right']), [
      'a       1',
      'long  200',
      'b',
    ]);
    const [first = '', second = ''] = columns(
      [
        [style.bold('a'), '1'],
        ['bb', '22'],
      ],
      ['left', 'right'],
    );
    assert.equal(cells(first), cells(second));
  });

  it('has no colours for NO_COLOR, a dumb terminal or a pipe', () => {
    assert.equal(styleFor(TERMINAL, { NO_COLOR: '1' }).bad('x'), 'x');
    assert.equal(styleFor(TERMINAL, { TERM: 'dumb' }).bad('x'), 'x');
    assert.equal(styleFor({ isTTY: false }, {}).bad('x'), 'x');
    assert.notEqual(styleFor(TERMINAL, { NO_COLOR: '' }).bad('x'), 'x');
  });

  it('does not let the names of others steer it', () => {
    assert.equal(printable('a\u001b[2Jb\n'), 'a?[2Jb?');
  });

  it('draws the newest values, the highest as the highest bar', () => {
    assert.equal(sparkline([0, 50, 100], 10, 100), '▁▄█');
    assert.equal(sparkline([0, 50, 100], 2, 100), '▄█');
    assert.equal(sparkline([1, 2], 0, 100), '');
    assert.equal(sparkline([0, 0], 5, 0), '▁▁');
  });

  it('writes figures with the unit that suits', () => {
    assert.deepEqual([0, 999, 12_345, 1.5e6, 2e9].map(figures.count), [
      '0',
      '999',
      '12.3 k',
      '1.50 M',
      '2.00 G',
    ]);
    assert.deepEqual([0, 1023, 1024, 1.5 * 1024 ** 3].map(figures.bytes), [
      '0 B',
      '1023 B',
      '1.00 KiB',
      '1.50 GiB',
    ]);
    assert.deepEqual([0.5, 42, 1500, 2e6].map(figures.microseconds), [
      '0.50 us',
      '42.0 us',
      '1.50 ms',
      '2.00 s',
    ]);
    assert.deepEqual([0, 9.94, 99.6].map(figures.percent), ['0.0 %', '9.9 %', '100 %']);
  });
});
