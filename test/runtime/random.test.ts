import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { below, fraction, jittered, seededRandom, shuffled, systemRandom } from '../../runtime/random.js';
import { chiSquare, chiSquareLimit } from './chi-square.js';

const DRAWS = 60_000;

/** How often each result of `draw` came up. */
function tally(shares: number, draw: () => number): readonly number[] {
  const counts = new Array<number>(shares).fill(0);
  for (let i = 0; i < DRAWS; i++) {
    const at = draw();
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

describe('a seeded generator', () => {
  test('gives the same numbers for the same seed, and others for another', () => {
    const numbers = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
  });

  test('gives 32-bit unsigned integers for any seed, zero included', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        for (let i = 0; i < 10; i++) {
          const value = random.next();
          expect(value >>> 0).toBe(value);
        }
      }),
    );
  });

  test('does not get stuck on seed zero', () => {
    const random = seededRandom(0);
    expect(new Set(Array.from({ length: 100 }, () => random.next())).size).toBe(100);
  });
});

test('two system generators differ', () => {
  const [one, other] = [systemRandom(), systemRandom()];
  const numbers = (random: typeof one) => Array.from({ length: 8 }, () => random.next());
  expect(numbers(one)).not.toEqual(numbers(other));
});

describe('below', () => {
  test('stays in [0, n) for any n it allows', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 21 }), (seed, n) => {
        const value = below(seededRandom(seed), n);
        expect(Number.isInteger(value) && value >= 0 && value < n).toBe(true);
      }),
    );
  });

  test('reaches both ends at the extremes of the generator', () => {
    expect(below({ next: () => 0 }, 2 ** 21)).toBe(0);
    expect(below({ next: () => 2 ** 32 - 1 }, 2 ** 21)).toBe(2 ** 21 - 1);
  });

  test.each([2, 3, 7, 10, 100])('is unbiased for n = %i', (n) => {
    const random = seededRandom(2024);
    expect(chiSquare(tally(n, () => below(random, n)))).toBeLessThan(chiSquareLimit(n));
  });

  test('the test of bias finds one', () => {
    const random = seededRandom(2024);
    const biased = () => Math.min(below(random, 7), below(random, 50));
    expect(chiSquare(tally(7, biased))).toBeGreaterThan(chiSquareLimit(7));
  });
});

test('a fraction is in [0, 1), evenly', () => {
  const random = seededRandom(5);
  const counts = tally(10, () => Math.floor(fraction(random) * 10));
  expect(counts).toHaveLength(10);
  expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(10));
});

describe('shuffled', () => {
  test('keeps every item and leaves the list it was given alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const given = Object.freeze([...items]);
        const sort = (list: readonly number[]) => list.toSorted((a, b) => a - b);
        expect(sort(shuffled(given, seededRandom(seed)))).toEqual(sort(items));
      }),
    );
  });

  test.each([2, 3, 4])('gives every order of %i items equally often (T5)', (n) => {
    const items = Array.from({ length: n }, (_, i) => i);
    const orders = permutations(items).map((order) => order.join());
    const random = seededRandom(99);
    const counts = tally(orders.length, () => orders.indexOf(shuffled(items, random).join()));
    expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(orders.length));
  });
});

function permutations(items: readonly number[]): readonly (readonly number[])[] {
  if (items.length < 2) return [items];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

test('jittered stays within its share on both sides and uses both', () => {
  expect(jittered(1000, 0.1, { next: () => 0 })).toBe(900);
  expect(jittered(1000, 0.1, { next: () => 2 ** 31 })).toBe(1000);
  expect(jittered(1000, 0.1, { next: () => 2 ** 32 - 1 })).toBeCloseTo(1100, 3);
  expect(jittered(1000, 0, seededRandom(1))).toBe(1000);
});
