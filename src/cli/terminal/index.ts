export * as figures from './figures.ts';
export { Screen } from './screen.ts';
export { type Environment, type Style, styleFor } from './style.ts';
export { cells, clip, columns, printable, sparkline } from './text.ts';
