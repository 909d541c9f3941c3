const ESCAPE = '\u001b';
const ESCAPES = new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, 'g');
const PARTS = new RegExp(`${ESCAPES.source}|.`, 'gsu');

/** Cells that a text takes: its characters without escape sequences. Everything we print is one cell wide. */
export function cells(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

/** Cut to `width` cells; escape sequences take none, and a cut text ends in the plain style. */
export function clip(text: string, width: number): string {
  if (cells(text) <= width) return text;
  let left = width;
  let cut = '';
  for (const [part] of text.matchAll(PARTS)) {
    if (part.length > 1 && part.startsWith(ESCAPE)) cut += part;
    else if (left-- > 0) cut += part;
  }
  return cut;
}

/** What other programs put into a name must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[^\u0020-\u007e]/g, '?');
}

export type Align = 'left' | 'right';

/** Pads columns to their widest cell, two blanks between; rows may be shorter than others. */
export function columns(rows: readonly (readonly string[])[], align: readonly Align[]): string[] {
  const widths = align.map((_, column) => Math.max(0, ...rows.map((row) => cells(row[column] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const padding = ' '.repeat((widths[column] ?? 0) - cells(cell));
        return align[column] === 'right' ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Bars of eight heights, from 0 to `top`; the newest value on the right. */
export function sparkline(values: readonly number[], width: number, top: number): string {
  const bars = ' ▁▂▃▄▅▆▇█';
  const shown = width > 0 ? values.slice(-width) : [];
  return shown.map((value) => bars[Math.max(1, Math.min(8, Math.round((value / (top || 1)) * 8)))]).join('');
}
