/**
 * Reporter of a test run: node's own `spec`, with the slowest files and the skips named just above its summary, and
 * a record of every test for those who ask afterwards (the conformance page, the checks of `scripts/test.mjs`).
 *
 * The record goes to the file named by TENDON_TEST_RECORD:
 * `{ node, tests: [{ file, name, status, reason?, ms }] }`; `file` is the source, `name` the titles from the
 * outermost suite inwards joined by " > ", `status` one of passed, failed, skipped, todo.
 */
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { spec as Spec } from 'node:test/reporters';
import { ANNOUNCEMENT } from './announcement.mjs';
import { sourceOf } from './tree.mjs';

const SLOWEST = 10;

/** The event without the announcement of `announce-file.mjs`; undefined when nothing else was in it. */
function withoutAnnouncement(event) {
  if (event.type !== 'test:stdout' || !event.data.message.includes(ANNOUNCEMENT)) return event;
  const message = event.data.message.replaceAll(ANNOUNCEMENT, '');
  return message === '' ? undefined : { ...event, data: { ...event.data, message } };
}

class Recorder {
  /** file whose output came last: reports of a file are never mixed with those of another */
  #speaking;
  #titles = new Map();
  #fileMs = new Map();
  tests = [];

  see({ type, data }) {
    if (type === 'test:stdout') this.#speaking = data.file;
    if (type === 'test:start') this.#open(data);
    if (type === 'test:pass' || type === 'test:fail') this.#close(type === 'test:pass', data);
  }

  /** The file that runs the test, which is not always the one that defines it. */
  #fileOf({ entryFile, file }) {
    return entryFile ?? (file?.endsWith('.test.js') ? file : (this.#speaking ?? file));
  }

  #titlesOf(file) {
    const titles = this.#titles.get(file) ?? [];
    this.#titles.set(file, titles);
    return titles;
  }

  #open(data) {
    const { nesting, name } = data;
    const titles = this.#titlesOf(this.#fileOf(data));
    titles.length = nesting;
    titles[nesting] = name;
  }

  #close(passed, data) {
    const { nesting, name, skip, todo, details } = data;
    const file = this.#fileOf(data);
    const ms = details?.duration_ms ?? 0;
    if (nesting === 0) this.#fileMs.set(file, (this.#fileMs.get(file) ?? 0) + ms);
    const skipped = skip !== undefined && skip !== false;
    const unfinished = todo !== undefined && todo !== false;
    // A suite passes because its tests do; it is recorded only for what its tests do not say.
    if (details?.type === 'suite' && passed && !skipped && !unfinished) return;
    const outer = this.#titlesOf(file).slice(0, nesting);
    const why = skipped ? skip : todo;
    this.tests.push({
      file: file === undefined ? '' : sourceOf(file),
      name: [...outer, name].join(' > '),
      status: skipped ? 'skipped' : unfinished ? 'todo' : passed ? 'passed' : 'failed',
      ...(typeof why === 'string' && why !== '' ? { reason: why } : {}),
      ...(details?.type === 'suite' ? { suite: true } : {}),
      ms: Math.round(ms * 10) / 10,
    });
  }

  *remarks() {
    const slowest = [...this.#fileMs].sort((a, b) => b[1] - a[1]).slice(0, SLOWEST);
    yield `slowest ${slowest.length} of ${this.#fileMs.size} files:`;
    for (const [file, ms] of slowest)
      yield `${(ms / 1000).toFixed(2).padStart(8)} s  ${sourceOf(file ?? '')}`;
    for (const test of this.tests.filter(({ status }) => status === 'skipped')) {
      yield `skipped: ${test.name} (${test.reason ?? 'NO REASON'})`;
    }
  }
}

/** Passes every event on and adds the remarks before the run's own totals, the first of which is "tests N". */
async function* withRemarks(source, recorder) {
  let added = false;
  for await (const event of source) {
    recorder.see(event);
    const { type, data } = event;
    if (!added && type === 'test:diagnostic' && data.nesting === 0 && /^tests \d+$/.test(data.message)) {
      added = true;
      for (const message of recorder.remarks()) {
        yield { type: 'test:diagnostic', data: { ...data, message } };
      }
    }
    const shown = withoutAnnouncement(event);
    if (shown !== undefined) yield shown;
  }
}

export default async function* report(source) {
  const recorder = new Recorder();
  yield* Readable.from(withRemarks(source, recorder), { objectMode: true }).pipe(new Spec());
  const record = process.env.TENDON_TEST_RECORD;
  if (record) {
    writeFileSync(record, `${JSON.stringify({ node: process.version, tests: recorder.tests }, null, 1)}\n`);
  }
}
