import { afterEach, describe, expect, test } from 'vitest';
import { type CallOptions, consistentHash, leastLoaded, RetryBudget } from '../../../resolver/index.js';
import type { Listed } from '../memory-registry.js';
import { Cluster, failing, REFUSED, RESET } from './cluster.js';

const SAFE: CallOptions = { idempotent: true };

let cluster: Cluster;

async function clusterOf(
  instances: readonly (string | Listed)[],
  options: Parameters<typeof Cluster.of>[1] = {},
): Promise<Cluster> {
  cluster = await Cluster.of(instances, options);
  return cluster;
}

/** The call's end, with time going on until then; the virtual moment it took. */
async function ended<T>(call: Promise<T>): Promise<{ value?: T; error?: unknown; tookMs: number }> {
  const startMs = cluster.clock.now();
  let end: { value?: T; error?: unknown; tookMs: number } | undefined;
  const tookMs = () => cluster.clock.now() - startMs;
  call.then(
    (value) => {
      end = { value, tookMs: tookMs() };
    },
    (error) => {
      end = { error, tookMs: tookMs() };
    },
  );
  while (end === undefined) await cluster.clock.advance(1);
  return end;
}

afterEach(async () => {
  await cluster.clock.advance(60_000);
  expect(cluster.inFlight).toBe(0);
  await cluster.close();
  expect(cluster.clock.pending).toBe(0);
});

describe('a call', () => {
  test('that succeeds is one request, and its pick ends well', async () => {
    await clusterOf(['a', 'b']);
    const { value } = await ended(cluster.call());
    expect(cluster.sent).toMatchObject([{ id: value, attempt: 1 }]);
    expect(cluster.ends).toEqual([{ id: value, outcome: 'ok', latencyMs: 1 }]);
  });

  test('leaves the signal of what succeeded alone, because its body may still be read', async () => {
    await clusterOf(['a']);
    const caller = new AbortController();
    await ended(cluster.call({ ...SAFE, deadlineMs: 100, hedge: { afterMs: 50 }, signal: caller.signal }));
    caller.abort();
    await cluster.clock.advance(1000);
    expect(cluster.sent[0]?.signal.aborted).toBe(false);
  });

  test.each<[string, unknown, string, string | undefined]>([
    ['a reset', RESET, 'error', 'reset'],
    ['a status', Object.assign(new Error('503'), { status: 503 }), 'error', 'status'],
    ['an answer of the endpoint', Object.assign(new Error('404'), { status: 404 }), 'ok', undefined],
    ['our own want of file descriptors', failing('EMFILE'), 'cancelled', undefined],
    ['a mistake of the program', new TypeError('x is not a function'), 'error', undefined],
    ['no error at all', 'a string', 'error', undefined],
  ])(
    'hands on %s as it was thrown, and says what became of the pick',
    async (_, thrown, outcome, failure) => {
      await clusterOf(['a', 'b']);
      cluster.behave = () => ({ error: thrown });
      const { error } = await ended(cluster.call());
      expect(error).toBe(thrown);
      expect(cluster.ends).toHaveLength(1);
      expect(cluster.ends[0]?.outcome).toBe(outcome);
      expect(cluster.ends[0]?.failure).toBe(failure);
    },
  );

  test('ends its pick also where the caller misjudges an error (T16)', async () => {
    await clusterOf(['a']);
    cluster.behave = () => ({ error: RESET });
    const misjudged = new Error('in classify');
    const classify = (): never => {
      throw misjudged;
    };
    expect((await ended(cluster.call({ ...SAFE, classify }))).error).toBe(misjudged);
    expect(cluster.ends).toEqual([{ id: 'a', outcome: 'error', latencyMs: 1 }]);
  });

  test('says with which status the endpoint answered', async () => {
    await clusterOf(['a']);
    cluster.behave = () => ({ error: Object.assign(new Error(), { status: 404 }) });
    await ended(cluster.call());
    expect(cluster.ends).toEqual([{ id: 'a', outcome: 'ok', latencyMs: 1, status: 404 }]);
  });

  test('of work that throws at once rejects', async () => {
    await clusterOf(['a']);
    const work = (): never => {
      throw new RangeError('now');
    };
    expect((await ended(cluster.handle.call(work))).error).toEqual(new RangeError('now'));
  });

  test('without a list rejects as a pick throws', async () => {
    await clusterOf([]);
    expect((await ended(cluster.call())).error).toMatchObject({ code: 'NO_ENDPOINTS' });
    expect((await ended(cluster.call({ maxPerEndpoint: 1 }))).error).toMatchObject({ code: 'NO_ENDPOINTS' });
  });

  test.each<[CallOptions, string]>([
    [{ deadlineMs: 0 }, 'expected a positive number of milliseconds, got 0, at deadlineMs'],
    [{ attemptTimeoutMs: -1 }, 'expected a positive number of milliseconds, got -1, at attemptTimeoutMs'],
    [{ retries: 1.5 }, 'expected a whole number from 0 to 10, got 1.5, at retries'],
    [{ retries: 11 }, 'expected a whole number from 0 to 10, got 11, at retries'],
    [{ maxPerEndpoint: 0 }, 'got 0, at maxPerEndpoint'],
    [
      { hedge: { afterMs: 5 } },
      'expected true, because a hedge carries the request out twice, got nothing, at idempotent',
    ],
    [{ ...SAFE, hedge: { afterMs: -5 } }, 'got -5, at hedge.afterMs'],
  ])('with %o is refused', async (options, message) => {
    await clusterOf(['a']);
    expect((await ended(cluster.call(options))).error).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(message),
    });
    expect(cluster.sent).toEqual([]);
  });
});

describe('a retry', () => {
  test('goes to another endpoint, and to each once before any twice (T31)', async () => {
    await clusterOf(['a', 'b', 'c']);
    cluster.behave = () => ({ error: RESET });
    const { error } = await ended(cluster.call({ ...SAFE, retries: 3 }));
    expect(error).toBe(RESET);
    expect([...new Set(cluster.ids.slice(0, 3))].sort()).toEqual(['a', 'b', 'c']);
    expect(cluster.ids).toHaveLength(4);
    expect(cluster.sent.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  });

  test('goes to the same one where there is no other', async () => {
    await clusterOf(['a']);
    cluster.behave = (_, attempt) => (attempt === 1 ? { error: RESET } : {});
    expect((await ended(cluster.call(SAFE))).value).toBe('a');
    expect(cluster.ids).toEqual(['a', 'a']);
  });

  test.each([
    ['consistentHash', consistentHash()],
    ['leastLoaded', leastLoaded()],
  ])('finds another under %s, though that would choose the same', async (_, policy) => {
    await clusterOf(
      [
        { id: 'a', weight: 1000 },
        { id: 'b', weight: 1 },
        { id: 'c', weight: 1 },
      ],
      { policy },
    );
    cluster.behave = (_id, attempt) => (attempt < 3 ? { error: REFUSED } : {});
    await ended(cluster.call({ key: 'customer 42' }));
    expect(new Set(cluster.ids).size).toBe(3);
  });

  test.each([2, 3, 5])(
    'takes no turn of a first request: one dead of %i gets its share of those',
    async (count) => {
      const ids = ['dead', 'b', 'c', 'd', 'e'].slice(0, count);
      await clusterOf(ids);
      cluster.behave = (id) => (id === 'dead' ? { error: REFUSED } : {});
      for (let n = 0; n < 10 * count; n++) await ended(cluster.call());
      expect(cluster.ids.filter((id) => id === 'dead')).toHaveLength(10);
      const retried = cluster.sent.filter(({ attempt }) => attempt === 2).map(({ id }) => id);
      for (const id of ids.slice(1)) {
        const share = retried.filter((each) => each === id).length;
        expect(Math.abs(share - 10 / (count - 1))).toBeLessThan(3);
      }
    },
  );

  test('of a key goes to the same second endpoint each time', async () => {
    await clusterOf(['a', 'b', 'c', 'd', 'e'], { policy: consistentHash() });
    cluster.behave = (_, attempt) => (attempt === 1 ? { error: REFUSED } : {});
    const answered = new Set<string | undefined>();
    for (let n = 0; n < 10; n++) answered.add((await ended(cluster.call({ key: 'k' }))).value);
    expect(answered.size).toBe(1);
  });

  test.each<[string, Error, CallOptions, number]>([
    ['a refused connection', REFUSED, {}, 3],
    ['a reset of what may have been carried out', RESET, {}, 1],
    ['a reset of what may be carried out twice', RESET, SAFE, 3],
    ['a timeout of what may have been carried out', failing('UND_ERR_HEADERS_TIMEOUT'), {}, 1],
    ['an answer that refuses', Object.assign(new Error(), { status: 404 }), SAFE, 1],
    ['a mistake of the program', new TypeError('no'), SAFE, 1],
    ['an error that the caller wants retried', new TypeError('no'), { ...SAFE, isRetryable: () => true }, 3],
    ['that, if it is not idempotent', new TypeError('no'), { isRetryable: () => true }, 1],
    ['what the caller knows was never sent', new TypeError('no'), { classify: () => 'connect' }, 3],
    ['anything, without retries', REFUSED, { retries: 0 }, 1],
  ])('after %s', async (_, error, options, requests) => {
    await clusterOf(['a', 'b', 'c']);
    cluster.behave = () => ({ error });
    expect((await ended(cluster.call(options))).error).toBe(error);
    expect(cluster.sent).toHaveLength(requests);
  });

  test('waits between 0 and 25 ms, then up to 50, never the same', async () => {
    await clusterOf(['a', 'b', 'c']);
    cluster.behave = () => ({ error: RESET, latencyMs: 0 });
    for (let n = 0; n < 100; n++) await ended(cluster.call({ ...SAFE, budget: new RetryBudget() }));
    const waits = (to: number): number[] =>
      cluster.sent.flatMap(({ attempt, atMs }, at) =>
        attempt === to ? [atMs - (cluster.sent[at - 1]?.atMs as number)] : [],
      );
    const [first, second] = [waits(2), waits(3)];
    expect(Math.max(...first)).toBeLessThan(25);
    expect(Math.max(...second)).toBeLessThan(50);
    expect(Math.max(...second)).toBeGreaterThan(25);
    expect(new Set(first).size).toBe(100);
  });

  test('ends with the caller', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = () => ({ latencyMs: 1000 });
    const caller = new AbortController();
    const call = ended(cluster.call({ ...SAFE, signal: caller.signal }));
    await cluster.clock.advance(10);
    caller.abort('enough');
    expect((await call).error).toBe('enough');
    expect(cluster.ends).toMatchObject([{ outcome: 'cancelled' }]);
    expect(cluster.sent[0]?.signal.aborted).toBe(true);
    for (const options of [{}, { deadlineMs: 100 }]) {
      expect((await ended(cluster.call({ ...options, signal: caller.signal }))).error).toBe('enough');
    }
    expect(cluster.sent).toHaveLength(1);
  });

  test('a dead endpoint among three fails no call', async () => {
    await clusterOf(['a', 'b', 'dead']);
    cluster.behave = (id) => (id === 'dead' ? { error: RESET } : {});
    const calls = await Promise.all(Array.from({ length: 90 }, () => ended(cluster.call(SAFE))));
    expect(calls.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(cluster.ids.filter((id) => id === 'dead')).toHaveLength(30);
  });
});

describe('the deadline', () => {
  test.each([
    ['an endpoint that hangs', { latencyMs: 1e6 }],
    ['work that cannot be aborted', { latencyMs: 30_000, isDeaf: true }],
  ])('holds for %s', async (_, behaviour) => {
    await clusterOf(['a', 'b']);
    cluster.behave = () => behaviour;
    const { error, tookMs } = await ended(cluster.call({ ...SAFE, deadlineMs: 500 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', message: 'the call of orders took longer than 500 ms' });
    expect(tookMs).toBeGreaterThanOrEqual(500);
    expect(tookMs).toBeLessThanOrEqual(520);
    expect(cluster.ends).toMatchObject([{ outcome: 'error', failure: 'timeout' }]);
  });

  test('holds over all attempts, and the last one is not blamed for the little time it got (T31)', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = (_, attempt) => (attempt === 1 ? { error: RESET, latencyMs: 400 } : { latencyMs: 1e6 });
    const { error, tookMs } = await ended(cluster.call({ ...SAFE, deadlineMs: 500 }));
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(tookMs).toBeLessThanOrEqual(520);
    expect(cluster.ends).toMatchObject([{ failure: 'reset' }, { outcome: 'cancelled' }]);
  });

  test('is not waited for when there is no time left for another attempt', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = () => ({ error: RESET, latencyMs: 499.9 });
    const { error, tookMs } = await ended(cluster.call({ ...SAFE, deadlineMs: 500 }));
    expect(error).toBe(RESET);
    expect(tookMs).toBeLessThanOrEqual(500);
    expect(cluster.sent).toHaveLength(1);
  });

  test('an attempt may have one of its own, and the next is tried', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = (_, attempt) => (attempt === 1 ? { latencyMs: 1e6 } : {});
    const { error, tookMs } = await ended(cluster.call({ ...SAFE, attemptTimeoutMs: 100, deadlineMs: 500 }));
    expect(error).toBeUndefined();
    expect(tookMs).toBeLessThan(130);
    expect(cluster.ends).toMatchObject([{ failure: 'timeout' }, { outcome: 'ok' }]);
    expect(cluster.sent[0]?.signal.aborted).toBe(true);
  });
});

describe('a hedge', () => {
  const hedge = { afterMs: 50 };

  test('is not sent when the answer comes in time', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = () => ({ latencyMs: 49 });
    await ended(cluster.call({ ...SAFE, hedge }));
    expect(cluster.sent).toHaveLength(1);
  });

  test('goes to another endpoint; the loser is aborted and ends as cancelled', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = (_, attempt) => ({ latencyMs: attempt === 1 ? 1000 : 10 });
    const { value, tookMs } = await ended(cluster.call({ ...SAFE, hedge }));
    expect(tookMs).toBe(60);
    const [slow, fast] = cluster.sent;
    expect(fast?.id).toBe(value);
    expect(slow?.id).not.toBe(value);
    expect([slow?.signal.aborted, fast?.signal.aborted]).toEqual([true, false]);
    await cluster.clock.advance(0);
    expect(cluster.ends).toEqual([
      { id: value, outcome: 'ok', latencyMs: 10 },
      { id: slow?.id, outcome: 'cancelled' },
    ]);
    expect(cluster.inFlight).toBe(0);
  });

  test('loses when the first answers after all', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = (_, attempt) => ({ latencyMs: attempt === 1 ? 70 : 1000 });
    expect((await ended(cluster.call({ ...SAFE, hedge }))).tookMs).toBe(70);
    expect(cluster.sent.map(({ signal }) => signal.aborted)).toEqual([false, true]);
  });

  test('answers for a first that fails meanwhile', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = (_, attempt) => (attempt === 1 ? { latencyMs: 60, error: RESET } : { latencyMs: 50 });
    expect((await ended(cluster.call({ ...SAFE, hedge, retries: 0 }))).value).toBe(cluster.sent[1]?.id);
  });

  test('that fails too leaves both to the retries', async () => {
    await clusterOf(['a', 'b', 'c']);
    cluster.behave = (_, attempt) => (attempt < 3 ? { latencyMs: 60, error: RESET } : {});
    const { value } = await ended(cluster.call({ ...SAFE, hedge }));
    expect(new Set(cluster.ids).size).toBe(3);
    expect(value).toBe(cluster.ids[2]);
  });

  test.each([
    ['there is no other endpoint', ['a'], {}],
    ['the budget is spent', ['a', 'b'], { budget: spent() }],
  ])('is not sent when %s', async (_, ids, options) => {
    await clusterOf(ids);
    cluster.behave = () => ({ latencyMs: 100 });
    expect((await ended(cluster.call({ ...SAFE, ...options, hedge }))).tookMs).toBe(100);
    expect(cluster.sent).toHaveLength(1);
  });

  test('after the p95 starts when 20 answers told how long that is', async () => {
    await clusterOf(['a', 'b']);
    let slow = false;
    cluster.behave = (_, attempt) => ({ latencyMs: slow && attempt === 1 ? 1000 : 10 });
    const options: CallOptions = { ...SAFE, hedge: { afterMs: 'p95' } };
    for (let n = 0; n < 20; n++) await ended(cluster.call(options));
    expect(cluster.sent).toHaveLength(20);
    slow = true;
    expect((await ended(cluster.call(options))).tookMs).toBe(20);
  });
});

function spent(): RetryBudget {
  const budget = new RetryBudget({ ratio: 0, perSecond: 0 });
  while (budget.withdraw(0));
  return budget;
}

describe('a limit per endpoint', () => {
  test('sends what is too much elsewhere, and refuses what has no room anywhere', async () => {
    await clusterOf(['a', 'b']);
    cluster.behave = () => ({ latencyMs: 100 });
    const options = { maxPerEndpoint: 3 };
    const calls = Array.from({ length: 8 }, () => ended(cluster.call(options)));
    await cluster.clock.advance(10);
    expect(cluster.ids.filter((id) => id === 'a')).toHaveLength(3);
    expect(cluster.ids.filter((id) => id === 'b')).toHaveLength(3);
    const refused = (await Promise.all(calls)).filter(({ error }) => error !== undefined);
    expect(refused).toHaveLength(2);
    expect(refused[0]?.error).toMatchObject({
      code: 'OVERLOADED',
      message: 'every endpoint of orders has 3 requests or more in flight',
    });
    expect((await ended(cluster.call(options))).error).toBeUndefined();
  });

  test('holds for an endpoint that is preferred by far', async () => {
    await clusterOf([
      { id: 'a', weight: 1000 },
      { id: 'b', weight: 1 },
    ]);
    cluster.behave = () => ({ latencyMs: 100 });
    await Promise.all(Array.from({ length: 4 }, () => ended(cluster.call({ maxPerEndpoint: 2 }))));
    expect(cluster.ids.sort()).toEqual(['a', 'a', 'b', 'b']);
  });
});

test('what calls find out ejects an endpoint, and retries leave it out', async () => {
  await clusterOf(['a', 'b', 'dead'], { ejection: true });
  cluster.behave = (id) => (id === 'dead' ? { error: REFUSED } : {});
  await Promise.all(Array.from({ length: 3 }, () => ended(cluster.call())));
  expect(cluster.ids.filter((id) => id === 'dead')).toHaveLength(1);
  expect(cluster.discovery.status()[0]?.ejected).toBe(1);
  cluster.behave = (_, attempt) => (attempt < 3 ? { error: RESET } : {});
  await ended(cluster.call(SAFE));
  expect(cluster.ids.slice(4)).not.toContain('dead');
});

test('what was done is counted, and a pick that was not part of a call is not', async () => {
  await clusterOf(['a', 'b']);
  cluster.behave = (_, attempt) => (attempt === 1 ? { latencyMs: 100 } : {});
  await ended(cluster.call({ ...SAFE, hedge: { afterMs: 10 } }));
  cluster.behave = (_, attempt) => (attempt === 1 ? { error: REFUSED } : {});
  await ended(cluster.call());
  await ended(cluster.call({ budget: spent() }));
  cluster.handle.pick().done('ok');
  expect(cluster.retries).toEqual({
    calls: 3,
    attempts: 5,
    retries: 1,
    hedges: 1,
    hedgeWins: 1,
    budgetRefusals: 1,
    overloads: 0,
  });
});
