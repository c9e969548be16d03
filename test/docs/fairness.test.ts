/** docs/fairness.md has every trap of the checklist once, each with tests that carry its number and are there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { readDocument, tables } from './markdown.js';
import { filesNamedIn, isTitle, type NamedTest, testFiles, testsIn } from './named-tests.js';

const FILE = 'docs/fairness.md';
const TRAPS = 34;

interface Row {
  readonly trap: string;
  readonly behaviour: string;
  readonly proof: string;
  readonly tests: readonly NamedTest[];
}

const rows: readonly Row[] = tables(readDocument(FILE))
  .filter(({ columns }) => columns.join() === 'trap,what goes wrong,what pilotfish does,shown by')
  .flatMap((table) => table.rows)
  .map(([trap = '', , behaviour = '', proof = '']) => ({ trap, behaviour, proof, tests: testsIn(proof) }));

/** The traps that a title says it is about: `… (T1, T7)`. */
function trapsIn(title: string): readonly string[] {
  return /\((T\d+(?:, T\d+)*)\)$/.exec(title)?.[1]?.split(', ') ?? [];
}

/** The titles in the tests that say so. */
function titlesOfTraps(): readonly NamedTest[] {
  return testFiles()
    .filter((file) => !file.startsWith('test/docs/'))
    .flatMap((file) =>
      [...readDocument(file).matchAll(/(['"])((?:(?!\1)[^\n])*\(T\d+(?:, T\d+)*\))\1/g)].map(
        ([, , title = '']) => ({
          file,
          title,
        }),
      ),
    );
}

test(`the traps are those from T1 to T${TRAPS}, each once, in order`, () => {
  expect(rows.map(({ trap }) => trap)).toEqual(Array.from({ length: TRAPS }, (_, n) => `T${n + 1}`));
});

test.each(rows)(
  '$trap says what happens, and has tests of its number',
  ({ trap, behaviour, proof, tests }) => {
    expect(behaviour).not.toBe('');
    expect(filesNamedIn(proof)).toBe(new Set(tests.map(({ file }) => file)).size);
    expect(tests.filter(({ title }) => trapsIn(title).includes(trap))).not.toEqual([]);
  },
);

test.each(rows.flatMap(({ trap, tests }) => tests.map((each) => ({ trap, ...each }))))(
  '$trap: $file has "$title"',
  ({ file, title }) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(isTitle(readDocument(file), title)).toBe(true);
  },
);

describe('every test that has the number of a trap', () => {
  const named = titlesOfTraps().flatMap((each) => trapsIn(each.title).map((trap) => ({ trap, ...each })));

  test('was found', () => {
    expect(new Set(named.map(({ trap }) => trap)).size).toBe(TRAPS);
  });

  test('is in the row of that trap', () => {
    const missing = named.filter(({ trap, file, title }) => {
      const row = rows.find((each) => each.trap === trap);
      return !row?.tests.some((each) => each.file === file && each.title === title);
    });
    expect(missing).toEqual([]);
  });
});
