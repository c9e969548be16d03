/** Documents that name the tests which prove what they say: how those are found in a cell, and in their files. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../architecture/sources.js';

export interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** A file in backticks, and after it its titles in quotes. */
export function testsIn(cell: string): readonly NamedTest[] {
  return [...cell.matchAll(/`([\w/.-]+\.ts)`((?:,? "[^"]+")+)/g)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ file, title })),
  );
}

/** How many files a cell speaks of: with as many in `testsIn`, nothing in it was overlooked. */
export function filesNamedIn(cell: string): number {
  return (cell.match(/`[^`]*`/g) ?? []).length;
}

/**
 * Whether the source calls something a test, a group, a row of the fault matrix or a case of a contract by that title, as
 * it is written there: placeholders and all.
 */
export function isTitle(source: string, title: string): boolean {
  const escaped = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const before = [
    String.raw`\b(?:test|it|describe)\b[^\n;]*\(`,
    String.raw`^\s*\](?: as const)?\)\(`,
    String.raw`\bfaultRow\(\s*'[^']+',`,
    String.raw`^\s*name:`,
  ];
  return new RegExp(String.raw`(?:${before.join('|')})\s*(['"\x60])${escaped}\1`, 'm').test(source);
}

/** The files of tests, such as `test/docs/links.test.ts`. */
export function testFiles(): readonly string[] {
  return (readdirSync(join(ROOT, 'test'), { recursive: true }) as string[])
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`);
}
