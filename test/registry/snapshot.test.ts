import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Instance, Snapshot } from '../../registry/contract.js';
import { sameInstance } from '../../registry/instance.js';
import { diff, isEmptyChange, patchedSnapshot, placesIn, snapshotOf } from '../../registry/snapshot.js';
import { instanceOf } from '../../registry/testing/index.js';

const instance = (id: string, weight = 1): Instance => instanceOf({ service: 'orders', id, weight });
const list = (...instances: readonly Instance[]): Snapshot => snapshotOf('orders', instances, 1);
const idsOf = (instances: readonly Instance[]): readonly string[] => instances.map(({ id }) => id);

describe('a snapshot', () => {
  test('is sorted by id, whatever the order in which the registry gave it', () => {
    expect(idsOf(list(instance('c'), instance('B'), instance('a')).instances)).toEqual(['B', 'a', 'c']);
  });

  test('holds each id once: the last one given (T18)', () => {
    const { instances } = list(instance('a', 1), instance('b'), instance('a', 9));
    expect(instances.map(({ id, weight }) => [id, weight])).toEqual([
      ['a', 9],
      ['b', 1],
    ]);
  });

  test('cannot be changed', () => {
    const snapshot = list(instance('a'));
    expect(Object.isFrozen(snapshot)).toBe(true);
    expect(() => (snapshot.instances as Instance[]).push(instance('b'))).toThrow(TypeError);
  });

  test('keeps service, revision and what was rejected', () => {
    const rejected = [{ entry: 'x', reason: 'expected a port, got nothing, at port' }];
    expect(snapshotOf('orders', [], 7, rejected)).toEqual({
      service: 'orders',
      instances: [],
      revision: 7,
      rejected,
    });
  });
});

describe('the difference of two snapshots', () => {
  test('names what came, what went and what became something else', () => {
    const [a, b, b2, c, d] = [instance('a'), instance('b'), instance('b', 5), instance('c'), instance('d')];
    expect(diff(list(a, b, c), list(b2, c, d))).toEqual({
      added: [d],
      removed: [a],
      updated: [{ before: b, after: b2 }],
    });
  });

  test('from nothing is everything, also when everything is nothing', () => {
    expect(diff(undefined, list(instance('a'))).added).toEqual([instance('a')]);
    expect(isEmptyChange(diff(undefined, list()))).toBe(true);
  });

  test('is empty between equal lists, and revisions do not count', () => {
    const before = snapshotOf('orders', [instance('a')], 1);
    expect(isEmptyChange(diff(before, snapshotOf('orders', [instance('a')], 2)))).toBe(true);
  });

  test.each([
    ['added', { added: [instance('a')], removed: [], updated: [] }],
    ['removed', { added: [], removed: [instance('a')], updated: [] }],
    ['updated', { added: [], removed: [], updated: [{ before: instance('a'), after: instance('a', 2) }] }],
  ])('with anything %s is not empty', (_, change) => {
    expect(isEmptyChange(change)).toBe(false);
  });
});

const anyList: fc.Arbitrary<Snapshot> = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.nat({ max: 2 })), { maxLength: 10 })
  .map((entries) => list(...entries.map(([id, weight]) => instance(id, weight))));

describe('for any two lists', () => {
  test('applying the difference to the first gives the second', () => {
    fc.assert(
      fc.property(anyList, anyList, (before, after) => {
        const { added, removed, updated } = diff(before, after);
        const gone = new Set([...removed, ...updated.map((change) => change.before)]);
        const kept = before.instances.filter((each) => !gone.has(each));
        expect(list(...kept, ...added, ...updated.map((change) => change.after))).toEqual(after);
      }),
    );
  });

  test('the difference is empty exactly when they are equal', () => {
    fc.assert(
      fc.property(anyList, anyList, (before, after) => {
        const equal =
          before.instances.length === after.instances.length &&
          before.instances.every((each, i) => sameInstance(each, after.instances[i] as Instance));
        expect(isEmptyChange(diff(before, after))).toBe(equal);
        expect(isEmptyChange(diff(after, after))).toBe(true);
      }),
    );
  });

  test('the way back is the same difference with its sides exchanged', () => {
    fc.assert(
      fc.property(anyList, anyList, (before, after) => {
        const [there, back] = [diff(before, after), diff(after, before)];
        expect(idsOf(back.added)).toEqual(idsOf(there.removed));
        expect(idsOf(back.removed)).toEqual(idsOf(there.added));
        expect(back.updated).toEqual(
          there.updated.map((change) => ({ before: change.after, after: change.before })),
        );
      }),
    );
  });
});

describe('a patched snapshot', () => {
  const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
  const weights = fc.integer({ min: 0, max: 3 });

  test('is the one that would have been built anew', () => {
    fc.assert(
      fc.property(
        fc.dictionary(ids, weights),
        fc.array(fc.tuple(ids, fc.option(weights, { nil: undefined }))),
        (before, changes) => {
          const old = snapshotOf(
            'orders',
            Object.entries(before).map(([id, w]) => instance(id, w)),
            1,
          );
          const patch = new Map(
            changes.map(([id, w]) => [id, w === undefined ? undefined : instance(id, w)]),
          );
          const expected = new Map(old.instances.map((each) => [each.id, each]));
          for (const [id, next] of patch) {
            if (next === undefined) expected.delete(id);
            else expected.set(id, next);
          }
          expect(patchedSnapshot(old, patch, 2)).toEqual(snapshotOf('orders', expected.values(), 2));
        },
      ),
    );
  });

  test('keeps the very instances that did not change', () => {
    const before = list(instance('a'), instance('b'), instance('c'));
    const after = patchedSnapshot(before, new Map([['b', instance('b', 9)]]), 2);
    expect(after.instances[0]).toBe(before.instances[0]);
    expect(after.instances[2]).toBe(before.instances[2]);
  });
});

describe('the places of a list in the one before', () => {
  const places = (before: string, after: string) => {
    const { former, ...others } = placesIn(
      [...before].map((id) => ({ id })),
      [...after].map((id) => ({ id })),
    );
    return { former: [...former], ...others };
  };

  test.each([
    ['', '', { former: [], joined: [], gone: [] }],
    ['', 'ab', { former: [-1, -1], joined: [0, 1], gone: [] }],
    ['ab', '', { former: [], joined: [], gone: [0, 1] }],
    ['bd', 'abcde', { former: [-1, 0, -1, 1, -1], joined: [0, 2, 4], gone: [] }],
    ['abcde', 'bd', { former: [1, 3], joined: [], gone: [0, 2, 4] }],
    ['ac', 'bc', { former: [-1, 1], joined: [0], gone: [0] }],
  ])('from %j to %j', (before, after, expected) => {
    expect(places(before, after)).toEqual(expected);
  });

  test('are found by id in any two lists, also in those that are not sorted', () => {
    const ids = fc.uniqueArray(fc.constantFrom(...'abcdefghijk'));
    fc.assert(
      fc.property(ids, ids, fc.boolean(), (one, other, isSorted) => {
        const [before, after] = isSorted ? [one.toSorted(), other.toSorted()] : [one, other];
        const { former, joined, gone } = places(before.join(''), after.join(''));
        expect(former).toEqual(after.map((id) => before.indexOf(id)));
        expect(joined.map((at) => after[at])).toEqual(after.filter((id) => !before.includes(id)));
        expect(gone.map((at) => before[at])).toEqual(before.filter((id) => !after.includes(id)));
      }),
    );
  });
});
