/** Turns the examples of all pages into files that can be checked and run, below the package so that it imports itself. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import type { Block, Example } from './blocks.ts';

/** The root of the repository: this file runs from `dist-test/test/docs/`. */
export const ROOT: string = dirname(dirname(dirname(import.meta.dirname)));
const WORKSPACE = join(ROOT, 'dist-test/.examples');

const CHECKED: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  types: ['node'],
  typeRoots: [join(ROOT, 'node_modules/@types')],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  allowImportingTsExtensions: true,
};

/** Node 20 knows neither types nor `using`: both are compiled away, nothing else is. */
const EMITTED: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
  inlineSourceMap: true,
};

export interface WrittenFile {
  readonly block: Block;
  /** what was written, `.ts` for TypeScript */
  readonly source: string;
  /** what is run, empty for a shell script */
  readonly script: string;
}

export interface WrittenExample {
  readonly name: string;
  readonly language: string;
  readonly folder: string;
  readonly files: readonly WrittenFile[];
}

export function emptyWorkspace(): void {
  rmSync(WORKSPACE, { recursive: true, force: true });
  const commands = join(WORKSPACE, 'bin');
  mkdirSync(commands, { recursive: true });
  const tendon = `exec '${process.execPath}' '${join(ROOT, 'dist/cli/main.js')}'`;
  write(join(commands, 'tendon'), `#!/bin/sh\n${tendon} "$@"\n`);
  // In a clone `npx tendon` is this build; asking npm for it would cost seconds and look at a registry.
  write(join(commands, 'npx'), `#!/bin/sh\n[ "$1" = tendon ] && shift && ${tendon} "$@"\nexit 127\n`);
  for (const name of ['tendon', 'npx']) chmodSync(join(commands, name), 0o755);
}

/** What shell blocks find first: `tendon` and `npx tendon` of this build. */
export function searchPath(): string {
  return [join(WORKSPACE, 'bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(':');
}

function write(path: string, text: string): string {
  writeFileSync(path, text);
  return path;
}

export function writeExample(page: string, example: Example): WrittenExample {
  const folder = join(WORKSPACE, page.replace(/\.md$/, '').replaceAll('/', '-'), String(example.line));
  mkdirSync(folder, { recursive: true });
  const files = example.parts.map((block) => {
    if (block.language === 'sh')
      return { block, source: write(join(folder, 'block.sh'), block.code), script: '' };
    const source = write(join(folder, block.file ?? `block.${block.language}`), block.code);
    if (block.language === 'js') return { block, source, script: source };
    const { outputText } = ts.transpileModule(block.code, { compilerOptions: EMITTED, fileName: source });
    return { block, source, script: write(source.replace(/\.ts$/, '.js'), outputText) };
  });
  return { name: `${page}:${example.line}`, language: example.language, folder, files };
}

/** Type errors of all TypeScript files, checked as one program, by file. */
export function typeErrors(examples: readonly WrittenExample[]): Map<string, string[]> {
  const sources = examples.flatMap(({ files }) => files.filter(({ block }) => block.language === 'ts'));
  const program = ts.createProgram(
    sources.map(({ source }) => source),
    CHECKED,
  );
  const errors = new Map<string, string[]>();
  for (const { block, source } of sources) {
    const file = program.getSourceFile(source);
    for (const { messageText, start = 0 } of ts.getPreEmitDiagnostics(program, file)) {
      const line = block.line + 1 + (file?.getLineAndCharacterOfPosition(start).line ?? 0);
      const text = `line ${line} of the page: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
      errors.set(source, [...(errors.get(source) ?? []), text]);
    }
  }
  return errors;
}
