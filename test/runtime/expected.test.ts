import { expect, describe as suite, test } from 'vitest';
import { isPilotfishError } from '../../runtime/errors.js';
import { BadInputError, describe, formatProblem, reject } from '../../runtime/expected.js';

const PORT = { path: 'services[0].port', expected: 'a whole number from 1 to 65535', got: '"eighty"' };
const NAME = { path: 'services[0].name', expected: 'a name', got: 'nothing' };

test('a problem reads: expected X, got Y, at path', () => {
  expect(formatProblem(PORT)).toBe(
    'expected a whole number from 1 to 65535, got "eighty", at services[0].port',
  );
});

test('an error says all problems at once, a line each', () => {
  const error = new BadInputError([PORT, NAME]);
  expect(error.message.split('\n')).toEqual([formatProblem(PORT), formatProblem(NAME)]);
  expect(error.problems).toEqual([PORT, NAME]);
  expect(error.name).toBe('BadInputError');
  expect(isPilotfishError(error, 'BAD_INPUT')).toBe(true);
});

test('reject throws one problem', () => {
  expect(() => reject('--port', 'a port', '"x"')).toThrow('expected a port, got "x", at --port');
});

suite('a value in a message is one short printable line', () => {
  test.each([
    [undefined, 'nothing'],
    [null, 'null'],
    ['text', '"text"'],
    ['', '""'],
    ['a\nb', '"a\\u000ab"'],
    ['x'.repeat(100), `"${'x'.repeat(80)}…"`],
    [7, '7'],
    [Number.NaN, 'NaN'],
    [10n, '10'],
    [true, 'true'],
    [[1, 2, 3], 'a list of 3'],
    [{ password: 'secret' }, 'an object'],
    [() => {}, 'a function'],
    [Symbol('s'), 'a symbol'],
  ])('%s', (value, shown) => {
    expect(describe(value)).toBe(shown);
  });
});
