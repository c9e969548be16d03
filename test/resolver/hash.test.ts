import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { consistentHash, type Pick, type Picker, type Policy, sticky } from '../../resolver/index.js';
import type { BoundedHash } from '../../resolver/policies/consistent-hash.js';
import { hashText } from '../../resolver/policies/hash.js';
import { HashRing } from '../../resolver/policies/hash-ring.js';
import { instance, instances } from './memory-registry.js';
import { build, Chain, picked, tally, weighted } from './picking.js';

const KEYS = Array.from({ length: 20_000 }, (_, n) => `session-${n}`);

/** Where each key goes while nothing else is in flight. */
function homes(picker: Picker): string[] {
  return KEYS.map((key) => picked(picker, 1, { key })[0] as string);
}

function moved(before: readonly string[], after: readonly string[]): number {
  return before.filter((id, at) => id !== after[at]).length / before.length;
}

function pointsOf(ring: HashRing): Int32Array {
  return Int32Array.from({ length: ring.points }, (_, point) => ring.owner(point));
}

function inFlight(picker: Picker): number[] {
  return (picker as BoundedHash).states.current.map((load) => load.inFlight);
}

test('the hash is the same for ever, because callers of different versions share keys', () => {
  expect([hashText(''), hashText('a'), hashText('session-1'), hashText('ä', 7)]).toMatchInlineSnapshot(`
    [
      2872998923,
      444641715,
      599268235,
      2695843298,
    ]
  `);
});

const BOTH: readonly (readonly [string, () => Policy])[] = [
  ['consistentHash', consistentHash],
  ['sticky', sticky],
];

describe.each(BOTH)('%s', (_name, policy) => {
  it('sends a key to the same endpoint, from every client and after every rebuild', () => {
    const list = instances(12);
    const chain = new Chain(policy());
    const first = homes(chain.list(list));
    expect(homes(chain.list(list))).toEqual(first);
    expect(homes(build(policy(), list, 99))).toEqual(first);
  });

  it.each([1, 4, 20, 50])('moves about 1 / (n + 1) of the keys when one joins %i, to it only (T11)', (n) => {
    const before = instances(n);
    const joined = instance({ id: 'joined' });
    const from = homes(build(policy(), before));
    const to = homes(build(policy(), [...before, joined]));
    const share = moved(from, to);
    expect(share).toBeGreaterThan(0.7 / (n + 1));
    expect(share).toBeLessThan(1.3 / (n + 1));
    expect(new Set(to.filter((id, at) => id !== from[at]))).toEqual(new Set(['joined']));
  });

  it('moves only the keys of the one that left', () => {
    const list = instances(10);
    const from = homes(build(policy(), list));
    const to = homes(
      build(
        policy(),
        list.filter(({ id }) => id !== 'i0003'),
      ),
    );
    from.forEach((id, at) => {
      if (id !== 'i0003') expect(to[at]).toBe(id);
    });
  });

  it('keeps keys through a new address of the same id', () => {
    const from = homes(build(policy(), instances(5)));
    const elsewhere = instances(5).map(({ id }) => instance({ id, host: '10.0.9.9', port: 1234 }));
    expect(homes(build(policy(), elsewhere))).toEqual(from);
  });

  it('gives each endpoint keys by weight', () => {
    const list = weighted([5, 3, 1, 1, 0.5]);
    const counts = tally(homes(build(policy(), list)));
    for (const { id, weight } of list) {
      expect((counts[id] ?? 0) / KEYS.length).toBeGreaterThan((0.75 * weight) / 10.5);
      expect((counts[id] ?? 0) / KEYS.length).toBeLessThan((1.25 * weight) / 10.5);
    }
  });

  it('takes keys that are numbers, and picks by chance without a usable key', () => {
    const picker = build(policy(), instances(8));
    expect(new Set(picked(picker, 20, { key: 7 }))).toEqual(new Set(picked(picker, 1, { key: '7' })));
    for (const request of [undefined, {}, { key: undefined }]) {
      expect(Object.keys(tally(picked(picker, 500, request)))).toHaveLength(8);
    }
  });

  it('treats weights of 0 alike', () => {
    expect(Object.keys(tally(homes(build(policy(), weighted([0, 0, 0])))))).toHaveLength(3);
  });
});

describe('a bounded load (Mirrokni, Thorup, Zadimoghaddam 2018)', () => {
  it('lets a hot key overflow, to the same neighbours in the same order', () => {
    const list = instances(10);
    const spread = (): string[] => {
      const picker = build(consistentHash(), list);
      return Array.from({ length: 100 }, () => (picker.pick({ key: 'hot' }) as Pick).instance.id);
    };
    expect(spread()).toEqual(spread());
    expect(Object.keys(tally(spread())).length).toBeGreaterThan(5);
  });

  it('never exceeds the bound, whatever the keys and weights, and always picks', () => {
    const someWeights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    const someKeys = fc.array(fc.nat(5), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(someWeights, someKeys, (weights, keys) => {
        const list = weighted(weights);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const picker = build(consistentHash({ bound: 1.25 }), list);
        keys.forEach((key, at) => {
          const pick = picker.pick({ key }) as Pick;
          const load = inFlight(picker)[list.indexOf(pick.instance)] as number;
          expect(load).toBeLessThanOrEqual(Math.ceil((1.25 * (at + 1) * pick.instance.weight) / total));
        });
      }),
    );
  });

  it('holds the bound also where a share is a whole number', () => {
    const picker = build(consistentHash({ bound: 1.25 }), weighted([14, 16, 20]));
    for (let n = 0; n < 6; n++) picker.pick({ key: 0 });
    expect(Math.max(...inFlight(picker))).toBe(3);
  });

  it('counts what is in flight through changes of the list, and ends at 0', () => {
    const chain = new Chain(consistentHash());
    const open: Pick[] = [];
    for (const ids of [['a', 'b', 'c'], ['c'], ['a', 'c', 'd'], ['b', 'c', 'd']]) {
      const picker = chain.list(instances(ids));
      for (let n = 0; n < 40; n++) open.push(picker.pick({ key: n }) as Pick);
      for (const pick of open.slice(0, 15)) pick.done('ok');
      expect(Math.min(...inFlight(picker))).toBeGreaterThanOrEqual(0);
    }
    for (const pick of open) pick.done('error');
    expect(inFlight(chain.picker as Picker)).toEqual([0, 0, 0]);
    expect(homes(chain.picker as Picker)).toEqual(homes(build(sticky(), instances(['b', 'c', 'd']))));
  });

  it.each([1, 0.5, Number.NaN])('refuses a bound of %d', (bound) => {
    expect(() => consistentHash({ bound })).toThrow(`expected a number from 1.01 to Infinity, got ${bound}`);
  });
});

describe('sticky', () => {
  it('never lets a key overflow', () => {
    const picker = build(sticky(), instances(10));
    const picks = Array.from({ length: 1000 }, () => picker.pick({ key: 'hot' }) as Pick);
    expect(new Set(picks).size).toBe(1);
  });
});

describe('the ring', () => {
  it('stays small and reaches everybody, however many members and however uneven', () => {
    const members = Array.from({ length: 10_000 }, (_, n) => ({ id: `i${n}`, weight: n === 0 ? 65_535 : 1 }));
    const ring = new HashRing(members);
    const owners = new Set(Array.from({ length: ring.points }, (_, point) => ring.owner(point)));
    expect(owners.size).toBe(10_000);
    expect(ring.points).toBeLessThan(2 ** 19);
  });

  it('is the same after any changes of the list as one that is built anew', () => {
    const weights = fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0.01, max: 50, noNaN: true }));
    const list = fc
      .uniqueArray(fc.tuple(fc.nat(30), weights), { minLength: 1, selector: ([n]) => n })
      .map((entries) =>
        entries.map(([n, weight]) => ({ id: `i${n}`, weight })).sort((a, b) => (a.id < b.id ? -1 : 1)),
      );
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 6 }), (lists) => {
        let ring: HashRing | undefined;
        for (const members of lists) {
          ring = new HashRing(members, ring);
          expect(pointsOf(ring)).toEqual(pointsOf(new HashRing(members)));
        }
      }),
    );
  });

  it('is so also where the hashes of two members are the same', () => {
    const members = Array.from({ length: 10_000 }, (_, n) => ({
      id: `i${`${n}`.padStart(5, '0')}`,
      weight: 1,
    }));
    const others = members.filter((_, n) => n % 100 !== 7);
    const following = new HashRing(members, new HashRing(others));
    expect(pointsOf(following)).toEqual(pointsOf(new HashRing(members)));
    expect(pointsOf(new HashRing(others, following))).toEqual(pointsOf(new HashRing(others)));
  });

  it('finds for any hash the first point at or after it, round the end', () => {
    const ring = new HashRing(instances(7) as readonly Instance[]);
    let before = ring.find(0);
    expect(before).toBe(0);
    for (let hash = 0; hash < 2 ** 32; hash += 999_983) {
      const at = ring.find(hash);
      expect(at === 0 || at >= before).toBe(true);
      if (at !== 0) before = at;
    }
    expect(ring.find(2 ** 32 - 1)).toBe(0);
    expect(ring.after(ring.points - 1)).toBe(0);
  });
});
