/**
 * What the sources are and where their outputs go. The lists are made from the sources, never from the output
 * folders: an output whose source vanished is not a test, and a source without its output is an error.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Source folders, the folder their outputs go to, and the root that the output path is relative to. */
const PROJECTS = [
  { folders: ['src'], base: 'src', output: 'dist' },
  { folders: ['test', 'examples', 'bench'], base: '.', output: 'dist-test' },
];
const OUTPUT_ENDINGS = ['.js', '.js.map', '.d.ts', '.d.ts.map'];

/** Paths of the files below `folder`, relative to the root, with forward slashes, sorted. */
export function filesBelow(folder) {
  const absolute = join(ROOT, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      relative(ROOT, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .filter((path) => !path.includes('/node_modules/'))
    .sort();
}

/** Every TypeScript source of both projects: `{ source, output }`, `output` without its ending. */
function sources() {
  return PROJECTS.flatMap(({ folders, base, output }) =>
    folders
      .flatMap(filesBelow)
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
      .map((source) => ({ source, output: join(output, relative(base, source)).slice(0, -'.ts'.length) })),
  );
}

/** Deletes outputs whose source is gone; forgets the build state of a project that lacks an output. */
export function dropStaleOutputs() {
  const wanted = sources();
  const known = new Set(wanted.map(({ output }) => output));
  for (const { output } of PROJECTS) {
    for (const path of filesBelow(output)) {
      const ending = OUTPUT_ENDINGS.filter((candidate) => path.endsWith(candidate)).pop();
      if (ending === undefined || path.slice(output.length + 1).startsWith('.')) continue;
      if (!known.has(path.slice(0, -ending.length))) rmSync(join(ROOT, path));
    }
    const incomplete = wanted.some(
      (pair) => pair.output.startsWith(`${output}/`) && !existsSync(join(ROOT, `${pair.output}.js`)),
    );
    if (incomplete) rmSync(join(ROOT, output, '.tsbuildinfo'), { force: true });
  }
}

/** Test files: `{ source, output, suite }`. The suite of a file beside its code is `unit`, else its folder in `test/`. */
export function testFiles() {
  return sources()
    .filter(({ source }) => source.endsWith('.test.ts'))
    .map(({ source, output }) => ({
      source,
      output: `${output}.js`,
      suite: source.startsWith('test/')
        ? source.split('/')[1]
        : source.startsWith('src/')
          ? 'unit'
          : source.split('/')[0],
    }));
}

/** The source that an output file was made from; the path itself when it is none of ours. */
export function sourceOf(path) {
  const local = relative(ROOT, path).split(sep).join('/');
  if (local.startsWith('dist-test/')) return local.slice('dist-test/'.length).replace(/\.js$/, '.ts');
  if (local.startsWith('dist/')) return local.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
  return local;
}
