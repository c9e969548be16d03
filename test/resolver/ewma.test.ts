import { describe, expect, it, test } from 'vitest';
import {
  type Outcome,
  type PeakEwmaOptions,
  type Pick,
  type Picker,
  peakEwma,
} from '../../resolver/index.js';
import { AnsweringLoad, ClusterLatency } from '../../resolver/policies/latency.js';
import type { PeakEwma } from '../../resolver/policies/peak-ewma.js';
import { HandClock } from '../simulator/hand-clock.js';
import { type Answer, shareOf, simulate } from '../simulator/simulated-cluster.js';
import { instance, instances } from './memory-registry.js';
import { build, Chain, misfit, picked, tally, weighted } from './picking.js';

interface Cluster {
  readonly ids: readonly string[];
  readonly perSecond: number;
  readonly seconds?: number;
  readonly options?: PeakEwmaOptions;
  readonly answer: (id: string, ms: number) => Answer;
}

function run({ ids, perSecond, seconds = 20, options, answer }: Cluster): Record<string, number>[] {
  const chain = new Chain(peakEwma(options), 3);
  chain.list(instances(ids));
  return simulate({ picker: () => chain.picker as Picker, clock: chain.clock, perSecond, seconds, answer });
}

describe('the latency of an endpoint', () => {
  const rules = { tauMs: 10_000, penaltyMs: 5000 };

  function measured(seedMs?: number) {
    const clock = new HandClock();
    const cluster = new ClusterLatency(rules, clock);
    const load = new AnsweringLoad(instance({ id: 'a' }), true, cluster, seedMs);
    const end = (outcome: Outcome, latencyMs?: number, sincePickMs = 0): void => {
      load.begin();
      load.answer(outcome, clock.now() - sincePickMs, latencyMs === undefined ? {} : { latencyMs });
    };
    return { clock, cluster, load, end, now: () => load.latencyMs(clock.now()) };
  }

  it('is that of the cluster until it was measured', () => {
    const { cluster, now } = measured();
    cluster.observe(40, 0);
    expect(now()).toBe(40);
  });

  it('follows a rise at once and a fall within tau', () => {
    const { clock, end, now } = measured();
    end('ok', 10);
    end('ok', 100);
    expect(now()).toBe(100);
    clock.advance(10_000);
    end('ok', 10);
    expect(now()).toBeCloseTo(10 + 90 / Math.E);
  });

  it('fades toward the mean of the cluster, from either side, and never toward 0 (T10)', () => {
    for (const seedMs of [2, 800]) {
      const { clock, cluster, now } = measured(seedMs);
      cluster.observe(50, 0);
      clock.advance(10_000);
      expect(now()).toBeCloseTo(50 + (seedMs - 50) / Math.E);
      clock.advance(1_000_000);
      expect(now()).toBeCloseTo(50);
    }
  });

  it('takes a good answer after a long rest for what it is', () => {
    const { clock, cluster, end, now } = measured(2);
    cluster.observe(200, 0);
    clock.advance(100_000);
    end('ok', 3);
    expect(now()).toBeCloseTo(3);
  });

  it.each([0, 1, 4999, 9000])('is never improved by a failure, here of %i ms (T10)', (latencyMs) => {
    const { end, now } = measured(6000);
    end('error', latencyMs);
    expect(now()).toBe(Math.max(6000, latencyMs));
  });

  it('is at least the penalty after a failure, and the mean of the cluster is not', () => {
    const { cluster, end, now } = measured(5);
    cluster.observe(5, 0);
    end('error', 1);
    expect(now()).toBe(5000);
    expect(cluster.meanMs).toBe(5);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'is measured from the pick where %d is reported',
    (latencyMs) => {
      const { end, clock, now } = measured();
      clock.advance(30);
      end('ok', latencyMs, 30);
      expect(now()).toBe(30);
    },
  );

  it.each([0, -5])('is never so short that what is in flight does not matter: %d', (latencyMs) => {
    const { load, end, now } = measured();
    end('ok', latencyMs);
    const idle = load.score(0);
    load.begin();
    expect(now()).toBeGreaterThan(0);
    expect(load.score(0)).toBeGreaterThan(idle);
  });

  it('is not changed by a request that the caller gave up', () => {
    const { load, end, now } = measured(5);
    end('cancelled', 60_000);
    expect(now()).toBe(5);
    expect(load.inFlight).toBe(0);
  });
});

describe('picks', () => {
  it.each([{ weights: [1, 1, 1] }, { weights: [10, 1] }, { weights: [6, 3, 1] }])(
    'go by weight where all answer alike: $weights',
    ({ weights }) => {
      const list = weighted(weights);
      expect(misfit(list, picked(build(peakEwma(), list), 20_000))).toBeLessThan(1);
    },
  );

  it('avoid the slow, by more the slower they are', () => {
    const latencyMs = { fast: 5, slow: 20, slower: 100 };
    const counts = run({
      ids: Object.keys(latencyMs),
      perSecond: 200,
      answer: (id) => ({ latencyMs: latencyMs[id as keyof typeof latencyMs] }),
    });
    expect(shareOf('fast', counts, 1)).toBeGreaterThan(0.6);
    expect(shareOf('slow', counts, 1)).toBeGreaterThan(shareOf('slower', counts, 1));
  });

  it.each([20, 200, 2000])('do not crowd the faster of 5 and 6 ms at %i per second (T8)', (perSecond) => {
    const counts = run({
      ids: ['fast', 'near'],
      perSecond,
      answer: (id) => ({ latencyMs: id === 'fast' ? 5 : 6 }),
    });
    expect(shareOf('near', counts)).toBeGreaterThan(0.35);
  });

  it('leave the slowest its floor share', () => {
    const answer = (id: string) => ({ latencyMs: id === 'slow' ? 900 : 2 });
    const counts = run({
      ids: ['a', 'b', 'c', 'slow'],
      perSecond: 400,
      answer,
      options: { floorShare: 0.2 },
    });
    // A fifth of the picks by weight alone, of which a fourth: 5 %.
    expect(shareOf('slow', counts, 2)).toBeGreaterThan(0.04);
    expect(shareOf('slow', counts, 2)).toBeLessThan(0.07);
  });

  it('are not attracted by who fails fast (T10)', () => {
    const answer = (id: string): Answer =>
      id === 'bad' ? { latencyMs: 1, outcome: 'error' } : { latencyMs: 20 };
    const counts = run({ ids: ['a', 'b', 'c', 'bad'], perSecond: 200, answer });
    expect(shareOf('bad', counts, 1)).toBeLessThan(0.05);
  });

  it('come back to an endpoint that recovered, within a minute or so', () => {
    const answer = (id: string, ms: number): Answer =>
      id === 'a' && ms < 60_000 ? { latencyMs: 5, outcome: 'error' } : { latencyMs: 5 };
    const counts = run({ ids: ['a', 'b', 'c'], perSecond: 100, seconds: 200, answer });
    expect(shareOf('a', counts.slice(0, 60), 10)).toBeLessThan(0.02);
    expect(shareOf('a', counts, 150)).toBeGreaterThan(0.25);
  });

  test('at most 2 % go to an endpoint that hangs, after 2 s', () => {
    const ids = Array.from({ length: 10 }, (_, n) => `i${n}`);
    const answer = (id: string) => ({ latencyMs: id === 'i3' ? undefined : 10 });
    expect(shareOf('i3', run({ ids, perSecond: 500, answer }), 2)).toBeLessThanOrEqual(0.02);
  });
});

describe('an endpoint that joins later (T9)', () => {
  const ids = Array.from({ length: 9 }, (_, n) => `i${n}`);

  function joined(latencyOfNew: number | undefined): Record<string, number>[] {
    const chain = new Chain(peakEwma(), 3);
    chain.list(instances(ids));
    const traffic = {
      picker: () => chain.picker as Picker,
      clock: chain.clock,
      perSecond: 500,
      answer: (id: string) => ({ latencyMs: id === 'new' ? latencyOfNew : 40 }),
    };
    simulate({ ...traffic, seconds: 5 });
    chain.list(instances([...ids, 'new']));
    return simulate({ ...traffic, seconds: 5 });
  }

  it('is taken for as fast as the median, and so gets its tenth', () => {
    expect(shareOf('new', joined(40).slice(0, 1))).toBeGreaterThan(0.05);
    expect(shareOf('new', joined(40).slice(0, 1))).toBeLessThan(0.15);
  });

  it.each([9, 255, 256, 2000])('is taken for about as fast as the median of %i', (count) => {
    const chain = new Chain(peakEwma());
    const list = instances(count);
    for (const [at, load] of (chain.list(list) as PeakEwma).states.current.entries()) {
      load.begin();
      load.answer('ok', 0, { latencyMs: 1 + at });
    }
    const { current } = (chain.list([...list, instance({ id: 'new' })]) as PeakEwma).states;
    expect(Math.abs((current.at(-1)?.latencyMs(0) as number) - count / 2)).toBeLessThanOrEqual(
      1 + count / 100,
    );
  });

  it('gets little when it hangs from the start', () => {
    expect(shareOf('new', joined(undefined))).toBeLessThanOrEqual(0.02);
  });
});

describe('what is in flight', () => {
  it('returns to 0 when every pick is done, once each (T16)', () => {
    const chain = new Chain(peakEwma());
    const picks: Pick[] = [];
    for (const ids of [['a', 'b', 'c'], ['b'], ['a', 'b']]) {
      const picker = chain.list(instances(ids));
      for (let n = 0; n < 30; n++) picks.push(picker.pick() as Pick);
    }
    for (const outcome of ['cancelled', 'ok'] as const) for (const pick of picks) pick.done(outcome);
    const loads = (chain.picker as PeakEwma).states.current;
    expect(loads.map((load) => load.inFlight)).toEqual([0, 0]);
  });

  it('is timed by the pick itself when the caller reports no latency', () => {
    const chain = new Chain(peakEwma());
    const picker = chain.list(instances(['a']));
    const pick = picker.pick() as Pick;
    chain.clock.advance(70);
    pick.done('ok');
    expect((picker as PeakEwma).cluster.meanMs).toBe(70);
  });

  it('survives an update of the list (T7)', () => {
    const chain = new Chain(peakEwma({ floorShare: 0 }));
    const picker = chain.list(instances(['a', 'b']));
    for (let n = 0; n < 10; n++) {
      const pick = picker.pick() as Pick;
      pick.done('ok', { latencyMs: pick.instance.id === 'a' ? 100 : 1 });
    }
    expect(tally(picked(chain.list(instances(['a', 'b'])), 50))).toEqual({ b: 50 });
  });
});

test.each([
  [{ tauMs: 0 }, 'expected a number from 1 to 3600000, got 0, at tauMs'],
  [{ floorShare: 1.5, penaltyMs: -1 }, /got -1, at penaltyMs\n.*got 1.5, at floorShare/],
])('refuses %o', (options, message) => {
  expect(() => peakEwma(options)).toThrow(message);
});
