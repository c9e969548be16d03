/** What every policy and every filter keeps, whatever happens to the list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activeStandby } from '../../examples/custom-policy.js';
import {
  consistentHash,
  filtered,
  leastLoaded,
  type Pick,
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
import { Chain, described } from './picking.js';

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
