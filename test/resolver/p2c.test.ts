import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { leastLoaded, type Pick, type Picker, peakEwma, seededRandom } from '../../resolver/index.js';
import type { LeastLoaded } from '../../resolver/policies/least-loaded.js';
import { TwoDraws } from '../../resolver/policies/two-draws.js';
import { shareOf, simulate } from '../simulator/simulated-cluster.js';
import { instance, instances } from './memory-registry.js';
import { build, Chain, chiSquare, chiSquareLimit, misfit, picked, tally, weighted } from './picking.js';

function inFlight(picker: Picker): number[] {
  return (picker as LeastLoaded).states.current.map((load) => load.inFlight);
}

function held(picker: Picker, count: number): Pick[] {
  return Array.from({ length: count }, () => picker.pick() as Pick);
}

describe('without anything in flight', () => {
  it.each([
    { weights: [1, 1] },
    { weights: Array(50).fill(1) },
    { weights: [10, 1] },
    { weights: [5, 3, 2, 1] },
    { weights: [0.5, 0.25, 100] },
  ])('goes by weight: $weights (T8)', ({ weights }) => {
    const list = weighted(weights);
    expect(misfit(list, picked(build(leastLoaded(), list), 40_000))).toBeLessThan(1);
  });

  it('takes the only one, and weights of 0 for equal ones', () => {
    expect(new Set(picked(build(leastLoaded(), instances(['only'])), 10))).toEqual(new Set(['only']));
    expect(Object.keys(tally(picked(build(leastLoaded(), weighted([0, 0, 0])), 100)))).toHaveLength(3);
  });
});

describe('the two draws', () => {
  const pairs = (weights: readonly number[]): Record<string, number> => {
    const draws = new TwoDraws(weights.map((weight) => ({ weight })));
    const random = seededRandom(3);
    const drawn = Array.from({ length: 60_000 }, () => {
      const place = draws.place(random);
      const first = draws.first(place);
      return `${first} ${draws.second(place, first, random)}`;
    });
    return tally(drawn);
  };

  it.each([2, 3, 7])('are any two of %i equally often, in either order (T5)', (count) => {
    const counts = pairs(Array(count).fill(1));
    const possible = count * (count - 1);
    expect(Object.keys(counts)).toHaveLength(possible);
    const expected = Array(possible).fill(60_000 / possible);
    expect(chiSquare(Object.values(counts), expected)).toBeLessThan(chiSquareLimit(possible - 1));
  });

  it('are never the same, however uneven the weights', () => {
    for (const pair of Object.keys(pairs([65_535, 1, 0.001]))) expect(pair).not.toMatch(/^(.) \1$/);
  });
});

describe('with requests in flight', () => {
  it('compares two different endpoints, so of two the busier one is never taken (T12)', () => {
    const picker = build(leastLoaded(), instances(['a', 'b']));
    const [first] = held(picker, 1);
    const other = first?.instance.id === 'a' ? 'b' : 'a';
    expect(new Set(picked(picker, 200))).toEqual(new Set([other]));
  });

  it('fills two endpoints evenly', () => {
    const picker = build(leastLoaded(), instances(['a', 'b']));
    held(picker, 100);
    expect(inFlight(picker)).toEqual([50, 50]);
  });

  it('fills endpoints in proportion to their weights', () => {
    const picker = build(leastLoaded(), weighted([6, 3, 1]));
    held(picker, 1000);
    inFlight(picker).forEach((count, at) => {
      expect(Math.abs(count - 1000 * ([0.6, 0.3, 0.1][at] as number))).toBeLessThan(40);
    });
  });

  it.each([{ weights: [100, 100, 1] }, { weights: [5, 1] }, { weights: [20, 20, 20, 1, 1] }])(
    'does not give the light ones more than their weights are worth: $weights',
    ({ weights }) => {
      const chain = new Chain(leastLoaded(), 3);
      const list = weighted(weights);
      chain.list(list);
      const counts = simulate({
        picker: () => chain.picker as Picker,
        clock: chain.clock,
        perSecond: 1000,
        seconds: 20,
        answer: () => ({ latencyMs: 10 }),
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const { id, weight } of list) expect(shareOf(id, counts)).toBeLessThan((1.25 * weight) / total);
    },
  );

  it('keeps many endpoints within a few requests of each other (Mitzenmacher 2001)', () => {
    const picker = build(leastLoaded(), instances(100));
    held(picker, 1000);
    const counts = inFlight(picker);
    expect(Math.max(...counts)).toBeLessThanOrEqual(14);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(3);
  });
});

describe('what is in flight', () => {
  it('ends with the first done() of a pick, whatever the outcome (T16)', () => {
    const picker = build(leastLoaded(), instances(['a', 'b']));
    const [ok, error, cancelled] = held(picker, 3);
    ok?.done('ok');
    ok?.done('error');
    error?.done('error');
    expect(inFlight(picker).reduce((sum, count) => sum + count)).toBe(1);
    cancelled?.done('cancelled');
    cancelled?.done('cancelled');
    expect(inFlight(picker)).toEqual([0, 0]);
  });

  it('is never negative over any chain of lists, and 0 when every pick is done (T16)', () => {
    const step = fc.record({
      members: fc.uniqueArray(fc.nat(7), { minLength: 1 }),
      picks: fc.nat(12),
      ends: fc.array(fc.nat(40)),
      ms: fc.nat(40_000),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const chain = new Chain(leastLoaded());
        const open: Pick[] = [];
        for (const { members, picks, ends, ms } of steps) {
          const picker = chain.list(members.toSorted().map((n) => instance({ id: `i${n}` })));
          open.push(...held(picker, picks));
          for (const end of ends) open[end]?.done('ok');
          chain.clock.advance(ms);
          expect(Math.min(...inFlight(picker))).toBeGreaterThanOrEqual(0);
        }
        for (const pick of open) pick.done('cancelled');
        expect(Math.max(...inFlight(chain.picker as Picker))).toBe(0);
      }),
    );
  });

  it('is kept through an update, and through a minute of absence (T7, T17)', () => {
    const chain = new Chain(leastLoaded());
    const picks = held(chain.list(instances(['a', 'b'])), 20);
    expect(inFlight(chain.list([instance({ id: 'a', weight: 3 }), instance({ id: 'b' })]))).toEqual([10, 10]);
    chain.list(instances(['b']));
    chain.clock.advance(59_000);
    for (const pick of picks.slice(10)) pick.done('ok');
    const [a = 0, b = 0] = inFlight(chain.list(instances(['a', 'b'])));
    expect(a + b).toBe(10);
  });
});

describe('an endpoint that joins later (T9)', () => {
  function busy(): Chain {
    const chain = new Chain(leastLoaded());
    held(chain.list(instances(['a', 'b', 'c'])), 90);
    return chain;
  }

  it('gets four requests at a time until it answered one', () => {
    const picker = busy().list(instances(['a', 'b', 'c', 'new']));
    const ids = held(picker, 60).map((pick) => pick.instance.id);
    expect(tally(ids).new).toBe(4);
  });

  it('has as many as the others once it did', () => {
    const picker = busy().list(instances(['a', 'b', 'c', 'new']));
    const first = held(picker, 20).find((pick) => pick.instance.id === 'new');
    first?.done('ok');
    held(picker, 200);
    const counts = inFlight(picker);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(5);
  });

  it.each([leastLoaded, peakEwma])(
    'has as many once it has begun to answer one, such as a stream: %o',
    (policy) => {
      const chain = new Chain(policy());
      held(chain.list(instances(['a', 'b', 'c'])), 90);
      const picker = chain.list(instances(['a', 'b', 'c', 'new']));
      const first = held(picker, 20).find((pick) => pick.instance.id === 'new');
      first?.answered?.();
      expect(tally(held(picker, 60).map((pick) => pick.instance.id)).new).toBeGreaterThan(10);
    },
  );

  it('learns nothing good from a failure', () => {
    const picker = busy().list(instances(['a', 'b', 'c', 'new']));
    held(picker, 20)
      .find((pick) => pick.instance.id === 'new')
      ?.done('error');
    expect(tally(held(picker, 60).map((pick) => pick.instance.id)).new).toBe(1);
  });

  it('is used all the same where all are new', () => {
    const chain = new Chain(leastLoaded());
    chain.list(instances(['old']));
    held(chain.list(instances(['x', 'y'])), 100);
    expect(inFlight(chain.picker as Picker).reduce((sum, count) => sum + count)).toBe(100);
  });
});

test.each([
  { endpoints: 2, perSecond: 50 },
  { endpoints: 3, perSecond: 200 },
  { endpoints: 10, perSecond: 1000 },
])(
  'an endpoint that hangs has at most 2 % of the picks of $endpoints after 2 s',
  ({ endpoints, perSecond }) => {
    const chain = new Chain(leastLoaded(), 5);
    chain.list(instances(endpoints));
    const answer = (id: string) => ({ latencyMs: id === 'i0001' ? undefined : 10 });
    const counts = simulate({
      picker: () => chain.picker as Picker,
      clock: chain.clock,
      perSecond,
      seconds: 10,
      answer,
    });
    expect(shareOf('i0001', counts, 2)).toBeLessThanOrEqual(0.02);
  },
);

test('two endpoints of nearly the same speed share nearly evenly at any rate (T8)', () => {
  for (const perSecond of [20, 200, 2000]) {
    const chain = new Chain(leastLoaded(), 3);
    chain.list(instances(['fast', 'near']));
    const answer = (id: string) => ({ latencyMs: id === 'fast' ? 5 : 6 });
    const counts = simulate({
      picker: () => chain.picker as Picker,
      clock: chain.clock,
      perSecond,
      seconds: 20,
      answer,
    });
    expect(shareOf('near', counts)).toBeGreaterThan(0.4);
  }
});
