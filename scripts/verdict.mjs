/**
 * What a green exit code does not say: files without tests, skips without a reason, tests marked unfinished.
 *
 * @param sources paths of the test files that were run
 * @param tests the record of `reporter.mjs`
 * @returns sentences; empty when all is well
 */
export function problemsOf(sources, tests) {
  // A file that ends without a test, or crashes, is reported as a test with the name of the file.
  const real = tests.filter(
    (test) => !test.suite && test.name !== test.file && !test.name.endsWith('.test.js'),
  );
  const withTests = new Set(real.map((test) => test.file));
  const problems = [];
  if (real.length === 0) problems.push('no test ran');
  for (const source of sources) {
    if (!withTests.has(source)) problems.push(`${source} ran no test`);
  }
  for (const { file, name, status, reason } of tests) {
    if (status === 'skipped' && reason === undefined)
      problems.push(`skipped without a reason: ${name} (${file})`);
    if (status === 'todo') problems.push(`marked unfinished: ${name} (${file})`);
  }
  return problems;
}
