import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../runtime/duration.js';

test.each([
  ['0ms', 0],
  ['250ms', 250],
  ['1s', 1000],
  ['1.5s', 1500],
  ['0.25s', 250],
  ['2m', 120_000],
  ['1h', 3_600_000],
  ['007s', 7000],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  ['nothing', ''],
  ['no unit', '5'],
  ['no number', 's'],
  ['a negative number', '-1s'],
  ['a sign', '+1s'],
  ['a space between', '5 s'],
  ['a space around', ' 5s'],
  ['a line break behind', '5s\n'],
  ['an unknown unit', '1d'],
  ['a unit in capitals', '1S'],
  ['two units', '1m30s'],
  ['no digit before the point', '.5s'],
  ['no digit behind the point', '5.s'],
  ['an exponent', '1e3s'],
  ['a hexadecimal number', '0x10s'],
  ['digits of another script', '٥s'],
  ['infinity by name', 'Infinitys'],
  ['infinity by length', `${'9'.repeat(400)}h`],
])('%s is no duration', (_, text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [0, '0ms'],
  [1, '1ms'],
  [999, '999ms'],
  [1000, '1s'],
  [1500, '1500ms'],
  [90_000, '90s'],
  [120_000, '2m'],
  [3_600_000, '1h'],
  [5_400_000, '90m'],
  [86_400_000, '24h'],
])('%d ms is written %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test('what is written is read back as the same duration', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }),
  );
});
