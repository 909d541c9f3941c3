/** Styles of the terminal; plain text where colours are not wanted. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  accent(text: string): string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Colours when `stream` is a terminal that has them, and neither NO_COLOR nor TERM=dumb objects. */
export function styleFor(stream: { readonly isTTY?: boolean | undefined }, environment: Environment): Style {
  const wanted =
    stream.isTTY === true && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
  const paint =
    (code: number) =>
    (text: string): string =>
      wanted && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
  return {
    bold: paint(1),
    dim: paint(2),
    good: paint(32),
    warn: paint(33),
    bad: paint(31),
    accent: paint(36),
  };
}
