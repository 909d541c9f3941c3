/** Judges sources by the rules. Pure: takes sources, gives complaints as sentences, so that it can be tested itself. */
import {
  ADAPTERS,
  ARROWS,
  FAMILIES,
  LENGTH_REASON,
  MAX_LINES,
  NAMELESS,
  PLACES,
  STRANGERS,
  TEST_PACKAGES,
} from './rules.ts';
import type { Import, Source } from './sources.ts';

/** The unit a source belongs to: `ring`, `transport/shm`, `index.ts` for the facade. */
export function unitOf(path: string): string {
  const [, first, second, third] = path.split('/');
  if (second === undefined) return first ?? '';
  return first !== undefined && FAMILIES.includes(first) && third !== undefined
    ? `${first}/${second}`
    : (first ?? '');
}

function familyOf(unit: string): string | undefined {
  const [family] = unit.split('/');
  return family !== unit && family !== undefined && FAMILIES.includes(family) ? family : undefined;
}

function mayImport(from: string, to: string): boolean {
  const family = familyOf(from);
  if (family === to || familyOf(to) === from) return true; // a member and its family, either way
  const allowed = [...(ARROWS[from] ?? []), ...(family === undefined ? [] : (ARROWS[family] ?? []))];
  return allowed.includes('*') || allowed.includes(to) || allowed.includes(familyOf(to) ?? to);
}

function judgeInternal(source: Source, { target, specifier, line }: Import, complaints: string[]): void {
  if (target === undefined) return;
  const where = `${source.path}:${line}`;
  if (!/\.ts$/.test(specifier))
    complaints.push(`${where} imports "${specifier}": a relative import ends in .ts`);
  if (!target.startsWith('src/')) {
    complaints.push(`${where} imports ${target}, outside src/`);
    return;
  }
  const [from, to] = [unitOf(source.path), unitOf(target)];
  if (from !== to) {
    if (ARROWS[to.split('/')[0] ?? to] === undefined)
      complaints.push(`${where}: ${to} is no folder of the architecture`);
    else if (!mayImport(from, to)) complaints.push(`${where}: ${from} must not import ${to}`);
    const door = to === 'index.ts' ? 'src/index.ts' : `src/${to}/index.ts`;
    const inside = familyOf(from) === to; // a member stands inside its family's folder, siblings are behind their doors
    if (target !== door && !inside) complaints.push(`${where} reaches past ${door} for ${target}`);
  }
  for (const [one, other] of STRANGERS) {
    const crosses = (a: string, b: string): boolean =>
      source.path.startsWith(`src/${a}/`) && target.startsWith(`src/${b}/`);
    if (crosses(one, other) || crosses(other, one))
      complaints.push(`${where}: ${one} and ${other} must not meet`);
  }
}

function judgeExternal(source: Source, { target, specifier, line }: Import, complaints: string[]): void {
  if (target !== undefined || specifier.startsWith('node:')) return;
  const where = `${source.path}:${line}`;
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (source.isTest && TEST_PACKAGES.includes(name)) return;
  const home = ADAPTERS[name];
  if (home === undefined) {
    complaints.push(
      `${where} imports "${specifier}", which no adapter wraps (built-in modules are written node:...)`,
    );
  } else if (!source.path.startsWith(`src/${home}/`)) {
    complaints.push(`${where} imports ${name}: only src/${home} may`);
  }
}

/** Forbidden imports, imports past an index.ts, packages outside their adapter, imports without their ending. */
export function judgeImports(source: Source): string[] {
  const complaints: string[] = [];
  for (const one of source.imports) {
    judgeInternal(source, one, complaints);
    judgeExternal(source, one, complaints);
  }
  return complaints;
}

/** Loops of imports that exist at run time; each once, from its alphabetically first file. */
export function importCycles(sources: readonly Source[]): string[] {
  const edges = new Map(
    sources.map((source) => [
      source.path,
      source.imports.flatMap(({ target, typeOnly }) => (target === undefined || typeOnly ? [] : [target])),
    ]),
  );
  const done = new Set<string>();
  const cycles = new Set<string>();
  const walk = (path: string, trail: string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) {
      const loop = trail.slice(at);
      const first = loop.indexOf([...loop].sort()[0] ?? path);
      cycles.add([...loop.slice(first), ...loop.slice(0, first), loop[first]].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const next of edges.get(path) ?? []) walk(next, trail);
    trail.pop();
    done.add(path);
  };
  for (const path of [...edges.keys()].sort()) walk(path, []);
  return [...cycles];
}

/** The arrows of the table as a graph must have no loop either, or the floors would mean nothing. */
export function arrowCycles(arrows: Readonly<Record<string, readonly string[]>>): string[] {
  return importCycles(
    Object.entries(arrows).map(([unit, targets]) => ({
      path: unit,
      text: '',
      isTest: false,
      mentions: [],
      strings: [],
      imports: targets.map((target) => ({ specifier: target, target, typeOnly: false, line: 0 })),
    })),
  );
}

/** `process.env`, handlers, randomness and wall time outside the places they have. */
export function judgePlaces(source: Source): string[] {
  if (source.isTest) return [];
  const local = source.path.replace(/^src\//, '');
  return source.mentions.flatMap(({ what, line }) => {
    const rule = PLACES.find((place) => place.what === what);
    if (rule === undefined || rule.allowed.some((place) => local.startsWith(place))) return [];
    return [`${source.path}:${line} has ${what}: ${rule.why}`];
  });
}

/** Names that say nothing, names in another style, and files that outgrew a reader. */
export function judgeShape(source: Source): string[] {
  const complaints: string[] = [];
  for (const part of source.path.split('/')) {
    const [stem = ''] = part.split('.');
    if (NAMELESS.includes(stem)) complaints.push(`${source.path}: "${stem}" names no concept`);
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem))
      complaints.push(`${source.path}: "${stem}" is not in kebab-case`);
  }
  const lines = source.text.split('\n').length - 1;
  const top = source.text.split('\n', 40).join('\n');
  if (!source.isTest && lines > MAX_LINES && !LENGTH_REASON.test(top)) {
    complaints.push(
      `${source.path} has ${lines} lines and no "Over ${MAX_LINES} lines because ..." at its top`,
    );
  }
  return complaints;
}

/**
 * Every `SYNC(name) release` has its `SYNC(name) acquire`, and the other way round. Native sources count too.
 * `SYNC(name) fence` marks a side that stores its own word and then loads the other's: there are two of them at least.
 */
export function judgeSync(files: readonly { readonly path: string; readonly text: string }[]): string[] {
  const places = new Map<string, { release: string[]; acquire: string[]; fence: string[] }>();
  const complaints: string[] = [];
  for (const { path, text } of files) {
    for (const match of text.matchAll(/SYNC\(([^)\n]*)\)\s*([a-z][a-z-]*)?/g)) {
      const [, name = '', side = ''] = match;
      const place = `${path}:${text.slice(0, match.index).split('\n').length}`;
      const sides = side === 'acquire-release' ? ['acquire', 'release'] : [side];
      const entry = places.get(name) ?? { release: [], acquire: [], fence: [] };
      for (const one of sides) {
        if (one === 'release' || one === 'acquire' || one === 'fence') entry[one].push(place);
        else complaints.push(`${place}: SYNC(${name}) says neither release, acquire nor fence`);
      }
      if (sides.some((one) => one in entry)) places.set(name, entry);
    }
  }
  for (const [name, { release, acquire, fence }] of places) {
    if (release.length > 0 && acquire.length === 0)
      complaints.push(`SYNC(${name}) release at ${release[0]} has no acquire`);
    if (acquire.length > 0 && release.length === 0)
      complaints.push(`SYNC(${name}) acquire at ${acquire[0]} has no release`);
    if (fence.length === 1) complaints.push(`SYNC(${name}) fence at ${fence[0]} has no other side`);
  }
  return complaints;
}

const QUOTED_IDS = /\[([A-Z][A-Z0-9]*-\d+(?:, ?[A-Z][A-Z0-9]*-\d+)*)\]/g;

function quotedIds(text: string): string[] {
  return [...text.matchAll(QUOTED_IDS)].flatMap(([, list = '']) => list.split(/, ?/));
}

/** Normative ids of the wire pages against the ids that tests quote in strings: both directions, each id once a page. */
export function judgeWireIds(
  pages: readonly { readonly path: string; readonly text: string }[],
  tests: readonly Source[],
): string[] {
  const defined = new Map<string, string>();
  for (const { path, text } of pages) {
    for (const id of quotedIds(text)) defined.set(id, path);
  }
  const prefixes = new Set([...defined.keys()].map((id) => id.slice(0, id.lastIndexOf('-'))));
  const quoted = new Set<string>();
  const complaints: string[] = [];
  for (const { path, strings } of tests) {
    for (const id of strings.flatMap(quotedIds)) {
      quoted.add(id);
      if (!defined.has(id) && prefixes.has(id.slice(0, id.lastIndexOf('-')))) {
        complaints.push(`${path} quotes [${id}], which no wire page has`);
      }
    }
  }
  for (const [id, path] of defined) {
    if (!quoted.has(id)) complaints.push(`[${id}] of ${path} is quoted by no test`);
  }
  return complaints;
}
