import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';

const built: typeof import('../../runtime/errors.js') = createRequire(import.meta.url)(
  '../../dist/runtime/errors.js',
);

describe('the guard', () => {
  test('knows an error by its code', () => {
    const error = new PilotfishError('TIMEOUT', 'too late');
    expect(isPilotfishError(error)).toBe(true);
    expect(isPilotfishError(error, 'TIMEOUT')).toBe(true);
    expect(isPilotfishError(error, 'CLOSED')).toBe(false);
  });

  test('knows the errors of another copy of the package, which instanceof does not', () => {
    const foreign = new built.PilotfishError('CLOSED', 'from the other copy');
    expect(foreign).not.toBeInstanceOf(PilotfishError);
    expect(isPilotfishError(foreign, 'CLOSED')).toBe(true);
    expect(built.isPilotfishError(new PilotfishError('CLOSED', 'from this one'), 'CLOSED')).toBe(true);
  });

  test.each([undefined, null, 'CLOSED', 7, {}, new Error('plain'), { code: 'CLOSED' }])(
    'takes %s for none',
    (value) => {
      expect(isPilotfishError(value)).toBe(false);
    },
  );
});

test('an error says its name, code and cause', () => {
  const cause = new Error('refused');
  const error = new PilotfishError('UNAVAILABLE', 'no answer', { cause });
  expect(error).toMatchObject({ name: 'PilotfishError', code: 'UNAVAILABLE', message: 'no answer', cause });
  expect(String(error)).toBe('PilotfishError: no answer');
});

describe('the message of whatever was thrown', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  test.each([
    ['an error', new Error('broken'), 'broken'],
    ['an error with its cause', new Error('no list', { cause: refused }), 'no list: connect ECONNREFUSED'],
    [
      'a cause that the message holds already',
      new Error('failed: refused', { cause: new Error('refused') }),
      'failed: refused',
    ],
    ['causes of causes', new Error('a', { cause: new Error('b', { cause: 'c' }) }), 'a: b: c'],
    ['an error with a code alone', Object.assign(new Error(), { code: 'ENOENT' }), 'ENOENT'],
    ['an error without anything', new TypeError(), 'TypeError'],
    ['several lines', new Error('first\n  second\r\n\nthird'), 'first second third'],
    ['a text', 'just this', 'just this'],
    ['nothing', undefined, 'undefined'],
    ['an object', { a: 1 }, '[object Object]'],
  ])('%s', (_, thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });
});
