/** The sources as the architecture test sees them: files, their imports, and what they mention. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

/** The root of the repository: this file runs from `dist-test/test/architecture/`. */
export const ROOT: string = dirname(dirname(dirname(import.meta.dirname)));

export interface Import {
  /** as written: `../core/index.ts`, `node:net`, `msgpackr` */
  readonly specifier: string;
  /** path of the imported source for a relative import, from the root */
  readonly target: string | undefined;
  /** erased by the compiler: `import type`, or every name in it is a type */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Something the rules of place speak about: `process.env`, `signal handler`, `Math.random`, ... */
export interface Mention {
  readonly what: string;
  readonly line: number;
}

export interface Source {
  /** from the root: `src/ring/index.ts` */
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
  readonly imports: readonly Import[];
  readonly mentions: readonly Mention[];
  /** string literals and the fixed parts of templates: where a test quotes an id, comments do not count */
  readonly strings: readonly string[];
}

/** Paths below a folder of the repository, from the root, with forward slashes; none when it does not exist. */
export function pathsBelow(folder: string, ending: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return entries
    .filter((entry) => entry.endsWith(ending))
    .map((entry) => posix.join(folder, entry))
    .sort();
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Handlers of these last as long as the process: a library that installs one changes its host. */
const PROCESS_EVENTS = /^(SIG|uncaughtException|unhandledRejection|exit$|beforeExit)/;
const LISTENERS = ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'];

function isTypeOnly(
  clause: ts.ImportClause | ts.NamedExportBindings | undefined,
  typeKeyword: boolean,
): boolean {
  if (typeKeyword) return true;
  if (clause === undefined) return false;
  const bindings = ts.isImportClause(clause) ? clause.namedBindings : clause;
  if (ts.isImportClause(clause) && clause.name !== undefined) return false;
  if (bindings === undefined || ts.isNamespaceImport(bindings) || ts.isNamespaceExport(bindings))
    return false;
  return bindings.elements.length > 0 && bindings.elements.every((element) => element.isTypeOnly);
}

/** Reads one source. `text` may be given, so that the rules can be tested on sources that do not exist. */
export function readSource(path: string, text: string = readText(path)): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const mentions: Mention[] = [];
  const strings: string[] = [];
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;

  const addImport = (specifier: string, typeOnly: boolean, node: ts.Node): void => {
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
    imports.push({ specifier, target, typeOnly, line: lineOf(node) });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const typeKeyword = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      addImport(node.moduleSpecifier.text, isTypeOnly(node.importClause, typeKeyword), node);
    } else if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      addImport(node.moduleSpecifier.text, isTypeOnly(node.exportClause, node.isTypeOnly), node);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      if (ts.isStringLiteral(node.argument.literal)) addImport(node.argument.literal.text, true, node);
    } else if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      const callee = node.expression;
      if (callee.kind === ts.SyntaxKind.ImportKeyword || callee.getText(file) === 'require') {
        if (first !== undefined && ts.isStringLiteralLike(first)) addImport(first.text, false, node);
      } else if (ts.isPropertyAccessExpression(callee) && callee.expression.getText(file) === 'process') {
        const event = first !== undefined && ts.isStringLiteralLike(first) ? first.text : '';
        if (LISTENERS.includes(callee.name.text) && PROCESS_EVENTS.test(event)) {
          mentions.push({ what: 'signal handler', line: lineOf(node) });
        }
      }
    } else if (ts.isPropertyAccessExpression(node)) {
      const what = `${node.expression.getText(file)}.${node.name.text}`;
      if (['process.env', 'process.exit', 'process.abort', 'Math.random', 'Date.now'].includes(what)) {
        mentions.push({ what: what === 'process.abort' ? 'process.exit' : what, line: lineOf(node) });
      }
    }
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      strings.push(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { path, text, isTest: /\.test\./.test(path), imports, mentions, strings };
}
