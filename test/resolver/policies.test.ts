import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import {
  type Pick,
  type Picker,
  type Policy,
  random,
  roundRobin,
  seededRandom,
} from '../../resolver/index.js';
import { shuffled } from '../../runtime/random.js';
import { instance, instances } from './memory-registry.js';
import { build, chiSquare, chiSquareLimit, picked, tally, weighted } from './picking.js';

const BOTH: readonly (readonly [string, () => Policy])[] = [
  ['roundRobin', roundRobin],
  ['random', random],
];

const someWeights = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 });
const someSeed = fc.integer({ min: 1, max: 2 ** 31 });

describe.each(BOTH)('%s', (_name, policy) => {
  it('always picks, and only from the list it was built for, over any chain of lists', () => {
    const lists = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1 }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(lists, someWeights, someSeed, (chain, weights, seed) => {
        let picker: Picker | undefined;
        for (const members of chain) {
          const list = members
            .toSorted()
            .map((n) => instance({ id: `i${n}`, weight: weights[n % weights.length] as number }));
          picker = build(policy(), list, seed, picker);
          for (let n = 0; n < 15; n++) expect(list).toContain(picker.pick()?.instance);
        }
      }),
    );
  });

  it('hands out the new instance object after an update of the same endpoint', () => {
    const before = build(policy(), instances(['a']));
    const [updated] = [instance({ id: 'a', weight: 9 })];
    expect(build(policy(), [updated as Instance], 1, before).pick()?.instance).toBe(updated);
  });

  it('keeps the picks of the endpoints that stayed, so that a long list is not built anew', () => {
    const picksOf = (picker: Picker) =>
      new Map(
        Array.from({ length: 400 }, () => picker.pick() as Pick).map((pick) => [pick.instance.id, pick]),
      );
    const [a, b, c, d, e] = instances(['a', 'b', 'c', 'd', 'e']) as [
      Instance,
      Instance,
      Instance,
      Instance,
      Instance,
    ];
    const before = build(policy(), [b, c, d]);
    const known = picksOf(before);
    const now = picksOf(build(policy(), [a, b, d, e], 1, before));
    expect([...now.keys()].sort()).toEqual(['a', 'b', 'd', 'e']);
    for (const id of ['b', 'd']) expect(now.get(id)).toBe(known.get(id));
  });

  it('treats equal weights alike whatever they are, zero included', () => {
    const list = weighted([0, 0, 0, 0]);
    expect(Object.keys(tally(picked(build(policy(), list), 400)))).toHaveLength(4);
  });

  it('hands out frozen picks whose done() changes nothing', () => {
    const picker = build(policy(), instances(['only']));
    const pick = picker.pick();
    pick?.done('error', { latencyMs: 3 });
    pick?.done('ok');
    expect(Object.isFrozen(pick)).toBe(true);
    expect(picker.pick()).toBe(pick);
  });
});

describe('roundRobin with equal weights', () => {
  it('repeats and omits no endpoint in any cycle', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(1000), someSeed, (count, offset, seed) => {
        const picker = build(roundRobin(), instances(count), seed);
        picked(picker, offset);
        expect(new Set(picked(picker, count)).size).toBe(count);
      }),
    );
  });

  it('goes on with the endpoint that was due, by identity, when the list changes', () => {
    const first = build(roundRobin(), instances(['b', 'd', 'f']));
    while (picked(first, 1)[0] !== 'b') {}
    const second = build(roundRobin(), instances(['a', 'b', 'c', 'd', 'e', 'f']), 99, first);
    expect(picked(second, 3)).toEqual(['d', 'e', 'f']);
  });

  it('goes on with the next survivor when the endpoint that was due has left', () => {
    const first = build(roundRobin(), instances(['a', 'b', 'c', 'd']));
    while (picked(first, 1)[0] !== 'a') {}
    expect(picked(build(roundRobin(), instances(['a', 'd']), 99, first), 2)).toEqual(['d', 'a']);
  });

  it('takes the same id at another address for another endpoint', () => {
    const first = build(roundRobin(), instances(['a', 'b', 'c']));
    while (picked(first, 1)[0] !== 'a') {}
    const moved = [instance({ id: 'a' }), instance({ id: 'b', port: 81 }), instance({ id: 'c' })];
    expect(picked(build(roundRobin(), moved, 99, first), 1)).toEqual(['c']);
  });

  it('keeps stable endpoints within one pick of each other however the others flap (T1, T2, T4)', () => {
    const flaps = fc.array(
      fc.record({ others: fc.subarray(['b', 'd', 'f', 'h', 'j', 'l']), picks: fc.nat(9) }),
      { minLength: 1, maxLength: 60 },
    );
    fc.assert(
      fc.property(flaps, someSeed, (steps, seed) => {
        const stable = ['a', 'c', 'e', 'g', 'i', 'k'];
        const counts = Object.fromEntries(stable.map((id) => [id, 0]));
        let picker: Picker | undefined;
        for (const { others, picks } of steps) {
          picker = build(roundRobin(), instances([...stable, ...others].sort()), seed, picker);
          for (const id of picked(picker, picks)) if (id in counts) counts[id] = (counts[id] as number) + 1;
        }
        expect(Math.max(...Object.values(counts)) - Math.min(...Object.values(counts))).toBeLessThanOrEqual(
          1,
        );
      }),
    );
  });

  it('starts at a random place in each client (T29)', () => {
    const starts = tally(
      Array.from(
        { length: 5000 },
        (_, n) => picked(build(roundRobin(), instances(5), n * 7919 + 1), 1)[0] as string,
      ),
    );
    const observed = Object.values(starts);
    expect(chiSquare(observed, Array(5).fill(1000))).toBeLessThan(chiSquareLimit(4));
  });
});

describe('roundRobin with weights', () => {
  it('is off by at most one pick per endpoint in any cycle, wherever it begins', () => {
    fc.assert(
      fc.property(someWeights, fc.nat(2000), someSeed, (weights, offset, seed) => {
        const list = weighted(weights);
        const picker = build(roundRobin(), list, seed);
        picked(picker, offset);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const equal = weights.every((weight) => weight === weights[0]);
        const counts = tally(picked(picker, equal ? weights.length : total));
        for (const { id, weight } of list) {
          expect(Math.abs((counts[id] ?? 0) - (equal ? 1 : weight))).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it.each([
    { weights: [5, 1, 1] },
    { weights: [10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] },
    { weights: [100, 100, 1] },
    { weights: [3, 2, 1] },
    { weights: [0.5, 0.25, 0.25] },
  ])('is smooth: never far from the exact share with weights $weights', ({ weights }) => {
    const list = weighted(weights);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const counts = list.map(() => 0);
    const picker = build(roundRobin(), list);
    for (let picks = 1; picks <= 1000; picks++) {
      const at = list.indexOf(picker.pick()?.instance as Instance);
      counts[at] = (counts[at] as number) + 1;
      const off = counts.map((count, n) => Math.abs(count - (picks * (weights[n] as number)) / total));
      expect(Math.max(...off)).toBeLessThan(2);
    }
  });

  it('keeps shares exact to a pick per endpoint when the list is rebuilt every few picks (T1, T7)', () => {
    const weights = [5, 3, 2, 1];
    let picker: Picker | undefined;
    const ids: string[] = [];
    for (let step = 0; step < 1100 / 7; step++) {
      picker = build(roundRobin(), weighted(weights), step + 1, picker);
      ids.push(...picked(picker, 7));
    }
    const counts = Object.values(tally(ids.slice(0, 1100))).toSorted((a, b) => b - a);
    counts.forEach((count, n) => {
      expect(Math.abs(count - 100 * (weights[n] as number))).toBeLessThanOrEqual(2);
    });
  });

  it('keeps the shares of those that stay in proportion while another one flaps', () => {
    const counts: Record<string, number> = {};
    let picker: Picker | undefined;
    for (let step = 0; step < 2000; step++) {
      const list = weighted(step % 2 === 0 ? [6, 3, 2] : [6, 3, 2, 4]);
      picker = build(roundRobin(), list, step + 1, picker);
      for (const id of picked(picker, 3)) counts[id] = (counts[id] ?? 0) + 1;
    }
    const [a = 0, b = 0, c = 0, flapping = 0] = Object.keys(counts)
      .sort()
      .map((id) => counts[id] as number);
    expect(a / c).toBeCloseTo(3, 1);
    expect(b / c).toBeCloseTo(1.5, 1);
    // Present half of the time, where its share is 4 of 15.
    expect(flapping / 6000).toBeGreaterThan(0.8 * (0.5 * (4 / 15)));
    expect(flapping / 6000).toBeLessThan(1.2 * (0.5 * (4 / 15)));
  });

  it('carries the place of an endpoint through a change of its weight', () => {
    let picker: Picker | undefined;
    const ids: string[] = [];
    for (let step = 0; step < 3000; step++) {
      const warming = instance({ id: 'warming', weight: 1 + (step % 9) });
      picker = build(roundRobin(), [instance({ id: 'steady', weight: 5 }), warming], step + 1, picker);
      ids.push(...picked(picker, 1));
    }
    // Weights 1 to 9, so 5 on average, beside 5: less than half, by the mean of w / (w + 5).
    const share = [1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, w) => sum + w / (w + 5), 0) / 9;
    expect((tally(ids).warming as number) / 3000).toBeCloseTo(share, 1);
  });

  it('begins with each endpoint as often as its weight says (T29)', () => {
    const weights = [5, 3, 2];
    const firsts = Array.from(
      { length: 10_000 },
      (_, n) => picked(build(roundRobin(), weighted(weights), n * 7919 + 1), 1)[0] as string,
    );
    const counts = tally(firsts);
    const observed = Object.keys(counts)
      .sort()
      .map((id) => counts[id] as number);
    expect(chiSquare(observed, [5000, 3000, 2000])).toBeLessThan(chiSquareLimit(2));
  });

  it('survives weights as uneven as they may be', () => {
    const counts = tally(picked(build(roundRobin(), weighted([65_535, 1, 0.001])), 200_000));
    expect(counts.w000).toBeGreaterThan(199_980);
    expect(counts.w001).toBeGreaterThanOrEqual(2);
  });

  it('becomes plain and weighted again without losing its place', () => {
    const plain = build(roundRobin(), instances(['a', 'b', 'c', 'd']));
    while (picked(plain, 1)[0] !== 'b') {}
    const mixed = [...instances(['a', 'b', 'c', 'd']), instance({ id: 'e', weight: 2 })];
    const between = build(roundRobin(), mixed, 5, plain);
    const light = picked(between, 12).filter((id) => id !== 'e');
    expect(light.slice(0, 4)).toEqual(['c', 'd', 'a', 'b']);
    const after = build(roundRobin(), instances(['a', 'b', 'c', 'd']), 5, between);
    const order = ['a', 'b', 'c', 'd'];
    expect(picked(after, 1)[0]).toBe(order[(order.indexOf(light.at(-1) as string) + 1) % 4]);
  });
});

describe('random', () => {
  it('spreads evenly over endpoints of equal weight', () => {
    const counts = Object.values(tally(picked(build(random(), instances(50), 42), 200_000)));
    expect(chiSquare(counts, Array(50).fill(4000))).toBeLessThan(chiSquareLimit(49));
  });

  it('draws each endpoint with the chance of its weight (Vose 1991)', () => {
    fc.assert(
      fc.property(someWeights, someSeed, (weights, seed) => {
        const list = weighted(weights);
        const picks = 20_000;
        const counts = tally(picked(build(random(), list, seed), picks));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const expected = weights.map((weight) => (picks * weight) / total);
        const observed = list.map(({ id }) => counts[id] ?? 0);
        if (weights.length === 1) expect(observed).toEqual([picks]);
        else expect(chiSquare(observed, expected)).toBeLessThan(chiSquareLimit(weights.length - 1));
      }),
      { seed: 20260101, numRuns: 60 },
    );
  });

  it('does not depend on the order in which neighbours were drawn', () => {
    const ids = picked(build(random(), instances(4), 9), 100_000);
    const pairs = Object.values(tally(ids.slice(1).map((id, n) => `${ids[n]}${id}`)));
    expect(chiSquare(pairs, Array(16).fill(99_999 / 16))).toBeLessThan(chiSquareLimit(15));
  });
});

describe('shuffled', () => {
  it.each([2, 3, 4])('puts each of %i elements first equally often (T5)', (count) => {
    const random = seededRandom(11);
    const items = Array.from({ length: count }, (_, n) => `${n}`);
    const firsts = Object.values(
      tally(Array.from({ length: 12_000 }, () => shuffled(items, random)[0] as string)),
    );
    expect(firsts).toHaveLength(count);
    expect(chiSquare(firsts, Array(count).fill(12_000 / count))).toBeLessThan(chiSquareLimit(count - 1));
  });
});
