/** The parts of `scripts/` that the tests look at, with the types that plain JavaScript does not state. */
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The root of the repository: this file runs from `dist-test/test/tooling/`. */
export const ROOT: string = dirname(dirname(dirname(import.meta.dirname)));

export interface RecordedTest {
  readonly file: string;
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped' | 'todo';
  readonly reason?: string;
  readonly suite?: true;
}

export interface Checklist {
  readonly spec: string;
  readonly lines: readonly { readonly line: number; readonly title: string; readonly process: boolean }[];
}

export interface ConformanceEntry {
  readonly line: number;
  readonly status: 'proved' | 'deviates' | 'open';
  readonly reason?: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

interface Conformance {
  entries(
    tests: readonly RecordedTest[],
    lists: readonly Checklist[],
    deviations: Readonly<Record<string, Readonly<Record<string, string>>>>,
  ): ConformanceEntry[];
  strayQuotes(tests: readonly RecordedTest[], lists: readonly Checklist[]): string[];
}

interface Verdict {
  problemsOf(sources: readonly string[], tests: readonly RecordedTest[]): string[];
}

const load = (name: string): Promise<unknown> => import(pathToFileURL(join(ROOT, 'scripts', name)).href);

export const conformance: Conformance = (await load('conformance.mjs')) as Conformance;
export const verdict: Verdict = (await load('verdict.mjs')) as Verdict;
