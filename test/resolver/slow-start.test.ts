import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  consistentHash,
  leastLoaded,
  random,
  roundRobin,
  seededRandom,
  slowStart,
} from '../../resolver/index.js';
import { HandClock } from '../simulator/hand-clock.js';
import { instance, instances } from './memory-registry.js';
import { Chain, described, picked, tally } from './picking.js';

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
  ])('$afterMs ms after it joined an endpoint has $grown of its weight (T9)', ({ afterMs, grown }) => {
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

test('is not begun anew by an update, a short absence, or the joining of another (T17)', () => {
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

test('goes by the time of this caller alone, whatever the clocks on the wall and in the registry say (T34)', () => {
  const clock = new HandClock();
  const skewed = {
    now: () => clock.now(),
    wallNow: () => (clock.now() % 7) * 1e12 - 3e12,
    after: clock.after,
  };
  const context = { clock: skewed, random: seededRandom(1) };
  const startedAt = (value: string) => described('new', { metadata: { timestamp: value, startedAt: value } });
  const policy = slowStart({}, roundRobin());
  for (const claim of ['0', '99999999999999', '-1', '1970-01-01T00:00:00Z', '2999-01-01T00:00:00Z']) {
    const before = policy.build(instances(['a', 'b', 'c']), undefined, context);
    const picker = policy.build([...instances(['a', 'b', 'c']), startedAt(claim)], before, context);
    expect((tally(picked(picker, 6200)).new ?? 0) / 6200).toBeCloseTo(shareAt(0.1), 2);
    clock.advance(15_000);
    expect((tally(picked(picker, 7000)).new ?? 0) / 7000).toBeCloseTo(shareAt(0.5), 2);
    clock.advance(15_000);
    expect((tally(picked(picker, 4000)).new ?? 0) / 4000).toBeCloseTo(0.25, 2);
  }
});

describe('where most are new', () => {
  it('those who are not get half as much again as an even share, and no more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 30 }), (old, joining) => {
        const chain = new Chain(slowStart({}, roundRobin()));
        const before = instances(Array.from({ length: old }, (_, n) => `a${n}`));
        chain.list(before);
        chain.list([...before, ...instances(Array.from({ length: joining }, (_, n) => `b${n}`))]);
        const counts = tally(picked(chain.picker as NonNullable<Chain['picker']>, 200 * (old + joining)));
        for (const { id } of before) expect(counts[id] as number).toBeLessThanOrEqual(301);
      }),
      { numRuns: 50 },
    );
  });

  it('newcomers are told apart by their age all the same', () => {
    const chain = new Chain(slowStart({}, roundRobin()));
    chain.list(instances(['old']));
    for (const ids of [
      ['old', 'x'],
      ['old', 'x', 'y'],
      ['old', 'x', 'y', 'z'],
    ]) {
      chain.clock.advance(6000);
      chain.list(instances(ids));
    }
    const {
      old = 0,
      x = 0,
      y = 0,
      z = 0,
    } = tally(picked(chain.picker as NonNullable<Chain['picker']>, 4000));
    expect(old).toBeGreaterThan(x);
    expect(x).toBeGreaterThan(y);
    expect(y).toBeGreaterThan(z);
  });
});

test('refuses options that make no sense', () => {
  expect(() => slowStart({ windowMs: 0, minShare: 0 }, random())).toThrow(
    /got 0, at windowMs\n.*got 0, at minShare/,
  );
});
