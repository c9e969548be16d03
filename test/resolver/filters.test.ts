import { describe, expect, it, test } from 'vitest';
import { filtered, leastLoaded, type Match, roundRobin, tiers } from '../../resolver/index.js';
import type { LeastLoaded } from '../../resolver/policies/least-loaded.js';
import { build, Chain, described, picked } from './picking.js';

const LIST = [
  described('a', { version: '1.0', tags: ['http', 'primary'], metadata: { shard: '1' } }),
  described('b', { version: '2.0', tags: ['http', 'canary'], metadata: { shard: '1', rack: 'x' } }),
  described('c', { version: '2.1', tags: ['grpc'] }),
  described('d'),
];

describe('filtered', () => {
  it.each<[Match, string[]]>([
    [{}, ['a', 'b', 'c', 'd']],
    [{ tags: ['http'] }, ['a', 'b']],
    [{ tags: ['http', 'canary'] }, ['b']],
    [{ version: '2.0' }, ['b']],
    [{ version: ['2.0', '2.1'] }, ['b', 'c']],
    [{ metadata: { shard: '1' } }, ['a', 'b']],
    [{ metadata: { shard: '1', rack: 'x' } }, ['b']],
    [{ tags: ['http'], version: '1.0', metadata: { shard: '1' } }, ['a']],
  ])('by %o leaves %o', (match, ids) => {
    expect(picked(build(filtered(match, roundRobin()), LIST), 8).toSorted()).toEqual(
      Array.from({ length: 8 }, (_, n) => ids[n % ids.length] as string).toSorted(),
    );
  });

  it('picks nothing when nothing matches, unless it may pick any', () => {
    const match = { version: '3.0' };
    expect(build(filtered(match, roundRobin()), LIST).pick()).toBeUndefined();
    expect(new Set(picked(build(filtered({ ...match, otherwise: 'all' }, roundRobin()), LIST), 4)).size).toBe(
      4,
    );
  });

  it('knows after a time without any match what it knew before', () => {
    const chain = new Chain(filtered({ tags: ['http'] }, leastLoaded()));
    chain.list(LIST).pick();
    expect(chain.list(LIST.slice(2)).pick()).toBeUndefined();
    expect(chain.list(LIST.slice(3)).pick()).toBeUndefined();
    const loads = (chain.list(LIST) as LeastLoaded).states.current;
    expect(loads.map(({ inFlight }) => inFlight).toSorted()).toEqual([0, 1]);
  });

  it('hands the listed instance out, and costs nothing per pick', () => {
    const policy = roundRobin();
    const picker = build(filtered({ tags: ['canary'] }, policy), LIST);
    expect(picker.pick()?.instance).toBe(LIST[1]);
    expect(picker.constructor).toBe(build(policy, LIST).constructor);
  });
});

describe('tiers', () => {
  const order = [{ tags: ['primary'] }, { tags: ['canary'] }];

  function used(policyOptions: { minEndpoints?: number }, list = LIST): Set<string> {
    return new Set(picked(build(tiers({ order, ...policyOptions }, roundRobin()), list), 20));
  }

  it.each([
    { minEndpoints: 1, ids: ['a'] },
    { minEndpoints: 2, ids: ['a', 'b'] },
    { minEndpoints: 3, ids: ['a', 'b', 'c', 'd'] },
    { minEndpoints: 100, ids: ['a', 'b', 'c', 'd'] },
  ])('join until there are $minEndpoints: $ids', ({ minEndpoints, ids }) => {
    expect(used({ minEndpoints })).toEqual(new Set(ids));
  });

  it('go to the backup when the primary is gone, and back', () => {
    const chain = new Chain(tiers({ order }, roundRobin()));
    expect(new Set(picked(chain.list(LIST), 9))).toEqual(new Set(['a']));
    expect(new Set(picked(chain.list(LIST.slice(1)), 9))).toEqual(new Set(['b']));
    expect(new Set(picked(chain.list(LIST.slice(2)), 9))).toEqual(new Set(['c', 'd']));
    expect(new Set(picked(chain.list(LIST), 9))).toEqual(new Set(['a']));
  });

  it('refuse to need nobody', () => {
    expect(() => tiers({ order, minEndpoints: 0 }, roundRobin())).toThrow('got 0, at minEndpoints');
  });
});

test('filters stand in each other', () => {
  const policy = filtered({ tags: ['http'] }, tiers({ order: [{ version: '2.0' }] }, roundRobin()));
  const chain = new Chain(policy);
  expect(new Set(picked(chain.list(LIST), 5))).toEqual(new Set(['b']));
  expect(chain.list([LIST[3] as (typeof LIST)[number]]).pick()).toBeUndefined();
  expect(new Set(picked(chain.list(LIST.slice(0, 1)), 5))).toEqual(new Set(['a']));
});
