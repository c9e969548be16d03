/** docs/edge-cases.md has every row of the checklist once, and the tests that it names are there. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { readDocument, tables } from './markdown.js';

const FILE = 'docs/edge-cases.md';
const ROWS = 45;
const REASON = /^(does not apply|later): .{20,}/;

interface NamedTest {
  readonly file: string;
  readonly title: string;
}

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

/** A file in backticks, and after it its titles in quotes. */
function testsIn(cell: string): readonly NamedTest[] {
  return [...cell.matchAll(/`([\w/.-]+\.ts)`((?:,? "[^"]+")+)/g)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ file, title })),
  );
}

/**
 * Whether the source calls something a test, a group, a row of the fault matrix or a case of a contract by that title, as
 * it is written there: placeholders and all.
 */
function isTitle(source: string, title: string): boolean {
  const escaped = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const before = [
    String.raw`\b(?:test|describe)\b[^\n;]*\(`,
    String.raw`^\s*\](?: as const)?\)\(`,
    String.raw`\bfaultRow\(\s*'[^']+',`,
    String.raw`^\s*name:`,
  ];
  return new RegExp(String.raw`(?:${before.join('|')})\s*(['"\x60])${escaped}\1`, 'm').test(source);
}

/** The tests anywhere that say which row they are for. */
function testsOfRows(): readonly (NamedTest & { readonly row: number })[] {
  const files = (readdirSync(join(ROOT, 'test'), { recursive: true }) as string[])
    .filter((name) => name.endsWith('/edge-cases.test.ts') && !name.startsWith('docs/'))
    .map((name) => `test/${name}`);
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
    else expect(proof.match(/`/g)).toHaveLength(2 * new Set(tests.map(({ file }) => file)).size);
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

describe('a title is found', () => {
  test.each([
    ["test('works', () => {", true],
    ['  test.concurrent.each(ALL)("works", async () => {', true],
    ['test.for(\n  ALL,\n)(\n', false],
    ["  test.each([\n    [1, 2],\n  ])('works', (a, b) => {", true],
    ["faultRow(\n  '6',\n  'works',\n  place,", true],
    ["    name: 'works',", true],
    ["expect(text).toBe('works');", false],
    ["test('works well', () => {", false],
    ["// test of 'works'", false],
  ])('%j: %s', (source, expected) => {
    expect(isTitle(source, 'works')).toBe(expected);
  });
});
