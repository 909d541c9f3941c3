import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERROR_CODES } from 'tendon/core';
import {
  arrowCycles,
  importCycles,
  judgeImports,
  judgePlaces,
  judgeShape,
  judgeSync,
  judgeWireIds,
} from './judge.ts';
import { ARROWS } from './rules.ts';
import { pathsBelow, readSource, readText, type Source } from './sources.ts';

const sources = pathsBelow('src', '.ts').map((path) => readSource(path));
const tests = [...sources.filter(({ path, isTest }) => isTest || path.startsWith('src/testing/'))].concat(
  pathsBelow('test', '.ts')
    .filter((path) => !path.startsWith('test/architecture/'))
    .map((path) => readSource(path)),
);

function assertNone(complaints: readonly string[]): void {
  assert.equal(complaints.join('\n'), '');
}

describe('the architecture', () => {
  it('is looked at whole', () => {
    assert.ok(sources.some(({ path }) => path === 'src/core/index.ts'));
    assert.ok(sources.reduce((sum, { imports }) => sum + imports.length, 0) > 10);
  });
  it('has floors: the table of arrows has no loop', () => assertNone(arrowCycles(ARROWS)));
  it('imports only along its arrows, through index.ts', () => assertNone(sources.flatMap(judgeImports)));
  it('has no loop of imports', () => assertNone(importCycles(sources)));
  it('keeps environment, handlers, randomness and time in their places', () =>
    assertNone(sources.flatMap(judgePlaces)));
  it('names concepts and keeps files readable', () => assertNone(sources.flatMap(judgeShape)));
  it('pairs every release with an acquire', () => {
    const native = pathsBelow('native', '.cc').concat(
      pathsBelow('native', '.h'),
      pathsBelow('native', '.hpp'),
    );
    const code = sources.filter(({ isTest }) => !isTest);
    assertNone(judgeSync([...code, ...native.map((path) => ({ path, text: readText(path) }))]));
  });
});

describe('the reference', () => {
  it('has a test for every normative line of the wire pages', () => {
    const pages = pathsBelow('docs/reference/wire', '.md').map((path) => ({ path, text: readText(path) }));
    assertNone(judgeWireIds(pages, tests));
  });
  it('explains every error code, in the order of the source, and says truly which may be retried', () => {
    const rows = [
      ...readText('docs/reference/errors.md').matchAll(/^\| `([A-Z_]+)` \| (yes|no|as sent) \|/gm),
    ];
    const stated = rows.map(([, code, retryable]) => `${code} ${retryable}`);
    const real = Object.entries(ERROR_CODES).map(
      ([code, { retryable }]) => `${code} ${code === 'REMOTE' ? 'as sent' : retryable ? 'yes' : 'no'}`,
    );
    assert.deepEqual(stated, real);
  });
});

describe('the judge', () => {
  const at = (path: string, text: string): Source => readSource(path, text);
  const complains = (complaints: readonly string[], pattern: RegExp): void => {
    assert.equal(complaints.length, 1, `one complaint expected, got: ${complaints.join('; ')}`);
    assert.match(complaints[0] ?? '', pattern);
  };

  it('refuses an arrow that the table lacks', () =>
    complains(
      judgeImports(at('src/ring/ring.ts', "import { open } from '../os/index.ts';")),
      /ring must not import os/,
    ));
  it('refuses it for types, re-exports, import() and import types as well', () => {
    for (const text of [
      "import type { A } from '../os/index.ts';",
      "export { a } from '../os/index.ts';",
      "export * from '../os/index.ts';",
      "const a = await import('../os/index.ts');",
      "let a: import('../os/index.ts').A;",
    ]) {
      complains(judgeImports(at('src/ring/ring.ts', text)), /ring must not import os/);
    }
  });
  it('allows a member its family, its own arrows, and no sibling', () => {
    const member = (target: string): string[] =>
      judgeImports(at('src/transport/shm/channel.ts', `import { a } from '../../${target}/index.ts';`));
    for (const target of ['core', 'os', 'memory', 'ring', 'transport']) assertNone(member(target));
    assertNone(
      judgeImports(at('src/transport/shm/channel.ts', "import { Base } from '../connection-base.ts';")),
    );
    complains(
      judgeImports(at('src/rpc/stub.ts', "import { Base } from '../transport/connection-base.ts';")),
      /reaches past src\/transport\/index.ts/,
    );
    complains(member('transport/tcp'), /transport\/shm must not import transport\/tcp/);
    complains(
      judgeImports(at('src/transport/tcp/link.ts', "import { a } from '../../ring/index.ts';")),
      /must not import ring/,
    );
    assertNone(
      judgeImports(at('src/transport/tcp/link.ts', "import { a } from '../stream-socket/index.ts';")),
    );
    complains(
      judgeImports(at('src/transport/shm/a.ts', "import { a } from '../stream-socket/index.ts';")),
      /must not import transport\/stream-socket/,
    );
    assertNone(judgeImports(at('src/codec/index.ts', "import { a } from './json/index.ts';")));
    complains(
      judgeImports(at('src/codec/index.ts', "import { a } from './json/text.ts';")),
      /reaches past src\/codec\/json\/index.ts/,
    );
  });
  it('lets the facade and the command line import any index.ts and nothing behind one', () => {
    assertNone(judgeImports(at('src/index.ts', "import { a } from './transport/shm/index.ts';")));
    complains(
      judgeImports(at('src/cli/main.ts', "import { a } from '../ring/slot.ts';")),
      /reaches past src\/ring\/index.ts/,
    );
  });
  it('keeps strangers apart', () =>
    complains(
      judgeImports(at('src/stream/client/a.ts', "import { b } from '../driver/b.ts';")),
      /must not meet/,
    ));
  it('keeps a package in its adapter, and unknown packages and bare built-ins out', () => {
    assertNone(judgeImports(at('src/codec/msgpack/index.ts', "import { Packr } from 'msgpackr';")));
    assertNone(judgeImports(at('src/ring/a.property.test.ts', "import fc from 'fast-check';")));
    complains(judgeImports(at('src/codec/index.ts', "import 'msgpackr';")), /only src\/codec\/msgpack may/);
    complains(judgeImports(at('src/ring/a.ts', "import fc from 'fast-check';")), /no adapter wraps/);
    complains(judgeImports(at('src/ring/a.ts', "import net from 'net';")), /no adapter wraps/);
  });
  it('wants .ts at the end of a relative import', () =>
    complains(judgeImports(at('src/ring/a.ts', "import { b } from './b.js';")), /ends in .ts/));
  it('finds a loop through values, not through types', () => {
    const a = at('src/ring/a.ts', "import { b } from './b.ts';");
    assert.deepEqual(importCycles([a, at('src/ring/b.ts', "import { a } from './a.ts';")]), [
      'src/ring/a.ts -> src/ring/b.ts -> src/ring/a.ts',
    ]);
    assertNone(importCycles([a, at('src/ring/b.ts', "import type { A } from './a.ts';")]));
    assertNone(importCycles([a, at('src/ring/b.ts', "import { type A } from './a.ts';")]));
  });
  it('finds a loop in a table', () => assert.equal(arrowCycles({ a: ['b'], b: ['c'], c: ['a'] }).length, 1));
  it('finds what is out of place', () => {
    for (const [text, pattern] of [
      ['const a = process.env.HOME;', /process\.env/],
      ['process.exit(1);', /process\.exit/],
      ["process.once('SIGTERM', stop);", /signal handler/],
      ['const a = Math.random();', /Math\.random/],
      ['const a = Date.now();', /Date\.now/],
    ] as const) {
      complains(judgePlaces(at('src/ring/a.ts', text)), pattern);
      assertNone(judgePlaces(at('src/ring/a.test.ts', text)));
    }
    assertNone(judgePlaces(at('src/cli/main.ts', "process.once('SIGTERM', () => process.exit(1));")));
    assertNone(judgePlaces(at('src/ring/a.ts', '// process.exit is not for us')));
  });
  it('finds names without a concept and files without end', () => {
    complains(judgeShape(at('src/ring/utils.ts', '')), /names no concept/);
    complains(judgeShape(at('src/helpers/a.ts', '')), /names no concept/);
    complains(judgeShape(at('src/ring/slotRing.ts', '')), /kebab-case/);
    const long = 'const a = 1;\n'.repeat(401);
    complains(judgeShape(at('src/ring/a.ts', long)), /401 lines/);
    assertNone(judgeShape(at('src/ring/a.ts', `// Over 400 lines because the table is one.\n${long}`)));
  });
  it('finds an atomic without its partner', () => {
    const text = (...lines: string[]): { path: string; text: string }[] => [
      { path: 'a.ts', text: lines.join('\n') },
    ];
    assertNone(judgeSync(text('// SYNC(ring.tail) release: a', '// SYNC(ring.tail) acquire: b')));
    complains(judgeSync(text('// SYNC(ring.tail) release')), /has no acquire/);
    complains(judgeSync(text('// SYNC(ring.tail) acquire')), /has no release/);
    complains(judgeSync(text('// SYNC(ring.tail) publishes')), /says neither release/);
    assertNone(judgeSync(text('// SYNC(parked) fence', '// SYNC(parked) fence')));
    complains(judgeSync(text('// SYNC(parked) fence')), /has no other side/);
  });
  it('finds ids without tests and tests without ids', () => {
    const page = [{ path: 'ring.md', text: '[RING-1] A reader MUST.\n[RING-2] A writer MUST.' }];
    const both = at('src/ring/a.test.ts', "it('[RING-1, RING-2] works', () => {});");
    assertNone(judgeWireIds(page, [both]));
    complains(
      judgeWireIds(page, [at('src/ring/a.test.ts', "it('[RING-1] a'); // [RING-2]")]),
      /\[RING-2\] of/,
    );
    complains(judgeWireIds(page, [both, at('b.test.ts', "it('[RING-3] works');")]), /no wire page has/);
  });
});
