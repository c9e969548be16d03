/** What every policy and every filter keeps, whatever happens to the list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activeStandby } from '../../examples/custom-policy.js';
import {
  consistentHash,
  filtered,
  leastLoaded,
  type Pick,
  type Picker,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  slowStart,
  sticky,
  subset,
  tiers,
  zoneAware,
} from '../../resolver/index.js';
import { healthy, REFUSED } from './ejection/healthy.js';
import { instances } from './memory-registry.js';
import { Chain, described, picked, tally } from './picking.js';

const POLICIES: readonly (readonly [string, () => Policy])[] = [
  ['roundRobin', roundRobin],
  ['random', random],
  ['leastLoaded', leastLoaded],
  ['peakEwma', peakEwma],
  ['consistentHash', consistentHash],
  ['sticky', sticky],
  ['activeStandby of the example', activeStandby],
  ['filtered', () => filtered({ tags: ['never'], otherwise: 'all' }, leastLoaded())],
  ['tiers', () => tiers({ order: [{ tags: ['never'] }] }, consistentHash())],
  ['zoneAware', () => zoneAware({ zone: 'a', callers: 1, spillBelow: 1 }, leastLoaded())],
  ['subset', () => subset({ size: 4, clientId: 'client' }, peakEwma())],
  ['slowStart', () => slowStart({}, roundRobin())],
  ['all filters at once', () => subset({ size: 5 }, zoneAware({ zone: 'b' }, slowStart({}, leastLoaded())))],
];

const step = fc.record({
  members: fc.uniqueArray(fc.nat(9), { minLength: 1 }),
  weights: fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 65_535, noNaN: true })), {
    minLength: 1,
  }),
  picks: fc.nat(20),
  ms: fc.nat(50_000),
});

describe.each(POLICIES)('%s', (_name, policy) => {
  it('always picks, and only what the latest list holds, at its address', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), (steps, seed) => {
        const chain = new Chain(policy(), seed + 1);
        const open: Pick[] = [];
        for (const { members, weights, picks, ms } of steps) {
          const list = members.toSorted().map((n) =>
            described(`i${n}`, {
              weight: weights[n % weights.length] as number,
              zone: 'abc'[n % 3] as string,
            }),
          );
          const picker = chain.list(list);
          for (let n = 0; n < picks; n++) {
            const pick = picker.pick({ key: n % 3 }) as Pick;
            const listed = list.find(({ id }) => id === pick.instance.id);
            expect(pick.endpoint).toBe(listed?.endpoint);
            expect({ ...pick.instance, weight: 0 }).toEqual({ ...listed, weight: 0 });
            open.push(pick);
          }
          for (const pick of open.splice(0, picks >> 1)) pick.done('ok');
          chain.clock.advance(ms);
        }
      }),
      { numRuns: 60 },
    );
  });
});

const COUNTING: readonly (readonly [string, () => Policy])[] = [
  ['leastLoaded', leastLoaded],
  ['peakEwma', peakEwma],
  ['consistentHash', consistentHash],
  ['subset', () => subset({ size: 3, clientId: 'client' }, leastLoaded())],
  ['slowStart', () => slowStart({}, consistentHash())],
];

describe.each(COUNTING)('%s', (_name, policy) => {
  it('has nothing in flight when every pick is done, however often, and whatever the lists were (T16)', () => {
    const ends = fc.array(fc.tuple(fc.nat(60), fc.constantFrom('ok', 'error', 'cancelled')));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, ends), { minLength: 1, maxLength: 10 }),
        fc.nat(),
        (steps, seed) => {
          const chain = new Chain(policy(), seed + 1);
          const picks: Pick[] = [];
          for (const [{ members, picks: count, ms }, ended] of steps) {
            const picker = chain.list(members.toSorted().map((n) => described(`i${n}`)));
            for (let n = 0; n < count; n++) picks.push(picker.pick({ key: n }) as Pick);
            for (const [at, outcome] of ended) picks[at]?.done(outcome);
            for (const count of inFlight(picker)) expect(count).toBeGreaterThanOrEqual(0);
            chain.clock.advance(ms);
          }
          for (const pick of [...picks, ...picks]) pick.done('cancelled');
          expect(new Set(inFlight(chain.picker as Picker))).toEqual(new Set([0]));
        },
      ),
      { numRuns: 60 },
    );
  });
});

function inFlight(picker: Picker): number[] {
  return Object.values(picker.describe?.().members ?? {}).map((facts) => facts.inFlight as number);
}

const EVEN: readonly (readonly [string, () => Policy])[] = [
  ['roundRobin', roundRobin],
  ['random', random],
  ['leastLoaded', leastLoaded],
  ['peakEwma', peakEwma],
];

describe.each(EVEN)('%s', (_name, policy) => {
  it.each([2, 3, 4, 5])(
    'gives none of %i idle and fast endpoints all, the first of the list least (T12)',
    (count) => {
      const ids = picked(new Chain(policy(), 3).list(instances(count)), 2000);
      const counts = Object.values(tally(ids));
      expect(counts).toHaveLength(count);
      expect(Math.min(...counts)).toBeGreaterThan(1600 / count);
    },
  );

  it('takes a weight that nobody named for 1, beside any others (T6)', () => {
    const list = [described('a', { weight: 30 }), described('b', { weight: 30 }), described('unnamed')];
    const { unnamed = 0 } = tally(picked(new Chain(policy(), 3).list(list), 30_500));
    expect(unnamed).toBeGreaterThan(400);
    expect(unnamed).toBeLessThan(600);
  });

  it('gives those who are left what the ejected one would have had, to each alike (T4)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(), (count, seed) => {
        const world = healthy(instances(count), {}, policy(), seed + 1);
        (world.picker.pick() as Pick).done(...REFUSED);
        const counts = Object.values(tally(Array.from({ length: 200 * (count - 1) }, () => world.request())));
        expect(counts).toHaveLength(count - 1);
        expect(Math.max(...counts)).toBeLessThan(300);
      }),
      { numRuns: 40 },
    );
  });
});

const REACHING = POLICIES.filter(([name]) => !/activeStandby|subset|all filters/.test(name));

describe.each(REACHING)('%s', (_name, policy) => {
  it('reaches every candidate, after any changes of the list', () => {
    const chain = new Chain(policy(), 7);
    for (const members of [[1, 3], [0, 1, 2, 3, 4, 5], [2], [0, 1, 2, 4, 5, 6]]) {
      const list = members.map((n) => described(`i${n}`, { weight: n % 4, zone: 'abc'[n % 3] as string }));
      const picker = chain.list(list);
      const reached = new Set<string | undefined>();
      for (let n = 0; n < 3000; n++) {
        const pick = picker.pick({ key: `key-${n}` });
        reached.add(pick?.instance.id);
        pick?.done('ok', { latencyMs: 5 });
      }
      expect(reached.size).toBe(list.length);
      chain.clock.advance(20_000);
    }
  });
});
