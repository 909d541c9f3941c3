/** Numbers for people: at most three digits that count, with the unit that suits. */
export function count(value: number): string {
  if (value >= 1e9) return `${digits(value / 1e9)} G`;
  if (value >= 1e6) return `${digits(value / 1e6)} M`;
  if (value >= 1e4) return `${digits(value / 1e3)} k`;
  return Math.round(value).toString();
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let power = 0;
  for (; Math.abs(value) >= 1024 && power < units.length - 1; power++) value /= 1024;
  return `${power === 0 ? Math.round(value) : digits(value)} ${units[power]}`;
}

export function microseconds(value: number): string {
  if (value >= 1e6) return `${digits(value / 1e6)} s`;
  return value >= 1e3 ? `${digits(value / 1e3)} ms` : `${digits(value)} us`;
}

export function milliseconds(value: number): string {
  return microseconds(value * 1e3);
}

export function percent(value: number): string {
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} %`;
}

function digits(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toString();
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
