import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  ejectionMs,
  FORGIVEN_AFTER_MS,
  PROBE_PATIENCE_MS,
} from '../../../resolver/ejection/endpoint-health.js';
import { exclusions, mostEjected } from '../../../resolver/ejection/exclusions.js';
import { outstanding, Sample } from '../../../resolver/ejection/sample.js';
import {
  type EjectionOptions,
  filtered,
  isPilotfishError,
  roundRobin,
  seededRandom,
} from '../../../resolver/index.js';
import { instance, instances } from '../memory-registry.js';
import { described, tally } from '../picking.js';
import { FAILED, type Healthy, healthy, OK, REFUSED, rulesOf } from './healthy.js';

const TRIO = ['a', 'b', 'c'];

function fail(world: Healthy, id: string, times: number): void {
  for (let n = 0; n < times; n++) world.pickOf(id).done(...FAILED);
}

function picks(world: Healthy, count: number): Record<string, number> {
  return tally(Array.from({ length: count }, () => world.request()));
}

describe('an endpoint is ejected', () => {
  it('after 5 failures in a row, and no sooner (T14)', () => {
    const world = healthy(instances(TRIO));
    fail(world, 'a', 4);
    expect(world.ejected()).toEqual([]);
    fail(world, 'a', 1);
    expect(world.ejected()).toEqual(['a']);
    expect(picks(world, 10)).toEqual({ b: 5, c: 5 });
    expect(world.counts.ejections.consecutive).toBe(1);
  });

  it('never by failures that a success parts', () => {
    const world = healthy(instances(TRIO));
    for (let round = 0; round < 10; round++) {
      fail(world, 'a', 4);
      world.pickOf('a').done(...OK);
    }
    expect(world.ejected()).toEqual([]);
  });

  it('by one refused connection, for a second at most', () => {
    const world = healthy(instances(TRIO));
    world.pickOf('a').done(...REFUSED);
    expect(world.ejected()).toEqual(['a']);
    world.clock.advance(1000);
    expect(picks(world, 3).a).toBe(1);
    expect(world.ejected()).toEqual([]);
  });

  it.each([
    { retryAfterMs: 7000, atLeastMs: 7000, atMostMs: 7700 },
    { retryAfterMs: 86_400_000, atLeastMs: 300_000, atMostMs: 300_000 },
  ])(
    'for as long as it asks for, $retryAfterMs ms, but not for ever (T27)',
    ({ retryAfterMs, ...limits }) => {
      const world = healthy(instances(TRIO));
      world.pickOf('a').done('error', { failure: 'status', status: 503, retryAfterMs });
      const until = world.health.healthOf(instance({ id: 'a' }))?.outlier?.untilMs;
      expect(until).toBeGreaterThanOrEqual(limits.atLeastMs);
      expect(until).toBeLessThanOrEqual(limits.atMostMs);
      expect(world.ejected()).toEqual(['a']);
      expect(world.counts.ejections['retry-after']).toBe(1);
    },
  );

  it('never because callers give up (T15)', () => {
    const world = healthy(instances(TRIO));
    for (let n = 0; n < 100; n++) world.pickOf('a').done('cancelled', { failure: 'timeout' });
    expect(world.ejected()).toEqual([]);
    expect(world.counts.inFlight).toBe(0);
  });

  it('by what a classifier of your own takes for a failure (T15)', () => {
    const world = healthy(instances(TRIO), {
      consecutiveFailures: 1,
      classify: (_outcome, { status }) => (status === 404 ? 'failure' : 'success'),
    });
    world.pickOf('a').done('error', { failure: 'status', status: 500 });
    world.pickOf('b').done('ok', { status: 404 });
    expect(world.ejected()).toEqual(['b']);
  });

  it('not by requests that were picked before it came back', () => {
    const world = healthy(instances(TRIO));
    const old = Array.from({ length: 8 }, () => world.pickOf('a'));
    world.pickOf('a').done(...REFUSED);
    world.clock.advance(1000);
    world.pickOf('a').done(...OK);
    for (const pick of old) pick.done(...REFUSED);
    expect(world.ejected()).toEqual([]);
  });
});

describe('the return', () => {
  function away(): Healthy {
    const world = healthy(instances(TRIO));
    fail(world, 'a', 5);
    expect(world.ejected()).toEqual(['a']);
    world.clock.advance(5000);
    return world;
  }

  it('is one request: until that is done there is no other', () => {
    const world = away();
    const probe = world.pickOf('a');
    expect(picks(world, 20)).toEqual({ b: 10, c: 10 });
    probe.done(...OK);
    expect(world.ejected()).toEqual([]);
    expect(picks(world, 30)).toEqual({ a: 10, b: 10, c: 10 });
  });

  it('fails with that request, and the next ejection is longer', () => {
    const world = away();
    world.pickOf('a').done(...FAILED);
    expect(world.ejected()).toEqual(['a']);
    const until = world.health.healthOf(instance({ id: 'a' }))?.outlier?.untilMs as number;
    expect(until - world.clock.now()).toBeGreaterThanOrEqual(5000);
    expect(until - world.clock.now()).toBeLessThanOrEqual(10_000);
    expect(world.counts.ejections).toMatchObject({ consecutive: 1, probe: 1 });
  });

  it('waits for the next request when the caller gives that one up', () => {
    const world = away();
    world.pickOf('a').done('cancelled');
    expect(world.ejected()).toEqual(['a']);
    world.pickOf('a').done(...OK);
    expect(world.ejected()).toEqual([]);
  });

  it('is not blocked for ever by a request that nobody reports', () => {
    const world = away();
    world.pickOf('a');
    world.clock.advance(PROBE_PATIENCE_MS - 1);
    expect(picks(world, 10).a).toBeUndefined();
    world.clock.advance(1);
    world.pickOf('a').done(...OK);
    expect(world.ejected()).toEqual([]);
  });

  it('is tried by one request every 30 s while none of them is reported', () => {
    const world = away();
    world.pickOf('a');
    for (let round = 0; round < 3; round++) {
      world.clock.advance(PROBE_PATIENCE_MS);
      world.pickOf('a');
      expect(picks(world, 30).a).toBeUndefined();
    }
    expect(world.ejected()).toEqual(['a']);
  });

  it('is brought about by an answer that has begun well, however long it goes on', () => {
    const world = away();
    const stream = world.pickOf('a');
    stream.answered?.(1);
    expect(world.ejected()).toEqual([]);
    stream.done('error', { failure: 'reset' });
    expect(world.ejected()).toEqual([]);
  });

  it('is not brought about by a request from before the ejection', () => {
    const world = healthy(instances(TRIO));
    const old = world.pickOf('a');
    fail(world, 'a', 5);
    old.done(...OK);
    expect(world.ejected()).toEqual(['a']);
  });
});

describe('the length of an ejection', () => {
  it.each([
    { relapses: 0, baseMs: 5000, fromMs: 2500, toMs: 5000 },
    { relapses: 1, baseMs: 5000, fromMs: 5000, toMs: 10_000 },
    { relapses: 5, baseMs: 5000, fromMs: 80_000, toMs: 160_000 },
    { relapses: 6, baseMs: 5000, fromMs: 150_000, toMs: 300_000 },
    { relapses: 1e9, baseMs: 5000, fromMs: 150_000, toMs: 300_000 },
    { relapses: 0, baseMs: 1000, fromMs: 500, toMs: 1000 },
  ])('after $relapses others is $fromMs to $toMs ms (T27)', ({ relapses, baseMs, fromMs, toMs }) => {
    const random = seededRandom(relapses + 1);
    const lengths = Array.from({ length: 1000 }, () => ejectionMs(relapses, baseMs, 300_000, random));
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(fromMs);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(toMs);
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeGreaterThan((toMs - fromMs) * 0.9);
  });

  it('grows with each relapse, and good standing makes up for one at a time', () => {
    const world = healthy(instances(TRIO));
    const eject = (): number => {
      fail(world, 'a', 5);
      const untilMs = world.health.healthOf(instance({ id: 'a' }))?.outlier?.untilMs as number;
      const lengthMs = untilMs - world.clock.now();
      world.clock.advance(lengthMs);
      world.pickOf('a').done(...OK);
      return lengthMs;
    };
    for (const longestMs of [5000, 10_000, 20_000, 40_000]) {
      const lengthMs = eject();
      expect(lengthMs).toBeGreaterThanOrEqual(longestMs / 2);
      expect(lengthMs).toBeLessThanOrEqual(longestMs);
    }
    world.clock.advance(3 * FORGIVEN_AFTER_MS);
    expect(eject()).toBeLessThanOrEqual(10_000);
  });
});

describe('how many may be ejected', () => {
  test.each([
    { endpoints: 1, most: 0 },
    { endpoints: 2, most: 1 },
    { endpoints: 3, most: 1 },
    { endpoints: 6, most: 1 },
    { endpoints: 7, most: 2 },
    { endpoints: 10, most: 3 },
    { endpoints: 100, most: 33 },
  ])('$most of $endpoints (T14)', ({ endpoints, most }) => {
    expect(mostEjected(endpoints, rulesOf())).toBe(most);
  });

  it('leaves a single endpoint alone, whatever it does (T30)', () => {
    const world = healthy(instances(['only']));
    for (let n = 0; n < 20; n++) world.request(() => REFUSED);
    expect(world.ejected()).toEqual([]);
    expect(world.counts.panics).toBe(0);
  });

  it('ejects one of two, and with both in trouble neither (T13, T14)', () => {
    const world = healthy(instances(['a', 'b']));
    fail(world, 'a', 5);
    expect(world.ejected()).toEqual(['a']);
    fail(world, 'b', 5);
    expect(world.ejected()).toEqual([]);
    expect(world.health.now().isPanic).toBe(true);
    const back = world.request();
    expect(world.health.now().isPanic).toBe(false);
    expect(world.ejected()).toEqual([back === 'a' ? 'b' : 'a']);
  });

  it('those who are spared because there are too many show by their next success that they are back', () => {
    const world = healthy(instances(10));
    for (const id of ['i0000', 'i0001', 'i0002', 'i0003']) fail(world, id, 5);
    expect(world.ejected()).toEqual(['i0000', 'i0001', 'i0002']);
    world.pickOf('i0003').done(...OK);
    expect(world.health.healthOf(instance({ id: 'i0003' }))?.standing.kind).toBe('trusted');
  });

  it('is never all, nobody who is no outlier, and within the limits (T13)', () => {
    const shares = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), shares, shares, (good, bad, maxEjectedShare, panicBelow) => {
        const endpoints = Math.max(1, good + bad);
        const outliers = Array.from({ length: good + bad === 0 ? 0 : bad }, (_, sinceMs) => ({
          outlier: { reason: 'connect' as const, sinceMs, untilMs: 0 },
        }));
        const rules = rulesOf({ maxEjectedShare, panicBelow });
        const { ejected, isPanic } = exclusions(endpoints, outliers, rules);
        expect(ejected.size).toBeLessThan(endpoints);
        expect(ejected.size).toBeLessThanOrEqual(Math.max(1, endpoints * maxEjectedShare));
        if (isPanic) expect(ejected.size).toBe(0);
        if (!isPanic && outliers.length > 0 && endpoints > 1) expect(ejected.size).toBeGreaterThan(0);
        for (const each of ejected) expect(outliers).toContain(each);
      }),
    );
  });
});

describe('compared with the others', () => {
  const sampled = (succeeded: number, failed: number, latencyMs = 1) => {
    const sample = Object.assign(new Sample(), { succeeded, failed, latencySumMs: succeeded * latencyMs });
    return { sample };
  };
  const good = (count: number) => Array.from({ length: count }, () => sampled(100, 0, 20));
  const verdicts = (endpoints: readonly { sample: Sample }[], options: EjectionOptions = {}) => {
    const found = outstanding(endpoints, rulesOf(options));
    return endpoints.map((each) => found.get(each)).filter((reason) => reason !== undefined);
  };

  test.each([
    { name: 'nobody stands out of equals', odd: [], reasons: [] },
    { name: 'one that fails half of the time', odd: [sampled(50, 50)], reasons: ['success-rate'] },
    { name: 'one that always fails', odd: [sampled(0, 100)], reasons: ['success-rate'] },
    { name: 'one that fails a little more', odd: [sampled(90, 10, 20)], reasons: [] },
    { name: 'one that was hardly asked', odd: [sampled(0, 19)], reasons: [] },
    { name: 'one that is slow', odd: [sampled(100, 0, 2000)], reasons: ['latency'] },
    { name: 'one that is five times as slow but fast enough', odd: [sampled(100, 0, 99)], reasons: [] },
    {
      name: 'several at once',
      odd: [sampled(10, 90), sampled(20, 80), sampled(30, 70)],
      reasons: ['success-rate', 'success-rate', 'success-rate'],
    },
  ])('$name', ({ odd, reasons }) => {
    expect(verdicts([...good(6), ...odd])).toEqual(reasons);
  });

  it('says nothing with fewer than 5 endpoints, or when it is off', () => {
    expect(verdicts([...good(3), sampled(0, 100)])).toEqual([]);
    const odd = [...good(6), sampled(0, 100), sampled(100, 0, 9000)];
    expect(verdicts(odd, { successRate: false, latency: false })).toEqual([]);
  });

  it('says nothing when all fail alike', () => {
    expect(verdicts(Array.from({ length: 6 }, () => sampled(40, 60)))).toEqual([]);
  });

  it('ejects at the end of the interval', () => {
    const world = healthy(instances(6));
    const answer = (id: string) => (id === 'i0002' ? (['ok', { latencyMs: 900 }] as const) : OK);
    for (let n = 0; n < 600; n++) world.request(answer);
    expect(world.ejected()).toEqual([]);
    world.clock.advance(10_000);
    world.request(answer);
    expect(world.ejected()).toEqual(['i0002']);
  });
});

describe('what is known of an endpoint', () => {
  it('survives updates of the list and a minute of absence, but not another address (T7, T17)', () => {
    const world = healthy(instances(TRIO));
    fail(world, 'a', 4);
    world.list([instance({ id: 'a', weight: 3 }), ...instances(['b', 'c'])]);
    fail(world, 'a', 1);
    expect(world.ejected()).toEqual(['a']);
    world.list(instances(['b', 'c']));
    expect(world.ejected()).toEqual([]);
    world.clock.advance(1000);
    world.list(instances(TRIO));
    expect(world.ejected()).toEqual(['a']);
    world.list([instance({ id: 'a', port: 81 }), ...instances(['b', 'c'])]);
    expect(world.ejected()).toEqual([]);
  });

  it('is bounded by the list and the churn of a minute (T19)', () => {
    const world = healthy(instances(['stays']));
    for (let minute = 0; minute < 50; minute++) {
      world.clock.advance(60_000);
      world.list(instances(['stays', ...TRIO.map((id) => `${id}${minute}`)]));
      fail(world, `a${minute}`, 5);
    }
    expect(world.health.size).toBeLessThanOrEqual(7);
  });
});

it('a filter whose only endpoint is ejected gets it all the same (T13)', () => {
  const list = [described('old', { version: '1' }), described('new', { version: '2' })];
  const world = healthy(list, { consecutiveFailures: 1 }, filtered({ version: '2' }, roundRobin()));
  world.request(() => FAILED);
  expect(world.ejected()).toEqual(['new']);
  expect(world.request()).toBe('new');
});

test.each<{ options: EjectionOptions; path: string }>([
  { options: { consecutiveFailures: 0 }, path: 'ejection.consecutiveFailures' },
  { options: { baseMs: -1 }, path: 'ejection.baseMs' },
  { options: { maxEjectedShare: 33 }, path: 'ejection.maxEjectedShare' },
  { options: { panicBelow: Number.NaN }, path: 'ejection.panicBelow' },
  { options: { sample: { minEndpoints: 2 } }, path: 'ejection.sample.minEndpoints' },
  { options: { latency: { above: 0.5 } }, path: 'ejection.latency.above' },
  { options: { classify: 'mine' as never }, path: 'ejection.classify' },
])('options that make no sense are refused: $path', ({ options, path }) => {
  expect(() => rulesOf(options)).toThrow(
    expect.toSatisfy((error: Error) => isPilotfishError(error, 'BAD_INPUT') && error.message.includes(path)),
  );
});
