import { describe, expect, it, test } from 'vitest';
import { consistentHash, leastLoaded, random, roundRobin, slowStart } from '../../resolver/index.js';
import { instance, instances } from './memory-registry.js';
import { Chain, picked, tally } from './picking.js';

/** The share that `new` has of so many picks, beside three others. */
function shareOfNew(chain: Chain, picks = 4000): number {
  return (tally(picked(chain.picker as NonNullable<Chain['picker']>, picks)).new ?? 0) / picks;
}

function joined(policy = roundRobin(), ids = ['a', 'b', 'c', 'new']): Chain {
  const chain = new Chain(slowStart({}, policy));
  chain.list(instances(ids.slice(0, -1)));
  chain.list(instances(ids));
  return chain;
}

const shareAt = (grown: number): number => grown / (3 + grown);

describe.each([
  ['roundRobin', roundRobin],
  ['random', random],
  ['leastLoaded', leastLoaded],
] as const)('under %s', (_name, policy) => {
  it.each([
    { afterMs: 0, grown: 0.1 },
    { afterMs: 1500, grown: 0.1 },
    { afterMs: 15_000, grown: 0.5 },
    { afterMs: 27_000, grown: 0.9 },
    { afterMs: 30_000, grown: 1 },
    { afterMs: 90_000, grown: 1 },
  ])('$afterMs ms after it joined an endpoint has $grown of its weight', ({ afterMs, grown }) => {
    const chain = joined(policy());
    chain.clock.advance(afterMs);
    expect(Math.abs(shareOfNew(chain, 20_000) - shareAt(grown))).toBeLessThan(0.01);
  });
});

test('grows while picks go on, without any change of the list', () => {
  const chain = joined();
  const shares = Array.from({ length: 20 }, () => {
    chain.clock.advance(1500);
    return shareOfNew(chain);
  });
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBeCloseTo(0.25);
});

test('takes the first list as it is', () => {
  const chain = new Chain(slowStart({}, roundRobin()));
  chain.list([...instances(['a', 'b', 'c']), instance({ id: 'new' })]);
  expect(shareOfNew(chain)).toBeCloseTo(0.25);
});

test('is not begun anew by an update, a short absence, or the joining of another', () => {
  const chain = joined();
  chain.clock.advance(15_000);
  chain.list(instances(['a', 'b', 'c']));
  chain.clock.advance(12_000);
  chain.list(instances(['a', 'b', 'c', 'new']));
  expect(shareOfNew(chain)).toBeCloseTo(shareAt(0.9), 2);
  chain.list(instances(['a', 'b', 'c', 'd', 'new']));
  expect(shareOfNew(chain)).toBeCloseTo(0.9 / (3 + 0.1 + 0.9), 2);
});

test('begins anew at another address, and after more than a minute away', () => {
  const chain = joined();
  chain.clock.advance(40_000);
  chain.list([...instances(['a', 'b', 'c']), instance({ id: 'new', port: 81 })]);
  expect(shareOfNew(chain)).toBeCloseTo(shareAt(0.1), 2);
  chain.list(instances(['a', 'b', 'c']));
  chain.clock.advance(60_001);
  chain.list(instances(['a', 'b', 'c']));
  chain.list(instances(['a', 'b', 'c', 'new']));
  expect(shareOfNew(chain)).toBeCloseTo(shareAt(0.1), 2);
});

test('shares alike where all are new', () => {
  const chain = new Chain(slowStart({}, roundRobin()));
  chain.list(instances(['old']));
  chain.list(instances(['x', 'y']));
  expect(tally(picked(chain.picker as NonNullable<Chain['picker']>, 100))).toEqual({ x: 50, y: 50 });
});

test('keeps what the inner policy knows through every step', () => {
  const chain = joined(leastLoaded());
  const held = Array.from({ length: 40 }, () => chain.picker?.pick());
  chain.clock.advance(31_000);
  // Forgotten, it would be a fourth; known to be idle, it wins wherever it is one of the two.
  expect(shareOfNew(chain, 100)).toBeGreaterThan(0.4);
  for (const pick of held) pick?.done('ok');
});

test('moves keys to a new endpoint little by little, and none between the others', () => {
  const chain = joined(consistentHash());
  const keys = Array.from({ length: 2000 }, (_, n) => `k${n}`);
  const homes = (): string[] =>
    keys.map((key) => picked(chain.picker as NonNullable<Chain['picker']>, 1, { key })[0] as string);
  let before = homes();
  for (let step = 0; step < 20; step++) {
    chain.clock.advance(1500);
    const after = homes();
    const others = after.filter((id, at) => id !== before[at] && id !== 'new');
    expect(others).toEqual([]);
    before = after;
  }
  expect(before.filter((id) => id === 'new').length / 2000).toBeGreaterThan(0.15);
});

test('hands out the listed instances themselves once all have their weight', () => {
  const list = instances(['a', 'b']);
  const chain = new Chain(slowStart({}, roundRobin()));
  chain.list(list.slice(0, 1));
  chain.list(list);
  expect(list).toContainEqual(expect.objectContaining({ id: chain.picker?.pick()?.instance.id }));
  chain.clock.advance(30_000);
  expect(list).toContain(chain.picker?.pick()?.instance);
});

test('refuses options that make no sense', () => {
  expect(() => slowStart({ windowMs: 0, minShare: 0 }, random())).toThrow(
    /got 0, at windowMs\n.*got 0, at minShare/,
  );
});
