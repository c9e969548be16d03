import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from '../../runtime/backoff.js';
import { seededRandom } from '../../runtime/random.js';
import { chiSquare, chiSquareLimit } from './chi-square.js';

const LIMITS = { baseMs: 100, capMs: 15_000 };
/** The longest wait that chance can bring. */
const AT_MOST = { next: () => 2 ** 32 - 1 };

test.each([
  [0, 100],
  [1, 200],
  [2, 400],
  [7, 12_800],
  [8, 15_000],
  [1_000_000, 15_000],
])('after %i failures in a row the ceiling is %i ms', (attempt, ceilingMs) => {
  expect(backoffMs(attempt, LIMITS, AT_MOST)).toBeCloseTo(ceilingMs, 3);
  expect(backoffMs(attempt, LIMITS, AT_MOST)).toBeLessThan(ceilingMs);
  expect(backoffMs(attempt, LIMITS, { next: () => 0 })).toBe(0);
});

test('a wait is never negative, never above the cap, and always a number', () => {
  const limits = fc.record({
    baseMs: fc.integer({ min: 0, max: 1e6 }),
    capMs: fc.integer({ min: 0, max: 1e7 }),
  });
  fc.assert(
    fc.property(fc.nat(), limits, fc.integer(), (attempt, each, seed) => {
      const wait = backoffMs(attempt, each, seededRandom(seed));
      expect(wait >= 0 && wait <= each.capMs).toBe(true);
    }),
  );
});

test('the jitter is full: every part of the range is as likely as any other', () => {
  const random = seededRandom(11);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 50_000; i++) {
    const tenth = Math.floor(backoffMs(3, LIMITS, random) / 80);
    counts[tenth] = (counts[tenth] ?? 0) + 1;
  }
  expect(counts).toHaveLength(10);
  expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(10));
});
