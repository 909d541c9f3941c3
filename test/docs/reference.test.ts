/** The reference pages that list names and defaults say what the code says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BROADCAST_DEFAULTS, CONNECT_DEFAULTS, LISTEN_DEFAULTS } from 'tendon/transport';
import { SHM_DEFAULTS } from 'tendon/transport/shm';
import ts from 'typescript';
import { ROOT } from './workspace.ts';

const page = (name: string): string => readFileSync(join(ROOT, 'docs/reference', name), 'utf8');

/** Sections of level 2 by heading. */
function sectionsOf(text: string): Map<string, string> {
  const parts = text.split(/^## (.*)$/m).slice(1);
  return new Map(
    parts.flatMap((part, n) => (n % 2 === 0 ? [[part.replaceAll('`', ''), parts[n + 1] ?? '']] : [])),
  );
}

/** The cells of a section's tables, row by row, without heads. */
function rowsOf(section: string): string[][] {
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

interface Exported {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

/** What every import of the package exports, as the compiler sees it. */
function exportedNames(): Map<string, Exported> {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>;
  };
  const entries = Object.entries(manifest.exports).flatMap(([path, target]) =>
    typeof target === 'string' ? [] : [{ name: path.replace('.', 'tendon'), file: join(ROOT, target.types) }],
  );
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2023,
      skipLibCheck: true,
      noEmit: true,
    },
  );
  const checker = program.getTypeChecker();
  return new Map(
    entries.map(({ name, file }) => {
      const source = program.getSourceFile(file);
      const symbol = source === undefined ? undefined : checker.getSymbolAtLocation(source);
      assert.ok(symbol !== undefined, `${file} is no module`);
      const values: string[] = [];
      const types: string[] = [];
      for (const exported of checker.getExportsOfModule(symbol)) {
        const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
        (target.flags & ts.SymbolFlags.Value ? values : types).push(exported.name);
      }
      return [name, { values: values.sort(), types: types.sort() }];
    }),
  );
}

describe('docs/reference/api.md', () => {
  const sections = sectionsOf(page('api.md'));
  const exported = exportedNames();

  it('has a section for every import', () =>
    assert.deepEqual([...sections.keys()].sort(), [...exported.keys()].sort()));

  for (const [name, { values, types }] of exported) {
    it(`lists what ${name} exports`, () => {
      const cells = rowsOf(sections.get(name) ?? '').map(([names]) => names ?? '');
      const listed = { values: [] as string[], types: [] as string[] };
      for (const [, star, word] of cells.join(' ').matchAll(/(\*?)`([^`]+)`/g)) {
        if (word !== undefined) listed[star === '*' ? 'types' : 'values'].push(word);
      }
      assert.deepEqual({ values: listed.values.sort(), types: listed.types.sort() }, { values, types });
    });
  }
});

describe('docs/reference/transports.md', () => {
  const sections = sectionsOf(page('transports.md'));
  const defaultsOf = (heading: string): Map<string, string> => {
    const rows = rowsOf(sections.get(heading) ?? '');
    return new Map(rows.map(([option = '', value = '']) => [option.replaceAll('`', ''), value]));
  };
  const stated = (heading: string, defaults: Readonly<Record<string, unknown>>): void => {
    const table = defaultsOf(heading);
    for (const [option, value] of Object.entries(defaults)) {
      assert.equal(table.get(option), String(value), `the default of ${option} in "${heading}"`);
    }
  };

  it('states the defaults of both ends', () => {
    const { timeoutMs, ...common } = CONNECT_DEFAULTS;
    stated('Options of both ends', common);
    stated('Options of connect', { timeoutMs });
  });
  it('states the defaults of listeners', () => {
    const common = new Set(Object.keys(CONNECT_DEFAULTS));
    const own = Object.entries({ ...LISTEN_DEFAULTS, ...SHM_DEFAULTS }).filter(
      ([option]) => !common.has(option),
    );
    stated('Options of listen', Object.fromEntries(own));
  });
  it('states the defaults of a broadcast', () => stated('Options of broadcast', BROADCAST_DEFAULTS));
});
