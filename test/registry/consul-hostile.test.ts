/** What a watch does with answers that no sane agent gives. */
import { expect, test } from 'vitest';
import { openConsul } from '../../registry/consul/consul.js';
import type { Registry, Snapshot } from '../../registry/contract.js';
import { supervise } from '../../registry/supervised.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { soon } from '../helpers/soon.js';
import { answer, FakeAgent, healthOf, type Script } from './consul-fake-agent.js';

const context = { clock: systemClock, random: seededRandom(7), logger: silentLogger };

/** Long enough for a hot loop to make thousands of requests. */
const OBSERVED_MS = 2500;
/** Two at once, then one a second, and one for the edges of the time. */
const MOST_REQUESTS = 6;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function withFake<T>(
  script: Script,
  work: (registry: Registry, fake: FakeAgent) => Promise<T>,
  env: Record<string, string> = {},
): Promise<T> {
  await using fake = await FakeAgent.start(script);
  const registry = await openConsul(`${fake.url}?wait=1s`, context, env);
  try {
    return await work(registry, fake);
  } finally {
    await registry.close();
  }
}

async function firstList(registry: Registry): Promise<Snapshot> {
  for await (const snapshot of registry.watch('orders')) return snapshot;
  throw new Error('the watch ended');
}

const ids = (snapshot: Snapshot | undefined) => snapshot?.instances.map(({ id }) => id);

test.concurrent.each<[string, Script]>([
  ['at once with the same index', (_, response) => answer(response, healthOf('a'), 5)],
  ['at once with a rising index', (_, response, count) => answer(response, healthOf('a'), count)],
  ['with an index that falls', (_, response, count) => answer(response, healthOf('a'), 1000 - count)],
  ['with index 0', (_, response) => answer(response, healthOf('a'), 0)],
  ['with no index', (_, response) => answer(response, healthOf('a'))],
  ['with an index that is no number', (_, response) => answer(response, healthOf('a'), 'many')],
])('an agent that answers %s is asked about once a second, and the watch goes on', async (_, script) => {
  await withFake(script, async (registry, fake) => {
    const watch = supervise(registry, 'orders', context);
    const from = performance.now();
    await pause(OBSERVED_MS);
    const [asked, tookMs] = [fake.asked.length, performance.now() - from];
    expect(asked).toBeLessThanOrEqual(MOST_REQUESTS + (tookMs - OBSERVED_MS) / 1000);
    expect(watch.error).toBeUndefined();
    await soon(() => expect(watch.snapshot?.instances).toHaveLength(1));
    await soon(() => expect(fake.asked.length).toBeGreaterThanOrEqual(3));
    await watch.close();
  });
});

test('an agent that answers at once with news each time is asked about twenty times a second', async () => {
  const script: Script = (_, response, count) => answer(response, healthOf(`a${count}`), count);
  await withFake(script, async (registry, fake) => {
    const watch = supervise(registry, 'orders', context);
    const from = performance.now();
    await pause(OBSERVED_MS);
    const [asked, tookMs] = [fake.asked.length, performance.now() - from];
    expect(asked).toBeLessThanOrEqual(tookMs / 50 + MOST_REQUESTS);
    await soon(() => expect(fake.asked.length).toBeGreaterThan(MOST_REQUESTS));
    await watch.close();
  });
});

test.each<[string, Script]>([
  ['HTML with status 200', (_, response) => response.end('<html>login</html>')],
  [
    'HTML that says it is JSON',
    (_, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('<html>'),
  ],
  ['an object', (_, response) => answer(response, { a: 1 }, 5)],
  ['null', (_, response) => answer(response, null, 5)],
  [
    '500 with an index of 1',
    (_, r) => r.writeHead(500, { 'x-consul-index': '1' }).end('rpc error: no leader'),
  ],
  ['a redirect', (_, r) => r.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ['204', (_, response) => response.writeHead(204).end()],
  ['half a body', (_, r) => r.writeHead(200, { 'content-length': '99' }).write('[', () => r.destroy())],
  ['nothing but an end', (_, response) => response.destroy()],
])('%s is UNAVAILABLE, and never an empty list', async (_, script) => {
  await withFake(script, async (registry) => {
    await expect(firstList(registry)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

test('a body without end is cut off', async () => {
  const endless: Script = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  };
  await withFake(endless, async (registry) => {
    await expect(firstList(registry)).rejects.toThrow(/expected at most \d+ bytes/);
  });
});

test('an endless page that is no JSON is not read either', async () => {
  const endless: Script = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.on('drain', () => response.write('x'.repeat(65_536)));
    response.write('x'.repeat(65_536));
  };
  await withFake(endless, async (registry) => {
    await expect(firstList(registry)).rejects.toThrow(/expected JSON, got text\/html/);
  });
});

test('403 is DENIED, in the error and in the state, and never an empty list', async () => {
  await withFake(
    (_, response) => response.writeHead(403).end('Permission denied'),
    async (registry) => {
      await expect(firstList(registry)).rejects.toMatchObject({ code: 'DENIED' });
      expect(registry.state).toBe('denied');
      await expect(registry.ping()).rejects.toMatchObject({ code: 'DENIED' });
    },
  );
});

test('an empty list from which our token hid everything is DENIED', async () => {
  const script: Script = (_, response) =>
    answer(response, [], 5, { 'x-consul-results-filtered-by-acls': 'true' });
  await withFake(script, async (registry) => {
    await expect(firstList(registry)).rejects.toMatchObject({ code: 'DENIED' });
  });
});

test('a list that goes back to a lower index is yielded, and the next query does not wait for the old one', async () => {
  const script: Script = (_, response, count) =>
    count === 1 ? answer(response, healthOf('a'), 900) : answer(response, healthOf('b'), 3);
  await withFake(script, async (registry, fake) => {
    const watch = supervise(registry, 'orders', context);
    await soon(() => expect(ids(watch.snapshot)).toEqual(['n1~b']));
    await soon(() => expect(fake.asked.length).toBeGreaterThanOrEqual(3));
    await watch.close();
    expect(fake.asked[1]).toContain('index=900');
    expect(fake.asked[2]).not.toContain('index=');
  });
});

test('answers that are good and bad by turns make no hot loop', async () => {
  const script: Script = (_, response, count) =>
    count % 2 === 1 ? answer(response, healthOf('a'), 5) : response.writeHead(500).end();
  await withFake(script, async (registry, fake) => {
    const watch = supervise(registry, 'orders', context);
    await pause(OBSERVED_MS);
    expect(ids(watch.snapshot)).toEqual(['n1~a']);
    await watch.close();
    expect(fake.asked.length).toBeLessThanOrEqual(2 * MOST_REQUESTS);
  });
});

test.each([
  ['knows no leader', { 'x-consul-knownleader': 'false' }],
  ['lost its leader long ago', { 'x-consul-lastcontact': '15115' }],
])('a server that %s adds instances but removes none', async (_, headers) => {
  let list = healthOf('a', 'b');
  const script: Script = (_request, response, count) =>
    answer(response, list, count, count === 1 ? {} : headers);
  await withFake(script, async (registry) => {
    const watch = supervise(registry, 'orders', context);
    await soon(() => expect(ids(watch.snapshot)).toEqual(['n1~a', 'n1~b']));
    list = healthOf('a', 'b', 'c');
    await soon(() => expect(ids(watch.snapshot)).toEqual(['n1~a', 'n1~b', 'n1~c']));
    list = healthOf('c');
    await soon(() => expect(watch.error).toMatchObject({ code: 'UNAVAILABLE' }));
    expect(ids(watch.snapshot)).toEqual(['n1~a', 'n1~b', 'n1~c']);
    await watch.close();
  });
});

test('an empty first list of a server without leader is not believed', async () => {
  const script: Script = (_, response) => answer(response, [], 5, { 'x-consul-knownleader': 'false' });
  await withFake(script, async (registry) => {
    await expect(firstList(registry)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

test('no more than 64 services hold a connection; the others are listed too', async () => {
  let open = 0;
  let most = 0;
  const script: Script = (request, response) => {
    if (!request.url?.includes('index=')) return answer(response, healthOf('a'), 5);
    most = Math.max(most, ++open);
    response.on('close', () => open--);
  };
  await withFake(script, async (registry) => {
    const watches = Array.from({ length: 70 }, (_, at) => supervise(registry, `s${at}`, context));
    await soon(() => expect(watches.every(({ snapshot }) => snapshot !== undefined)).toBe(true));
    await soon(() => expect(open).toBe(64));
    await expect(registry.services()).resolves.toBeDefined();
    await Promise.all(watches.map((watch) => watch.close()));
    expect(most).toBe(64);
    await soon(() => expect(open).toBe(0));
  });
});

test('an aborted watch ends at once and without error', async () => {
  const silent: Script = (_, response, count) => count === 1 && answer(response, healthOf('a'), 5);
  await withFake(silent, async (registry, fake) => {
    const stop = new AbortController();
    const seen: Snapshot[] = [];
    const ended = (async () => {
      for await (const snapshot of registry.watch('orders', { signal: stop.signal })) seen.push(snapshot);
    })();
    await soon(() => expect(fake.asked).toHaveLength(2));
    stop.abort(new Error('enough'));
    await ended;
    expect(seen).toHaveLength(1);
    expect(registry.state).toBe('connected');
  });
});

test('an operation that is aborted rejects with the reason', async () => {
  const stop = new AbortController();
  await withFake(
    () => {},
    async (registry) => {
      const reason = new Error('enough');
      setTimeout(() => stop.abort(reason), 50);
      await expect(registry.ping({ signal: stop.signal })).rejects.toBe(reason);
    },
  );
});

test('an agent that never answers makes a call end with TIMEOUT, after a few attempts', async () => {
  const hurried = {
    ...systemClock,
    after: (ms: number, call: () => void) => systemClock.after(ms / 5, call),
  };
  await using fake = await FakeAgent.start(() => {});
  const registry = await openConsul(fake.url, { ...context, clock: hurried }, {});
  await expect(registry.ping()).rejects.toMatchObject({ code: 'TIMEOUT' });
  expect(fake.asked).toHaveLength(3);
  await registry.close();
});

test('the token travels in its header and nowhere else', async () => {
  const tokens: unknown[] = [];
  const urls: unknown[] = [];
  const script: Script = (request, response) => {
    tokens.push(request.headers['x-consul-token']);
    urls.push(request.url);
    response.writeHead(403).end(`denied ${request.method}`);
  };
  const secret = 'c0ffee00-secret';
  await withFake(
    script,
    async (registry) => {
      const one = { service: 'orders', id: 'a', endpoint: { host: '10.0.0.1', port: 1 }, weight: 1 } as const;
      const rest = {
        status: 'passing',
        note: undefined,
        zone: undefined,
        version: undefined,
        tags: [],
        metadata: {},
      } as const;
      const errors = await Promise.allSettled([registry.ping(), registry.register({ ...one, ...rest })]);
      const told = errors.map((one) => (one.status === 'rejected' ? deep(one.reason) : ''));
      expect(told.join()).toContain('DENIED');
      expect(told.join() + urls.join() + registry.url).not.toContain(secret);
      expect(new Set(tokens)).toEqual(new Set([secret]));
    },
    { CONSUL_HTTP_TOKEN: secret },
  );
});

/** Everything that a logger could print of an error. */
function deep(error: unknown, depth = 0): string {
  if (typeof error !== 'object' || error === null || depth > 6) return String(error);
  return Object.getOwnPropertyNames(error)
    .map((key) => `${key}: ${deep((error as Record<string, unknown>)[key], depth + 1)}`)
    .join('\n');
}
