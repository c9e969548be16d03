/** What the dispatcher sends again, and what it does not: over real connections, in both dialects of handlers. */
import type { RequestListener } from 'node:http';
import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DispatcherOptions, RetryBudget } from '../../../resolver/index.js';
import { deferred } from '../../../runtime/deferred.js';
import { eventually } from '../../end-to-end/world.js';
import { freePorts } from '../../servers/ports.js';
import { inNewerDialect } from './newer-dialect.js';
import { HttpWorld } from './world.js';

let world: HttpWorld;

beforeEach(async () => {
  world = await HttpWorld.start();
});

afterEach(() => world.close());

const DIALECTS: readonly (readonly [string, (dispatcher: Dispatcher) => Dispatcher])[] = [
  ['older', (dispatcher) => dispatcher],
  ['newer', inNewerDialect],
];

/** An instance where nobody listens. */
async function dead(id: string): Promise<void> {
  const [port = 0] = await freePorts(0);
  await world.list(id, port);
}

const answering: RequestListener = async (req, res) => {
  res.end(`well:${Buffer.concat(await req.toArray())}`);
};

/** Takes in all of the request, which may be to have carried it out, and breaks the connection. */
const breaking: RequestListener = async (req) => {
  await req.toArray();
  req.socket.destroy();
};

const refusing: RequestListener = async (req, res) => {
  await req.toArray();
  res.writeHead(503).end('not now');
};

/** How many requests each end was about, without those that were only looked at. */
function ends(): readonly string[] {
  return world.recorder.ended
    .filter(({ outcome }) => outcome !== 'cancelled')
    .map(({ id, outcome, failure }) => [id, outcome, failure].filter(Boolean).join(' '));
}

/** Sends so many requests when all are listed, so that each endpoint is picked first by some of them. */
async function answers(
  dispatcher: Dispatcher,
  options: Partial<Dispatcher.RequestOptions> = {},
  count = 4,
): Promise<readonly string[]> {
  await using orders = world.discovery.service('orders');
  await orders.ready({ minEndpoints: world.listed });
  const all: string[] = [];
  for (let n = 0; n < count; n++) all.push(await answer(dispatcher, options));
  return all;
}

async function answer(dispatcher: Dispatcher, options: Partial<Dispatcher.RequestOptions>): Promise<string> {
  try {
    const { statusCode, body } = await request('http://orders/', { dispatcher, ...(options as object) });
    return `${statusCode} ${await body.text()}`;
  } catch (error) {
    const { code, name } = error as Error & { code?: unknown };
    return typeof code === 'string' ? code : name;
  }
}

describe.each(DIALECTS)('in the %s dialect', (_name, inDialect) => {
  const open = (options?: DispatcherOptions): Dispatcher => inDialect(world.discovery.dispatcher(options));

  it('what was never sent goes to another endpoint, whatever it is (T31)', async () => {
    await dead('a');
    await world.serve('b', answering);
    const dispatcher = open();
    expect(await answers(dispatcher, { method: 'POST', body: 'order' })).toEqual(
      Array(4).fill('200 well:order'),
    );
    expect(ends()).toContain('a error connect');
    expect(ends().filter((end) => end === 'b ok')).toHaveLength(4);
  });

  it('a stream that was never sent as well', async () => {
    await dead('a');
    await world.serve('b', answering);
    const dispatcher = open();
    for (let n = 0; n < 4; n++) {
      const body = Readable.from(['one', 'two']);
      expect(await answers(dispatcher, { method: 'POST', body }, 1)).toEqual(['200 well:onetwo']);
    }
    expect(ends()).toContain('a error connect');
  });

  it.each([
    ['a GET', { method: 'GET' }, true],
    ['a POST', { method: 'POST', body: 'order' }, false],
    ['a PUT', { method: 'PUT', body: 'order' }, false],
    ['a PUT that is said to be idempotent', { method: 'PUT', body: 'order', idempotent: true }, true],
    ['a GET that is said not to be', { method: 'GET', idempotent: false }, false],
  ] as const)('%s on a connection that breaks', async (_what, options, isSentAgain) => {
    await world.serve('a', breaking);
    await world.serve('b', answering);
    const all = await answers(open(), options);
    const failed = all.filter((answer) => !answer.startsWith('200 well:'));
    expect(failed.length > 0).toBe(!isSentAgain);
    expect(ends()).toContain('a error reset');
  });

  it('a stream that has been read is not sent again', async () => {
    await world.serve('a', breaking);
    const all = await answers(open(), { method: 'PUT', idempotent: true, body: Readable.from(['one']) }, 1);
    await world.serve('b', answering);
    expect(all).toEqual(['UND_ERR_SOCKET']);
    expect(ends()).toEqual(['a error reset']);
  });

  it.each([
    ['a GET', { method: 'GET' }, true],
    ['a POST', { method: 'POST', body: 'order' }, false],
  ] as const)('%s that is answered by 503', async (_what, options, isSentAgain) => {
    await world.serve('a', refusing);
    await world.serve('b', answering);
    const all = await answers(open(), options);
    expect(all.filter((answer) => answer === '503 not now').length > 0).toBe(!isSentAgain);
    expect(all.filter((answer) => answer.startsWith('200 well:')).length).toBeGreaterThan(0);
    await eventually('the rest of the answer is drained', () => ends().includes('a error status'));
  });

  it('what the pool does not wait for any longer goes elsewhere', async () => {
    await world.serve('a', () => {});
    await world.serve('b', answering);
    const all = await answers(open({ pool: { headersTimeout: 300 } }), {}, 2);
    expect(all).toEqual(Array(2).fill('200 well:'));
    expect(ends()).toContain('a error timeout');
  });

  it('an answer that says no is an answer', async () => {
    await world.serve('a', (_req, res) => res.writeHead(404).end());
    await world.serve('b', (_req, res) => res.writeHead(501).end());
    expect((await answers(open())).toSorted()).toEqual(['404 ', '404 ', '501 ', '501 ']);
    expect(ends()).toHaveLength(4);
  });

  it('when all fail the caller has the last failure, as it was (T31)', async () => {
    for (const id of ['a', 'b', 'c', 'd']) await world.serve(id, refusing);
    expect(await answers(open(), {}, 1)).toEqual(['503 not now']);
    await eventually('three endpoints had it', () => ends().length === 3);
    expect(new Set(ends()).size).toBe(3);
  });

  it('where there is no other endpoint it is told at once', async () => {
    await world.serve('a', refusing);
    expect(await answers(open(), {}, 1)).toEqual(['503 not now']);
    expect(ends()).toEqual(['a error status']);
  });

  it('a response that has begun stays the one', async () => {
    await world.serve('a', (_req, res) => {
      res.writeHead(200, { 'content-length': 100 }).write('half');
      setImmediate(() => res.destroy());
    });
    await world.serve('b', answering);
    const all = await answers(open(), {}, 4);
    expect(all.filter((answer) => answer === '200 well:')).toHaveLength(2);
    expect(ends()).toHaveLength(4);
  });

  it('a request that its caller gave up is not sent again', async () => {
    const caller = new AbortController();
    for (const id of ['a', 'b']) await world.serve(id, () => caller.abort());
    const all = await answers(open(), { signal: caller.signal }, 1);
    expect(all).toEqual(['AbortError']);
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('is sent on although an answer that nobody wants was cut off meanwhile', async () => {
    let unwanted = 0;
    await world.serve('a', (_req, res) => {
      unwanted++;
      res.once('close', () => unwanted--);
      res.writeHead(503).end(Buffer.alloc(64 * 1024 * 1024));
    });
    await world.serve('b', async (req) => {
      await eventually('the answer of a is cut off', () => unwanted === 0);
      req.socket.destroy();
    });
    await world.serve('c', answering);
    // One of them begins at a and comes to c by way of b.
    expect(await answers(open(), {}, 3)).toEqual(Array(3).fill('200 well:'));
  });

  it('a body that its sender breaks off is no failure of the endpoint', async () => {
    const received = deferred<void>();
    await world.serve('a', (req) => void req.once('data', () => received.resolve()).resume());
    const body = new Readable({ read() {} });
    body.push('half');
    const sent = answers(open(), { method: 'POST', body }, 1);
    await received.promise;
    body.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    expect(await sent).toEqual(['ECONNRESET']);
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('a request whose time is over before it was sent says nothing of the endpoint', async () => {
    const asked: (() => void)[] = [];
    await world.serve('a', (_req, res) => asked.push(() => res.end('well')));
    const dispatcher = open({ pool: { connections: 1 } });
    const first = answers(dispatcher, {}, 1);
    await eventually('the first is on the only connection', () => asked.length === 1);
    const caller = new AbortController();
    const second = answer(dispatcher, { signal: caller.signal });
    caller.abort(new DOMException('too late', 'TimeoutError'));
    asked[0]?.();
    expect([await first, await second]).toEqual([['200 well'], 'TimeoutError']);
    expect((await world.recorder.ends(2)).map(({ outcome }) => outcome)).toEqual(['ok', 'cancelled']);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['never, where it is told not to', { retry: false as const }, 1],
    ['as often as it is told', { retry: { retries: 1 } }, 2],
    ['what it is told is idempotent', { retry: { isIdempotent: () => false } }, 1],
  ])('sends again %s', async (_what, options, attempts) => {
    for (const id of ['a', 'b', 'c']) await world.serve(id, refusing);
    expect(await answers(open(options), {}, 1)).toEqual(['503 not now']);
    await eventually('all are drained', () => ends().length === attempts);
  });

  it.each([
    ['short', 10, 'leaves its connection in use', true],
    ['long', 1024 * 1024, 'loses its connection', false],
  ])('a %s answer that is not wanted (%i bytes) %s', async (_length, bytes, _what, isKept) => {
    const server = await world.serve('a', (_req, res) => res.writeHead(503).end(Buffer.alloc(bytes)));
    await world.serve('b', answering);
    const dispatcher = open();
    for (let n = 1; n <= 2; n++) {
      expect(await answers(dispatcher, {}, 2)).toEqual(Array(2).fill('200 well:'));
      await eventually('it is over', () => ends().filter((end) => end === 'a error status').length === n);
    }
    expect(server.accepted === 1).toBe(isKept);
  });
});

describe('the budget', () => {
  it('is the one that calls of the service have: what it refuses is told to the caller', async () => {
    const budget = new RetryBudget({ ratio: 0, perSecond: 0 });
    for (const id of ['a', 'b', 'c', 'd']) await world.serve(id, refusing);
    const dispatcher = world.discovery.dispatcher({ retry: { budget } });
    expect(await answers(dispatcher, {}, 6)).toEqual(Array(6).fill('503 not now'));
    expect(world.discovery.status()[0]?.retries).toMatchObject({
      ...{ calls: 6, attempts: 9, retries: 3, budgetRefusals: 5 },
    });
  });

  it('grows with the requests', async () => {
    await world.serve('a', refusing);
    await world.serve('b', answering);
    const dispatcher = world.discovery.dispatcher();
    expect(await answers(dispatcher, {}, 60)).toEqual(Array(60).fill('200 well:'));
    const { retries } = world.discovery.status()[0] ?? {};
    expect(retries).toMatchObject({ calls: 60, budgetRefusals: 0 });
  });
});

it.each([-1, 1.5, 11])('refuses %s retries', (retries) => {
  expect(() => world.discovery.dispatcher({ retry: { retries } })).toThrow(
    expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining('retry.retries') }),
  );
});
