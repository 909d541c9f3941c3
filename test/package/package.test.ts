/** The packed package, installed as users install it. Runs in `.ci/run`: it needs a registry and some time. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import ts from 'typescript';
import { Consumer, MANIFEST, ROOT, run, SPECIFIERS, succeed } from './consumer.ts';

let packed = '';
let tarball = '';
let files: readonly string[] = [];

before(async () => {
  packed = mkdtempSync(join(tmpdir(), 'packed-'));
  // The build is what the tests before this one tested: packing must not make another.
  const { stdout } = await succeed(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', packed],
    ROOT,
  );
  const report: unknown = JSON.parse(stdout);
  // npm prints a list, newer versions an object by package name.
  const [entry] = Object.values(report as Record<string, { filename: string; files: { path: string }[] }>);
  assert.ok(entry !== undefined);
  tarball = join(packed, entry.filename);
  files = entry.files.map(({ path }) => path);
});
after(() => rmSync(packed, { recursive: true, force: true }));

describe('the packed package', () => {
  it('has every file that the manifest names', () => {
    const named = Object.values(MANIFEST.exports).flatMap((target) =>
      typeof target === 'string' ? [target] : [target.types, target.default],
    );
    assert.deepEqual(
      named.filter((path) => !files.includes(path.replace('./', ''))),
      [],
    );
    assert.ok(files.includes('LICENSE'));
    assert.ok(files.includes('binding.gyp'), 'the addon can be compiled where it is installed');
  });
  it('has no tests, no build state and nothing of the repository alone', () => {
    const stray = files.filter((path) =>
      /\.test\.|tsbuildinfo|tsconfig|^(test|docs|\.ci|build)\/|\.log$/.test(path),
    );
    assert.deepEqual(stray, []);
  });
});

describe('installed in an empty folder', () => {
  let consumer: Consumer;
  before(async () => {
    consumer = new Consumer();
    await consumer.install(tarball);
  });
  after(() => consumer[Symbol.dispose]());

  it('brings its two dependencies and no more', () =>
    assert.deepEqual(
      readdirSync(consumer.path('node_modules')).filter((name) => !name.startsWith('.')),
      ['commander', 'node-gyp-build', 'tendon'],
    ));
  it('has an addon that was compiled here', () =>
    assert.ok(existsSync(consumer.path('node_modules/tendon/build/Release/tendon.node'))));
  for (const specifier of SPECIFIERS) {
    it(`imports ${specifier}`, async () => {
      const program = `const all = await import('${specifier}'); if (Object.keys(all).length === 0) throw new Error('exports nothing');`;
      await succeed(process.execPath, ['--input-type=module', '-e', program], consumer.folder);
    });
    it(`requires ${specifier}`, async () => {
      const program = `if (Object.keys(require('${specifier}')).length === 0) throw new Error('exports nothing');`;
      await succeed(process.execPath, ['--input-type=commonjs', '-e', program], consumer.folder);
    });
  }
  it('has types that compile without any optional package', () => {
    const lines = SPECIFIERS.map((specifier, index) => `import * as part${index} from '${specifier}';`);
    const uses = SPECIFIERS.map((_, index) => `part${index}`);
    const file = consumer.write(
      'types.mts',
      `${lines.join('\n')}\nexport const all: object[] = [${uses.join(', ')}];\n`,
    );
    const program = ts.createProgram([file], {
      strict: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.NodeNext,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
    });
    const errors = ts.getPreEmitDiagnostics(program);
    assert.equal(ts.formatDiagnostics(errors, formatHost(consumer.folder)), '');
  });
  it('answers tendon --version, through npx as well', async () => {
    const { stdout } = await consumer.tendon(['--version']);
    assert.equal(stdout.trim(), MANIFEST.version);
    const npx = await succeed('npx', ['tendon', '--version'], consumer.folder);
    assert.equal(npx.stdout.trim(), MANIFEST.version);
  });
  it('finds its addon in tendon doctor', async () => {
    const { code, stdout, stderr } = await consumer.tendon(['doctor']);
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.match(stdout, /addon/i);
  });
  it('runs tendon demo for two seconds', async () => {
    const { code, stdout, stderr } = await consumer.tendon(['demo', '--duration', '2'], 120_000);
    assert.equal(code, 0, `${stdout}${stderr}`);
  });
});

describe('installed without a compiler', () => {
  let consumer: Consumer;
  let said = '';
  before(async () => {
    consumer = new Consumer();
    const { stdout, stderr } = await consumer.install(tarball, { PATH: consumer.pathWithoutCompiler() });
    said = stdout + stderr;
  });
  after(() => consumer[Symbol.dispose]());

  it('installs all the same and says what is missing, once', () => {
    assert.ok(!existsSync(consumer.path('node_modules/tendon/build/Release/tendon.node')));
    assert.equal(said.match(/tendon: .*Unix sockets/g)?.length, 1, said);
  });
  it('imports everything all the same', async () => {
    const lines = SPECIFIERS.map((specifier) => `await import('${specifier}');`);
    await succeed(process.execPath, ['--input-type=module', '-e', lines.join('\n')], consumer.folder);
  });
  it('carries shm: over a Unix socket and says so once', async () => {
    const command = realpathSync(consumer.path('node_modules/.bin/tendon'));
    const endpoint = `shm:package-test-${process.pid}`;
    const receiver = spawn(process.execPath, [command, 'receive', endpoint], { cwd: consumer.folder });
    const ended = once(receiver, 'close');
    let received = '';
    let warned = '';
    receiver.stdout.setEncoding('utf8').on('data', (text: string) => (received += text));
    receiver.stderr.setEncoding('utf8').on('data', (text: string) => (warned += text));
    try {
      const sender = `printf '%s' 'over the socket' | '${process.execPath}' '${command}' send ${endpoint}`;
      let sent = await run('sh', ['-c', sender], consumer.folder, {}, 60_000);
      for (let attempt = 1; sent.code !== 0 && attempt < 20; attempt++) {
        sent = await run('sh', ['-c', sender], consumer.folder, {}, 60_000); // until the receiver listens
      }
      assert.equal(sent.code, 0, sent.stderr);
      await ended;
      assert.equal(received, 'over the socket');
      assert.equal(warned.match(/Unix socket/gi)?.length, 1, warned);
    } finally {
      receiver.kill('SIGKILL');
      await ended;
    }
  });
});

describe('engines', () => {
  it('are met by everything that users install', async () => {
    using consumer = new Consumer();
    await consumer.install(tarball, { TENDON_SKIP_ADDON: '1' }, '--engine-strict');
  });
  it('are met by everything that developers install', async () => {
    using consumer = new Consumer();
    for (const name of ['package.json', 'package-lock.json'])
      copyFileSync(join(ROOT, name), consumer.path(name));
    await succeed(
      'npm',
      ['ci', '--engine-strict', '--ignore-scripts', '--no-audit', '--no-fund'],
      consumer.folder,
    );
  });
});

function formatHost(folder: string): ts.FormatDiagnosticsHost {
  return { getCurrentDirectory: () => folder, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
}
