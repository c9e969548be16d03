/** docs/edge-cases.md has every row of the checklist once, and the tests that it names are there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { readDocument, tables } from './markdown.js';
import { filesNamedIn, isTitle, type NamedTest, testFiles, testsIn } from './named-tests.js';

const FILE = 'docs/edge-cases.md';
const ROWS = 45;
const REASON = /^(does not apply|later): .{20,}/;

interface Row {
  readonly number: number;
  readonly behaviour: string;
  readonly proof: string;
  readonly tests: readonly NamedTest[];
}

const rows: readonly Row[] = tables(readDocument(FILE))
  .filter(({ columns }) => columns.join() === 'row,case,behaviour,proved by')
  .flatMap((table) => table.rows)
  .map(([number, , behaviour = '', proof = '']) => ({
    ...{ number: Number(number), behaviour, proof, tests: testsIn(proof) },
  }));

/** The tests anywhere that say which row they are for. */
function testsOfRows(): readonly (NamedTest & { readonly row: number })[] {
  const files = testFiles().filter(
    (file) => file.endsWith('/edge-cases.test.ts') && !file.startsWith('test/docs/'),
  );
  return files.flatMap((file) =>
    [...readDocument(file).matchAll(/\b(?:test|describe)\b[^\n]*\('(row (\d+): [^']+)'/g)].map(
      ([, title = '', row]) => ({ file, title, row: Number(row) }),
    ),
  );
}

test(`the rows are those from 1 to ${ROWS}, each once, in order`, () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
});

test.each(rows)(
  'row $number says what happens, and has a test or a reason',
  ({ behaviour, proof, tests }) => {
    expect(behaviour).not.toBe('');
    if (tests.length === 0) expect(proof).toMatch(REASON);
    else expect(filesNamedIn(proof)).toBe(new Set(tests.map(({ file }) => file)).size);
  },
);

test.each(rows.flatMap(({ number, tests }) => tests.map((each) => ({ number, ...each }))))(
  'row $number: $file has "$title"',
  ({ file, title }) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(isTitle(readDocument(file), title)).toBe(true);
  },
);

test('every test that is named after a row is in that row', () => {
  const named = testsOfRows();
  expect(named.length).toBeGreaterThan(10);
  const missing = named.filter(({ row, file, title }) => {
    const { tests = [] } = rows[row - 1] ?? {};
    return !tests.some((each) => each.file === file && each.title === title);
  });
  expect(missing).toEqual([]);
});
