/** Passive health in simulated clusters, with a seed: what callers see of a fault, and how soon they no longer do. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  type EjectionOptions,
  leastLoaded,
  type Outcome,
  type Pick,
  type Policy,
  roundRobin,
} from '../../../resolver/index.js';
import { type Answer, shareOf, simulate } from '../../simulator/simulated-cluster.js';
import { instance, instances } from '../memory-registry.js';
import { type Healthy, healthy } from './healthy.js';

const GOOD: Answer = { latencyMs: 10 };
const REFUSES: Answer = { latencyMs: 1, outcome: 'error', details: { failure: 'connect' } };
const RESETS: Answer = { latencyMs: 1, outcome: 'error', details: { failure: 'reset' } };
const HANGS: Answer = { latencyMs: 1000, outcome: 'error', details: { failure: 'timeout' } };

interface Run {
  readonly endpoints: number;
  readonly seconds: number;
  readonly answer: (at: number, ms: number) => Answer;
  readonly policy?: Policy;
  readonly options?: EjectionOptions;
  readonly perSecond?: number;
}

/** The world after it, the picks of each second, and how many requests failed in each. */
function run({ endpoints, seconds, answer, policy = roundRobin(), options = {}, perSecond = 200 }: Run) {
  const world = healthy(instances(endpoints), options, policy, 7);
  const failed: number[] = Array(seconds).fill(0);
  const panics: boolean[] = [];
  const counts = simulate({
    picker: () => world.picker,
    clock: world.clock,
    perSecond,
    seconds,
    answer: (id, ms) => {
      const given = answer(Number(id.slice(1)), ms);
      const second = Math.floor(ms / 1000);
      if (given.outcome === 'error') failed[second] = (failed[second] ?? 0) + 1;
      panics[second] = world.health.now().isPanic;
      return given;
    },
  });
  return { world, counts, failed, panics };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

describe('a dead endpoint', () => {
  it.each([
    { policy: roundRobin(), name: 'round-robin' },
    { policy: leastLoaded(), name: 'least loaded, to which it looks idle' },
  ])('costs one request, and then one for each probe: $name', ({ policy }) => {
    const { failed, counts } = run({
      endpoints: 5,
      seconds: 60,
      policy,
      answer: (at) => (at === 1 ? REFUSES : GOOD),
    });
    expect(sum(failed)).toBeLessThanOrEqual(8);
    expect(shareOf('i0001', counts, 1)).toBeLessThan(0.001);
  });

  it('is back within the length of an ejection after it lives again', () => {
    const { counts, world } = run({
      endpoints: 5,
      seconds: 30,
      answer: (at, ms) => (at === 1 && ms < 10_000 ? REFUSES : GOOD),
    });
    expect(shareOf('i0001', counts, 27)).toBeGreaterThan(0.18);
    expect(world.ejected()).toEqual([]);
  });
});

test('a hung endpoint has at most 2 % of the picks after 2 s where the load is looked at, and few anywhere else', () => {
  const answer = (at: number) => (at === 1 ? HANGS : GOOD);
  const byLoad = run({ endpoints: 3, seconds: 20, policy: leastLoaded(), answer });
  expect(shareOf('i0001', byLoad.counts, 2)).toBeLessThanOrEqual(0.02);
  const inTurn = run({ endpoints: 3, seconds: 20, answer });
  expect(shareOf('i0001', inTurn.counts, 2)).toBeLessThanOrEqual(0.02);
});

test('a slow endpoint is ejected after one interval, and again each time it is back', () => {
  const { counts, world } = run({
    endpoints: 6,
    seconds: 60,
    answer: (at) => (at === 1 ? { latencyMs: 800 } : GOOD),
  });
  expect(shareOf('i0001', counts.slice(0, 10))).toBeGreaterThan(0.1);
  expect(shareOf('i0001', counts, 11)).toBeLessThan(0.12);
  expect(world.counts.ejections.latency).toBeGreaterThan(1);
});

test('an endpoint that fails every other request is ejected although it never fails five in a row', () => {
  let turn = 0;
  const { counts, world } = run({
    endpoints: 6,
    seconds: 40,
    answer: (at) => (at === 1 && turn++ % 2 === 0 ? RESETS : GOOD),
  });
  expect(world.counts.ejections).toMatchObject({ consecutive: 0, connect: 0 });
  expect(world.counts.ejections['success-rate']).toBeGreaterThanOrEqual(1);
  expect(shareOf('i0001', counts, 11)).toBeLessThan(0.12);
});

test('an endpoint that flaps is away longer each time', () => {
  const { failed } = run({
    endpoints: 5,
    seconds: 120,
    answer: (at, ms) => (at === 1 && Math.floor(ms / 500) % 2 === 0 ? REFUSES : GOOD),
  });
  expect(sum(failed.slice(60))).toBeLessThan(sum(failed.slice(0, 60)));
  expect(sum(failed)).toBeLessThan(40);
});

describe('of two endpoints', () => {
  it('the dead one is left out, and when both are dead both are tried', () => {
    const { counts, panics } = run({
      endpoints: 2,
      seconds: 30,
      answer: (at, ms) => (at === 1 || (ms >= 10_000 && ms < 20_000) ? REFUSES : GOOD),
    });
    expect(shareOf('i0001', counts.slice(0, 10), 1)).toBeLessThan(0.01);
    const whileDead = counts.slice(11, 19);
    expect(shareOf('i0000', whileDead)).toBeGreaterThan(0.3);
    expect(shareOf('i0001', whileDead)).toBeGreaterThan(0.3);
    expect(panics.slice(11, 19)).not.toContain(false);
    expect(shareOf('i0000', counts, 21)).toBeGreaterThan(0.95);
  });
});

describe('when 8 of 10 reset every connection (row 22)', () => {
  const RECOVERY_S = 20;
  const { counts, panics, failed, world } = run({
    endpoints: 10,
    seconds: 40,
    answer: (at, ms) => (at >= 2 && ms >= 5000 && ms < RECOVERY_S * 1000 ? RESETS : GOOD),
  });

  it('a pick always finds an endpoint, and the healthy two have traffic', () => {
    for (const second of counts.slice(6, RECOVERY_S)) {
      expect(sum(Object.values(second))).toBeGreaterThan(100);
      expect(second.i0000).toBeGreaterThan(0);
      expect(second.i0001).toBeGreaterThan(0);
    }
  });

  it('there is one panic, and it is over 2 s after the recovery at the latest', () => {
    expect(panics.slice(7, RECOVERY_S)).not.toContain(false);
    expect(panics.slice(RECOVERY_S + 2)).not.toContain(true);
    expect(world.counts.panics).toBe(1);
  });

  it('nothing fails any more and all have their share soon after', () => {
    expect(sum(failed.slice(RECOVERY_S + 1))).toBe(0);
    for (let at = 0; at < 10; at++) expect(shareOf(`i000${at}`, counts, 35)).toBeGreaterThan(0.08);
  });
});

test('when everybody fails everybody is tried, and one answer is enough to begin again', () => {
  const { counts, panics } = run({
    endpoints: 6,
    seconds: 20,
    answer: (_, ms) => (ms < 10_000 ? REFUSES : GOOD),
  });
  for (let at = 0; at < 6; at++) expect(shareOf(`i000${at}`, counts.slice(0, 10), 1)).toBeGreaterThan(0.12);
  expect(panics[5]).toBe(true);
  expect(panics.slice(11)).not.toContain(true);
});

const OUTCOMES = ['ok', 'error', 'cancelled'] as const satisfies readonly Outcome[];

test('whatever happens, a pick finds an endpoint, limits hold, and the books balance (T13, T16, T19)', () => {
  const step = fc.record({
    members: fc.uniqueArray(fc.nat(11), { minLength: 1 }),
    picks: fc.nat(15),
    ends: fc.array(fc.tuple(fc.nat(30), fc.constantFrom(...OUTCOMES), fc.boolean())),
    ms: fc.oneof(fc.nat(500), fc.nat(70_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const world: Healthy = healthy([instance({ id: 'first' })], { consecutiveFailures: 2 });
      let open: Pick[] = [];
      for (const { members, picks, ends, ms } of steps) {
        const list = members.toSorted((a, b) => a - b).map((n) => instance({ id: `i${n}` }));
        world.list(list);
        const made = Array.from({ length: picks }, () => world.picker.pick() as Pick);
        for (const pick of made) expect(list.map(({ id }) => id)).toContain(pick.instance.id);
        open.push(...made);
        for (const [at, outcome, refused] of ends) {
          open[at]?.done(outcome, refused ? { failure: 'connect' } : {});
        }
        world.clock.advance(ms);
        const limit = Math.min(list.length - 1, Math.max(1, Math.floor(list.length * 0.33)));
        expect(world.ejected().length).toBeLessThanOrEqual(limit);
        expect(world.health.pickable.length).toBeGreaterThan(0);
        expect(world.health.size).toBeLessThanOrEqual(13);
      }
      for (const pick of open) pick.done('cancelled');
      open = [];
      expect(world.counts.inFlight).toBe(0);
    }),
    { numRuns: 200 },
  );
});
