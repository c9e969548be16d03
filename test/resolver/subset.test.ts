import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { roundRobin, subset } from '../../resolver/index.js';
import { hashText } from '../../resolver/policies/hash.js';
import { instance, instances } from './memory-registry.js';
import { build, Chain, chiSquare, chiSquareLimit, picked, weighted } from './picking.js';

function chosen(list: readonly Instance[], size: number, clientId: string): Set<string> {
  return new Set(picked(build(subset({ size, clientId }, roundRobin()), list), size * 4));
}

test('a client uses so many endpoints, always the same', () => {
  const list = instances(100);
  expect(chosen(list, 10, 'client-1').size).toBe(10);
  expect(chosen(list, 10, 'client-1')).toEqual(chosen(list, 10, 'client-1'));
  expect(chosen(list, 10, 'client-1')).not.toEqual(chosen(list, 10, 'client-2'));
});

test('it uses all of them when there are no more', () => {
  expect(chosen(instances(3), 10, 'client').size).toBe(3);
});

test('however the list changes, a client changes no more of its endpoints than it has to (T28)', () => {
  const someIds = fc.uniqueArray(fc.nat(200), { minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(someIds, someIds, fc.integer({ min: 1, max: 40 }), fc.nat(), (from, to, size, client) => {
      const [before, after] = [from, to].map((ids) =>
        chosen(instances(ids.map((id) => `i${id}`).sort()), size, `client-${client}`),
      ) as [Set<string>, Set<string>];
      const leaves = [...before].filter((id) => !to.includes(Number(id.slice(1)))).length;
      const joins = to.filter((id) => !from.includes(id)).length;
      const replaced = [...before].filter((id) => !after.has(id)).length;
      expect(replaced).toBeGreaterThanOrEqual(leaves);
      expect(replaced).toBeLessThanOrEqual(leaves + joins);
    }),
  );
});

test('a change that concerns nobody it uses changes nothing, another only one place (T28)', () => {
  const list = instances(100);
  const before = chosen(list, 32, 'client');
  for (const { id } of list) {
    const after = chosen(
      list.filter((each) => each.id !== id),
      32,
      'client',
    );
    expect([...before].filter((each) => !after.has(each))).toEqual(before.has(id) ? [id] : []);
  }
  const joined = chosen([...list, instance({ id: 'joined' })], 32, 'client');
  expect([...before].filter((each) => !joined.has(each)).length).toBe(joined.has('joined') ? 1 : 0);
});

test.each([
  { of: 2, size: 1 },
  { of: 30, size: 29 },
  { of: 3000, size: 1 },
  { of: 3000, size: 700 },
])('it uses those $size of $of that rank lowest', ({ of, size }) => {
  const list = instances(of);
  const ranks = list.map(({ id }) => ({ id, rank: hashText(id, hashText('client')) }));
  const lowest = ranks.sort((a, b) => a.rank - b.rank).slice(0, size);
  expect(chosen(list, size, 'client')).toEqual(new Set(lowest.map(({ id }) => id).sort()));
});

test('weights change nobody', () => {
  const light = weighted(Array(50).fill(1));
  const uneven = weighted(light.map((_, at) => 1 + (at % 7)));
  const policy = subset({ size: 10, clientId: 'client' }, roundRobin());
  const chain = new Chain(policy);
  const before = new Set(picked(chain.list(light), 200));
  expect(new Set(picked(chain.list(uneven), 200))).toEqual(before);
});

test('over many clients each endpoint is in equally many subsets, as chance has it', () => {
  const list = instances(50);
  const counts = new Map(list.map(({ id }) => [id, 0]));
  for (let client = 0; client < 1000; client++) {
    for (const id of chosen(list, 5, `client-${client}`)) counts.set(id, (counts.get(id) as number) + 1);
  }
  expect(chiSquare([...counts.values()], Array(50).fill(100))).toBeLessThan(chiSquareLimit(49));
});

test('clients that name no id differ from one another, and each stays with its own', () => {
  const [one, other] = [subset({ size: 5 }, roundRobin()), subset({ size: 5 }, roundRobin())];
  const list = instances(100);
  const idsOf = (policy: typeof one): string[] => [...new Set(picked(build(policy, list), 20))].sort();
  expect(idsOf(one)).toEqual(idsOf(one));
  expect(idsOf(one)).not.toEqual(idsOf(other));
});

test('refuses a size below 1', () => {
  expect(() => subset({ size: 0 }, roundRobin())).toThrow('got 0, at size');
});
