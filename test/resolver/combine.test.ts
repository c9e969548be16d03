/** Several registries as one list: whose word counts, for each state that two or three registries can be in. */
import { describe, expect, it } from 'vitest';
import { snapshotOf } from '../../registry/snapshot.js';
import { combine, graceEndsInMs, type KnownList, merge, preferred } from '../../resolver/combine.js';
import { instance, type Listed } from './memory-registry.js';

function known(listed: readonly Listed[], brokenMs?: number): KnownList {
  return { snapshot: snapshotOf('orders', listed.map(instance), 1), brokenMs };
}

const merged = (...lists: readonly KnownList[]) =>
  merge('orders', lists).instances.map(({ id, endpoint, status, note }) => [id, endpoint.port, status, note]);

describe('a merge', () => {
  it('has each id once, with the data of the registry named first', () => {
    const first = known([
      { id: 'a', port: 1 },
      { id: 'b', port: 2 },
    ]);
    const second = known([
      { id: 'b', port: 3 },
      { id: 'c', port: 4 },
    ]);
    expect(merged(first, second).map(([id, port]) => [id, port])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 4],
    ]);
  });

  it('has an address once that registries name differently, and twice where one registry does (T18)', () => {
    const first = known([
      { id: 'a', port: 1 },
      { id: 'b', port: 1 },
    ]);
    const second = known([
      { id: 'x', port: 1 },
      { id: 'y', port: 2 },
    ]);
    expect(merged(first, second).map(([id]) => id)).toEqual(['a', 'b', 'y']);
  });

  const drains: Listed = { id: 'a', status: 'draining', note: 'v2' };
  const rests: Listed = { id: 'a', status: 'maintenance', note: 'disk' };
  const passes: Listed = { id: 'a' };
  const warns: Listed = { id: 'a', status: 'warning' };

  it.each<[string, KnownList[], [string, string | undefined]]>([
    ['drains in the second', [known([passes]), known([drains])], ['draining', 'v2']],
    ['drains in the first', [known([drains]), known([passes])], ['draining', 'v2']],
    ['drains in one, rests in another', [known([drains]), known([rests])], ['maintenance', 'disk']],
    ['rests in one, drains in another', [known([rests]), known([drains])], ['maintenance', 'disk']],
    ['drains in the last of three', [known([passes]), known([warns]), known([drains])], ['draining', 'v2']],
    ['warns in the second only', [known([passes]), known([warns])], ['passing', undefined]],
    ['warns in the first only', [known([warns]), known([passes])], ['warning', undefined]],
    ['drained in one that is broken', [known([passes]), known([drains], 1)], ['passing', undefined]],
    ['passed in one that is broken', [known([passes], 1), known([drains])], ['draining', 'v2']],
    ['drained first in one that is broken', [known([drains], 1), known([passes])], ['passing', undefined]],
    ['drains in one, all being broken', [known([passes], 1), known([drains], 9)], ['draining', 'v2']],
    [
      'drained in one that is broken and is nowhere else',
      [known([drains], 1), known([])],
      ['draining', 'v2'],
    ],
  ])('of an instance that %s', (_, lists, status) => {
    expect(merged(...lists)).toEqual([['a', 80, ...status]]);
  });

  it('keeps the object of an instance on which all agree', () => {
    const first = known([passes]);
    expect(merge('orders', [first, known([passes])]).instances[0]).toBe(first.snapshot.instances[0]);
  });

  it('of one list is that list', () => {
    const only = known([passes]);
    expect(combine('merge', 'orders', [only]).snapshot).toBe(only.snapshot);
  });
});

describe('the preferred of three', () => {
  const GRACE = 10_000;
  const some = (brokenMs?: number) => known([{ id: 'a' }], brokenMs);
  const none = (brokenMs?: number) => known([], brokenMs);

  it.each<[string, KnownList[], number]>([
    ['all current', [some(), some(), some()], 0],
    ['the first empty', [none(), some(), some()], 1],
    ['the first broken just now', [some(0), some(), some()], 0],
    ['the first broken for almost the grace', [some(GRACE - 1), some(), some()], 0],
    ['the first broken for the grace', [some(GRACE), some(), some()], 1],
    ['two broken for long', [some(GRACE), some(GRACE), some()], 2],
    ['the first broken for long, the second empty', [some(GRACE), none(), some()], 2],
    ['the first broken for long, all others empty', [some(GRACE), none(), none()], 0],
    ['the first broken for long, the second for a moment', [some(GRACE), some(1), none()], 1],
    ['all broken for long', [some(GRACE), some(GRACE + 1), some(GRACE + 2)], 0],
    ['all empty', [none(), none(), none()], 0],
    ['all empty, the first broken', [none(1), none(), none()], 1],
    ['all empty and broken', [none(1), none(1), none(1)], 0],
  ])('with %s', (_, lists, chosen) => {
    expect(lists.indexOf(preferred(lists))).toBe(chosen);
  });

  it('is used when all that it lists is in maintenance: somebody meant it', () => {
    const first = known([{ id: 'a', status: 'maintenance' }]);
    expect(preferred([first, some()])).toBe(first);
  });

  it.each<[string, KnownList[], number | undefined]>([
    ['none is broken', [some(), none()], undefined],
    ['one broke just now', [some(0), some()], GRACE],
    ['two are broken', [some(4000), none(7000)], 3000],
    ['one is broken for long', [some(GRACE), some()], undefined],
  ])('is to be asked for again when a grace ends: %s', (_, lists, inMs) => {
    expect(graceEndsInMs(lists)).toBe(inMs);
  });
});
