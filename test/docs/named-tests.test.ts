import { describe, expect, test } from 'vitest';
import { filesNamedIn, isTitle, testsIn } from './named-tests.js';

describe('a title is found', () => {
  test.each([
    ["test('works', () => {", true],
    ["  it('works', () => {", true],
    ['  test.concurrent.each(ALL)("works", async () => {', true],
    ['test.for(\n  ALL,\n)(\n', false],
    ["  test.each([\n    [1, 2],\n  ])('works', (a, b) => {", true],
    ["  it.each([2, 3])(\n    'works',\n    (a) => {", true],
    ["faultRow(\n  '6',\n  'works',\n  place,", true],
    ["    name: 'works',", true],
    ["expect(text).toBe('works');", false],
    ["test('works well', () => {", false],
    ["// test of 'works'", false],
  ])('%j: %s', (source, expected) => {
    expect(isTitle(source, 'works')).toBe(expected);
  });
});

test('a cell names files, each with its titles', () => {
  const cell = '`test/a.test.ts` "one", "the other"; `test/b/c.test.ts` "third (T3)"';
  expect(testsIn(cell)).toEqual([
    { file: 'test/a.test.ts', title: 'one' },
    { file: 'test/a.test.ts', title: 'the other' },
    { file: 'test/b/c.test.ts', title: 'third (T3)' },
  ]);
  expect(filesNamedIn(cell)).toBe(2);
});
