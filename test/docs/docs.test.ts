/** Every block of code in README and docs is checked and run, as a reader would. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { defaultRuntimeDirectory, removeStale } from 'tendon/transport/shm';
import { examplesOf, prints } from './blocks.ts';
import { type Ended, Program } from './program.ts';
import {
  emptyWorkspace,
  ROOT,
  searchPath,
  typeErrors,
  type WrittenExample,
  type WrittenFile,
  writeExample,
} from './workspace.ts';

/** A program that takes longer than this does not belong on a page. */
const LIMIT_MS = 30_000;

function pages(): string[] {
  const docs = existsSync(join(ROOT, 'docs'))
    ? readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    : [];
  return [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ]
    .filter((page) => existsSync(join(ROOT, page)))
    .sort();
}

/** Files that another one imports: they are not programs. */
function modulesOf(files: readonly WrittenFile[]): Set<string> {
  const imported = files.flatMap(({ block }) =>
    [...block.code.matchAll(/from '\.\/([a-z0-9.-]+)'/g)].map(([, name]) => name),
  );
  return new Set(imported.filter((name): name is string => name !== undefined));
}

function start(example: WrittenExample, file: WrittenFile, scratch: string): Program {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: searchPath(), TMPDIR: scratch };
  delete env['NODE_TEST_CONTEXT']; // the program is not a test file
  const name = `${example.name} ${file.block.file ?? ''}`.trim();
  return example.language === 'sh'
    ? new Program(name, 'bash', ['-euo', 'pipefail', file.source], example.folder, env)
    : new Program(name, process.execPath, ['--enable-source-maps', file.script], example.folder, env);
}

function assertPrinted(file: WrittenFile, printed: string): void {
  const { output } = file.block;
  if (output !== undefined && !prints(output, printed))
    assert.equal(printed, output, 'the page shows other output');
}

async function run(example: WrittenExample, scratch: string): Promise<Ended> {
  const modules = modulesOf(example.files);
  const programs = example.files.filter(({ block }) => block.file === undefined || !modules.has(block.file));
  const last = programs.at(-1);
  assert.ok(last !== undefined, 'every file is imported by another: none is a program');
  const beside: { file: WrittenFile; program: Program }[] = [];
  try {
    for (const file of programs.slice(0, -1)) {
      const program = start(example, file, scratch);
      beside.push({ file, program });
      await program.ready(LIMIT_MS);
    }
    await using main = start(example, last, scratch);
    const ended = await main.ended(LIMIT_MS);
    assert.equal(
      ended.code,
      0,
      `${example.name} failed (${ended.signal ?? ended.code})\n${ended.stdout}${ended.stderr}`,
    );
    assertPrinted(last, ended.stdout);
    for (const { file, program } of beside) assertPrinted(file, program.stdout);
    return ended;
  } finally {
    for (const { program } of beside.reverse()) await program[Symbol.asyncDispose]();
  }
}

/** Targets of links to files of the repository, from the root; code and addresses elsewhere do not count. */
function linkedFiles(page: string): string[] {
  const prose = readFileSync(join(ROOT, page), 'utf8')
    .replace(/^ *(`{3,})[\s\S]*?^ *\1`*$/gm, '')
    .replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(page), decodeURI(target)));
}

describe('the links on the pages', () => {
  for (const page of pages()) {
    it(`${page} links to files that are there`, () => {
      const missing = linkedFiles(page).filter((target) => !existsSync(join(ROOT, target)));
      assert.deepEqual(missing, []);
    });
  }
});

describe('the code on the pages', () => {
  emptyWorkspace();
  const examples = pages().flatMap((page) =>
    examplesOf(readFileSync(join(ROOT, page), 'utf8')).map((example) => writeExample(page, example)),
  );
  let errors = new Map<string, string[]>();
  let scratch = '';
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'docs-')); // short: socket paths are at most 107 bytes
    errors = typeErrors(examples);
  });
  after(async () => {
    rmSync(scratch, { recursive: true, force: true });
    // Programs that listen for ever were killed: their sockets go, those that somebody answers at stay.
    const directory = defaultRuntimeDirectory();
    for (const name of existsSync(directory) ? readdirSync(directory) : []) {
      if (name.endsWith('.sock')) await removeStale(directory, join(directory, name));
    }
  });

  it('was found', () => assert.ok(pages().length > 0));
  for (const example of examples) {
    it(`${example.name} runs`, async () => {
      const found = example.files.flatMap(({ source }) => errors.get(source) ?? []);
      assert.equal(found.join('\n'), '', `${example.name} has type errors`);
      await run(example, scratch);
    });
  }
});
