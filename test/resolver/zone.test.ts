import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import {
  consistentHash,
  leastLoaded,
  random,
  roundRobin,
  type ZoneOptions,
  zoneAware,
} from '../../resolver/index.js';
import { build, described, picked } from './picking.js';

type Zones = Readonly<Record<string, number>>;

/** So many instances in each zone; `none` is no zone. */
function fleet(zones: Zones, weight = 1): Instance[] {
  return Object.entries(zones).flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, n) =>
      described(`${zone}-${`${n}`.padStart(3, '0')}`, { weight, ...(zone === 'none' ? {} : { zone }) }),
    ),
  );
}

/** The share of picks by zone. */
function shares(list: readonly Instance[], options: Partial<ZoneOptions> = {}, policy = roundRobin()): Zones {
  const ids = picked(build(zoneAware({ zone: 'a', ...options }, policy), list), 30_000);
  const counts: Record<string, number> = {};
  for (const id of ids) counts[id.split('-')[0] as string] = (counts[id.split('-')[0] as string] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).map(([zone, count]) => [zone, count / ids.length]));
}

describe('what stays in the zone', () => {
  it.each<{ zones: Zones; options?: Partial<ZoneOptions>; a: number }>([
    { zones: { a: 4, b: 4, c: 4 }, a: 1 },
    { zones: { a: 9, b: 1 }, a: 1 },
    // A quarter of the weight where a third is needed: 3/4 of it, and 0.7 is enough.
    { zones: { a: 3, b: 4, c: 5 }, a: 1 },
    // A sixth where a third is needed: a half; of the 0.7 that would be enough 5/7.
    { zones: { a: 2, b: 5, c: 5 }, a: 5 / 7 },
    { zones: { a: 2, b: 5, c: 5 }, options: { spillBelow: 1 }, a: 0.5 },
    { zones: { a: 1, b: 9, c: 10 }, options: { spillBelow: 1 }, a: 0.15 },
    { zones: { a: 2, b: 5, c: 5 }, options: { callers: 0.1 }, a: 1 },
    { zones: { a: 5, b: 5 }, options: { callers: 1, spillBelow: 1 }, a: 0.5 },
    { zones: { a: 2, none: 6 }, options: { spillBelow: 1 }, a: 0.5 },
  ])('of $zones with $options is $a', ({ zones, options, a }) => {
    expect(shares(fleet(zones), options).a).toBeCloseTo(a, 2);
  });

  it('goes by weight and not by number', () => {
    const list = [...fleet({ a: 1 }, 6), ...fleet({ b: 5, c: 5 })];
    expect(shares(list).a).toBe(1);
    expect(shares(fleet({ a: 2, b: 5, c: 5 }, 0)).a).toBeCloseTo(5 / 7, 2);
  });
});

test('what spills goes to the other zones by their capacity', () => {
  const { b, c } = shares(fleet({ a: 1, b: 4, c: 12 }), { spillBelow: 1 });
  expect((c as number) / (b as number)).toBeCloseTo(3, 1);
});

test.each([
  ['random', random],
  ['leastLoaded', leastLoaded],
  ['consistentHash', consistentHash],
] as const)('spills the same under %s', (_name, policy) => {
  const { a } = shares(fleet({ a: 10, b: 25, c: 25 }), {}, policy());
  expect(Math.abs((a as number) - 5 / 7)).toBeLessThan(0.06);
});

test('without an endpoint in the zone all others serve it', () => {
  expect(shares(fleet({ b: 3, c: 1 }))).toEqual({ b: expect.closeTo(0.75, 2), c: expect.closeTo(0.25, 2) });
});

test('always picks, and only from the list, whatever the zones', () => {
  const zones = fc.record({ a: fc.nat(6), b: fc.nat(6), none: fc.nat(6) }).filter((counts) => {
    return Object.values(counts).some((count) => count > 0);
  });
  fc.assert(
    fc.property(zones, fc.double({ min: 0.01, max: 1, noNaN: true }), (counts, callers) => {
      const list = fleet(counts);
      const ids = new Set(picked(build(zoneAware({ zone: 'a', callers }, random()), list), 300));
      for (const id of ids) expect(list.some((each) => each.id === id)).toBe(true);
    }),
  );
});

test('refuses shares that make no sense', () => {
  expect(() => zoneAware({ zone: 'a', callers: 2, spillBelow: 0 }, random())).toThrow(
    /got 2, at callers\n.*got 0, at spillBelow/,
  );
});
