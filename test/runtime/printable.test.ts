import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable } from '../../runtime/printable.js';

test.each([
  ['plain text', 'hello, world', 'hello, world'],
  ['letters of other scripts', 'grüße 世界 🐟', 'grüße 世界 🐟'],
  ['a line break', 'a\nb', 'a\\u000ab'],
  ['a carriage return', 'a\rb', 'a\\u000db'],
  ['a colour', '\u001b[31mred', '\\u001b[31mred'],
  ['a NUL', 'a\u0000b', 'a\\u0000b'],
  ['DEL and C1 controls', '\u007f\u0085\u009b', '\\u007f\\u0085\\u009b'],
  ['line and paragraph separators', '\u2028\u2029', '\\u2028\\u2029'],
  ['overrides of the writing direction', '\u202etxt.exe', '\\u202etxt.exe'],
  ['isolates of the writing direction', '\u2066a\u2069', '\\u2066a\\u2069'],
  ['a byte order mark', '\ufeffa', '\\ufeffa'],
])('%s', (_, text, shown) => {
  expect(printable(text)).toBe(shown);
});

describe('long text', () => {
  test('is cut at the limit, with a mark', () => {
    expect(printable('abcdef', 3)).toBe('abc…');
    expect(printable('abc', 3)).toBe('abc');
    expect(printable('x'.repeat(1000))).toHaveLength(257);
  });

  test('has a bound, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(printable(text, 100).length).toBeLessThanOrEqual(6 * 100 + 1);
      }),
      { examples: [['\n'.repeat(500)]] },
    );
  });
});

test('whatever comes in, one line without control or format characters of direction goes out', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
    }),
    { examples: [['\u001b]0;title\u0007'], ['a\u061cb'], ['\u200e\u200f']] },
  );
});
