import { createHash } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { Readable, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import {
  Agent,
  getGlobalDispatcher,
  pipeline,
  request,
  setGlobalDispatcher,
  stream,
  fetch as undiciFetch,
  WebSocket,
} from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../end-to-end/world.js';
import { freePorts } from '../../servers/ports.js';
import { fixture } from '../fixture.js';
import { HttpWorld, TestServer } from './world.js';

let world: HttpWorld;

beforeEach(async () => {
  world = await HttpWorld.start();
});

afterEach(() => world.close());

/** Answers with its id, the host it was called by, and what it was sent. */
async function echo(id: string): Promise<void> {
  await world.serve(id, async (req, res) => {
    const chunks = await req.toArray();
    res.setHeader('x-host', req.headers.host ?? '');
    res.end(`${id}:${Buffer.concat(chunks)}`);
  });
}

describe('requests reach the service', () => {
  beforeEach(async () => {
    await echo('a');
    await echo('b');
  });

  it('by the built-in fetch, each to the endpoint that the policy picked (T33)', async () => {
    const dispatcher = world.discovery.dispatcher();
    const answers: string[] = [];
    for (let n = 0; n < 4; n++)
      answers.push(await (await fetch('http://orders/items', { dispatcher })).text());
    expect(answers.sort()).toEqual(['a:', 'a:', 'b:', 'b:']);
    expect(world.recorder.ended).toHaveLength(4);
    for (const { outcome, latencyMs } of world.recorder.ended) {
      expect(outcome).toBe('ok');
      expect(latencyMs).toBeGreaterThan(0);
    }
  });

  it('by discovery.fetch, which needs no this', async () => {
    const { fetch: call } = world.discovery;
    const response = await call('http://orders/', { method: 'POST', body: 'one' });
    expect(response).toBeInstanceOf(Response);
    expect(await response.text()).toMatch(/^[ab]:one$/);
  });

  it("by undici's fetch, request, stream, pipeline and the dispatcher's own methods (T33)", async () => {
    const dispatcher = world.discovery.dispatcher();
    const answers = [
      await (await undiciFetch('http://orders/', { dispatcher })).text(),
      await (await request('http://orders/', { dispatcher })).body.text(),
      await (await dispatcher.request({ origin: 'http://orders', path: '/', method: 'GET' })).body.text(),
      await streamed(),
      await piped(),
    ];
    for (const answer of answers) expect(answer).toMatch(/^[ab]:(sent)?$/);
    expect(world.recorder.ended.map(({ outcome }) => outcome)).toEqual(Array(5).fill('ok'));

    async function streamed(): Promise<string> {
      const chunks: Buffer[] = [];
      const factory = () =>
        new Writable({
          write(chunk, _encoding, done) {
            chunks.push(chunk);
            done();
          },
        });
      await stream('http://orders/', { dispatcher, method: 'GET' }, factory);
      return Buffer.concat(chunks).toString();
    }

    async function piped(): Promise<string> {
      const duplex = pipeline('http://orders/', { dispatcher, method: 'POST' }, ({ body }) => body);
      return Buffer.concat(await Readable.from(['sent']).pipe(duplex).toArray()).toString();
    }
  });

  it('under an interceptor, which speaks the newer dialect (T33)', async () => {
    const seen: number[] = [];
    const composed = world.discovery.dispatcher().compose(
      (dispatch) => (options, handler) =>
        dispatch(options, {
          ...Object.fromEntries(
            ['onRequestStart', 'onResponseData', 'onResponseEnd', 'onResponseError'].map((name) => [
              name,
              (...args: unknown[]) =>
                (handler as Record<string, (...args: unknown[]) => void>)[name]?.(...args),
            ]),
          ),
          onResponseStart(controller, status, headers, text) {
            seen.push(status);
            handler.onResponseStart?.(controller, status, headers, text);
          },
        }),
    );
    expect(await (await request('http://orders/', { dispatcher: composed })).body.text()).toMatch(/^[ab]:$/);
    expect(seen).toEqual([200]);
    expect(world.recorder.ended).toMatchObject([{ outcome: 'ok', latencyMs: expect.any(Number) }]);
  });

  it('as the dispatcher of the whole process', async () => {
    const before = getGlobalDispatcher();
    try {
      setGlobalDispatcher(world.discovery.dispatcher());
      expect(await (await fetch('http://orders/')).text()).toMatch(/^[ab]:$/);
    } finally {
      setGlobalDispatcher(before);
    }
  });

  it('with the Host that the caller wrote (T32)', async () => {
    const { discovery } = world;
    const hosts = [
      (await discovery.fetch('http://orders/')).headers.get('x-host'),
      (await discovery.fetch('http://orders:8080/')).headers.get('x-host'),
      (
        await request('http://orders/', {
          dispatcher: discovery.dispatcher(),
          headers: { host: 'shop.example' },
        })
      ).headers['x-host'],
    ];
    expect(hosts).toEqual(['orders', 'orders:8080', 'shop.example']);
  });
});

describe('names', () => {
  it('of hosts that are no service go where the URL says', async () => {
    const server = await TestServer.start((_req, res) => res.end('a host'));
    const answers = [`http://127.0.0.1:${server.port}/`, `http://localhost:${server.port}/`].map(
      async (url) => (await world.discovery.fetch(url)).text(),
    );
    expect(await Promise.all(answers)).toEqual(['a host', 'a host']);
    expect(world.recorder.picks).toBe(0);
    await server.close();
  });

  it('may end with a suffix', async () => {
    await echo('a');
    const dispatcher = world.discovery.dispatcher({ services: { suffix: '.svc' } });
    expect(await (await fetch('http://orders.svc/', { dispatcher })).text()).toBe('a:');
  });

  it('may come from a function', async () => {
    await echo('a');
    const services = ({ hostname, port }: URL) =>
      hostname === 'shop.internal' && port === '81' ? 'orders' : undefined;
    const dispatcher = world.discovery.dispatcher({ services });
    expect(await (await fetch('http://shop.internal:81/', { dispatcher })).text()).toBe('a:');
  });

  it('go elsewhere through a dispatcher of the caller, which stays open', async () => {
    const server = await TestServer.start((_req, res) => res.end('a host'));
    const others = new Agent();
    const dispatcher = world.discovery.dispatcher({ others });
    await (await fetch(`http://127.0.0.1:${server.port}/`, { dispatcher })).text();
    await dispatcher.close();
    expect(others.closed).toBe(false);
    await others.close();
    await server.close();
  });
});

describe('what an endpoint did is told to the policy', () => {
  it.each([
    [200, { outcome: 'ok' }],
    [404, { outcome: 'ok' }],
    [501, { outcome: 'ok' }],
    [500, { outcome: 'error', failure: 'status' }],
    [429, { outcome: 'error', failure: 'status' }],
  ])('a status of %i', async (status, expected) => {
    await world.serve('a', (_req, res) => res.writeHead(status).end());
    await (await world.discovery.fetch('http://orders/')).text();
    expect(world.recorder.ended).toEqual([{ id: 'a', ...expected, latencyMs: expect.any(Number) }]);
  });

  it.each([
    [503, '7', 7000],
    [429, '1', 1000],
    [503, 'soon', undefined],
    [200, '7', undefined],
  ])('a status of %i with Retry-After: %s', async (status, text, expected) => {
    await world.serve('a', (_req, res) => res.writeHead(status, { 'Retry-After': text }).end());
    await (await world.discovery.fetch('http://orders/')).text();
    expect(world.recorder.ended[0]?.retryAfterMs).toBe(expected);
  });

  it('nobody listens', async () => {
    const [port = 0] = await freePorts(0);
    await world.list('a', port);
    await expect(world.discovery.fetch('http://orders/')).rejects.toMatchObject({
      cause: { code: 'ECONNREFUSED' },
    });
    expect(world.recorder.ended).toEqual([{ id: 'a', outcome: 'error', failure: 'connect' }]);
  });

  it('it breaks the connection', async () => {
    await world.serve('a', (req) => req.socket.destroy());
    await expect(world.discovery.fetch('http://orders/')).rejects.toThrow();
    expect(world.recorder.ended).toEqual([{ id: 'a', outcome: 'error', failure: 'reset' }]);
  });

  it('it breaks the connection in the middle of a response', async () => {
    await world.serve('a', (_req, res) => {
      res.writeHead(200, { 'content-length': 100 }).write('half');
      setImmediate(() => res.destroy());
    });
    const response = await world.discovery.fetch('http://orders/');
    await expect(response.text()).rejects.toThrow();
    expect(world.recorder.ended).toEqual([
      { id: 'a', outcome: 'error', failure: 'reset', latencyMs: expect.any(Number) },
    ]);
  });

  it('it does not answer in the time that the pool gives it', async () => {
    await world.serve('a', () => {});
    const dispatcher = world.discovery.dispatcher({ pool: { headersTimeout: 100 } });
    await expect(request('http://orders/', { dispatcher })).rejects.toMatchObject({
      code: 'UND_ERR_HEADERS_TIMEOUT',
    });
    expect(world.recorder.ended).toEqual([{ id: 'a', outcome: 'error', failure: 'timeout' }]);
  });

  it('it does not answer in the time that the caller gives it', async () => {
    const caller = new AbortController();
    // As AbortSignal.timeout does, once it has been asked.
    await world.serve('a', () => caller.abort(new DOMException('too late', 'TimeoutError')));
    const { signal } = caller;
    await expect(world.discovery.fetch('http://orders/', { signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'error', failure: 'timeout' }]);
  });

  it.each(['fetch', 'request'])(
    'nothing, when the caller of %s gives up before the answer (T15)',
    async (api) => {
      let asked = () => {};
      const arrived = new Promise<void>((resolve) => {
        asked = resolve;
      });
      await world.serve('a', () => asked());
      const caller = new AbortController();
      const { signal } = caller;
      const dispatcher = world.discovery.dispatcher();
      const call =
        api === 'fetch'
          ? fetch('http://orders/', { dispatcher, signal })
          : request('http://orders/', { dispatcher, signal });
      const failed = expect(call).rejects.toMatchObject({ name: 'AbortError' });
      await arrived;
      caller.abort();
      await failed;
      expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'cancelled' }]);
    },
  );

  it('nothing, when the caller gives up in the middle of a body', async () => {
    await world.serve('a', (_req, res) => res.write('half'));
    const caller = new AbortController();
    const response = await world.discovery.fetch('http://orders/', { signal: caller.signal });
    const failed = expect(response.text()).rejects.toMatchObject({ name: 'AbortError' });
    caller.abort();
    await failed;
    expect(await world.recorder.ends(1)).toEqual([
      { id: 'a', outcome: 'cancelled', latencyMs: expect.any(Number) },
    ]);
  });

  it("nothing, when the caller's own body breaks, before the request went out or after", async () => {
    await world.serve('a', (_req, res) => res.end());
    const dispatcher = world.discovery.dispatcher();
    const broken = () =>
      new Readable({
        read() {
          this.destroy(new Error('no such file'));
        },
      });
    for (let n = 0; n < 2; n++) {
      await expect(request('http://orders/', { dispatcher, method: 'POST', body: broken() })).rejects.toThrow(
        'no such file',
      );
    }
    expect((await world.recorder.ends(2)).map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled']);
  });

  it('nothing, for a request that is no valid one', async () => {
    await world.serve('a', (_req, res) => res.end());
    const dispatcher = world.discovery.dispatcher();
    await expect(
      dispatcher.request({ origin: 'http://orders', path: 'no slash', method: 'GET' }),
    ).rejects.toThrow('path');
    expect(world.recorder.ended).toEqual([{ id: 'a', outcome: 'cancelled' }]);
  });
});

describe('in flight', () => {
  const BIG = Buffer.alloc(4 * 1024 * 1024);

  it.each([
    ['each sent once', false as const],
    ['some of them sent again', {}],
  ])(
    'is exact under 1000 requests at a time, %s, whatever becomes of them (T16)',
    async (_, retry) => {
      for (const id of ['a', 'b', 'c']) {
        await world.serve(id, (req, res) => {
          if (req.url === '/reset') req.socket.destroy();
          else if (req.url === '/bad') res.writeHead(500).end('bad');
          else if (req.url !== '/hang') res.end('good');
        });
      }
      const dispatcher = world.discovery.dispatcher({ pool: { connections: 50 }, retry });
      const caller = new AbortController();
      setMaxListeners(0, caller.signal);
      const calls = Array.from({ length: 1000 }, async (_, n) => {
        const path = ['/', '/bad', '/reset', '/hang', '/unread'][n % 5];
        const signal = path === '/hang' ? caller.signal : undefined;
        const { body } = await request(`http://orders${path}`, { dispatcher, signal });
        if (path !== '/unread') await body.text();
      });
      const results = Promise.allSettled(calls);
      await world.recorder.ends(250);
      caller.abort();
      expect((await results).filter(({ status }) => status === 'rejected')).toHaveLength(400);
      await eventually('every pick has its end', () => world.recorder.inFlight === 0);
      const attempts = world.recorder.ended.filter(({ outcome }) => outcome !== 'cancelled');
      const { retries } = world.discovery.status()[0] ?? {};
      expect(retries).toMatchObject({ calls: 1000, attempts: 1000 + (retries?.retries ?? 0) });
      expect(attempts).toHaveLength(800 + (retries?.retries ?? 0));
      expect((retries?.retries ?? 0) > 0).toBe(retry !== false);
    },
    20_000,
  );

  it.each(['fetch', 'request'])('ends for a body that nobody reads, by %s (T16)', async (api) => {
    await world.serve('a', (_req, res) => res.end(BIG));
    const dispatcher = world.discovery.dispatcher({ stalledAfterMs: 200 });
    const call = api === 'fetch' ? fetch : request;
    const response = await (call as typeof fetch)('http://orders/', { dispatcher });
    expect(world.recorder.inFlight).toBe(1);
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'ok', latencyMs: expect.any(Number) }]);
    await dispatcher.destroy();
    expect(response).toBeDefined();
  });

  it('goes on for a body that is read slowly', async () => {
    await world.serve('a', (_req, res) => res.end(BIG));
    const dispatcher = world.discovery.dispatcher({ stalledAfterMs: 300 });
    const { body } = await request('http://orders/', { dispatcher });
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes < BIG.length) expect(world.recorder.inFlight).toBe(1);
    }
    expect(bytes).toBe(BIG.length);
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'ok' }]);
  });

  it('lasts as long as a WebSocket', async () => {
    const server = await world.serve('a', (_req, res) => res.end());
    server.onUpgrade((req, socket) => {
      const key = createHash('sha1').update(
        `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
      );
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key.digest('base64')}\r\n\r\n`,
      );
      socket.once('data', () => socket.destroy());
    });
    const socket = new WebSocket('ws://orders/', { dispatcher: world.discovery.dispatcher() });
    await once(socket, 'open');
    expect(world.recorder.inFlight).toBe(1);
    socket.send('bye');
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'ok', latencyMs: expect.any(Number) }]);
  });

  it.each(['the discovery', 'the dispatcher'])('ends with %s, and the tunnel with it', async (which) => {
    const server = await world.serve('a', (_req, res) => res.end());
    server.onConnect((_req, socket) => {
      socket.on('error', () => {}).write('HTTP/1.1 200 Connected\r\n\r\n');
    });
    const dispatcher = world.discovery.dispatcher({ closeTimeoutMs: 100 });
    const { socket } = await dispatcher.connect({ origin: 'http://orders', path: 'db:5432' });
    socket.on('error', () => {});
    await (which === 'the discovery' ? world.discovery.close() : dispatcher.destroy());
    await eventually('the tunnel is closed', () => socket.destroyed && world.recorder.inFlight === 0);
  });

  it('lasts as long as a tunnel made by CONNECT', async () => {
    const server = await world.serve('a', (_req, res) => res.end());
    server.onConnect((_req, socket) => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      socket.once('data', () => socket.end('bye'));
    });
    const { socket, statusCode } = await world.discovery
      .dispatcher()
      .connect({ origin: 'http://orders', path: 'db:5432' });
    expect([statusCode, world.recorder.inFlight]).toEqual([200, 1]);
    socket.write('hello');
    expect(Buffer.concat(await socket.toArray()).toString()).toBe('bye');
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'ok' }]);
  });
});

describe('the first list', () => {
  it('is waited for', async () => {
    await echo('a');
    expect(await (await world.discovery.fetch('http://orders/')).text()).toBe('a:');
  });

  it('that is empty fails a request at once, and one with an endpoint serves the next', async () => {
    await expect(world.discovery.fetch('http://orders/')).rejects.toMatchObject({
      cause: { code: 'NO_ENDPOINTS' },
    });
    await echo('a');
    await eventually(
      'it is listed',
      async () => (await world.discovery.fetch('http://orders/').catch(() => undefined))?.ok === true,
    );
  });
});

describe('while no list arrives', () => {
  it.each(['fetch', 'request'])('the caller of %s may give up', async (api) => {
    const { discovery } = await fixture();
    const dispatcher = discovery.dispatcher();
    const signal = AbortSignal.timeout(50);
    const call =
      api === 'fetch'
        ? fetch('http://orders/', { dispatcher, signal })
        : request('http://orders/', { dispatcher, signal });
    await expect(call).rejects.toMatchObject({ name: 'TimeoutError' });
    await discovery.close();
  });

  it('a request fails after its time, and says how the registry stands', async () => {
    const { discovery, clock } = await fixture();
    const call = request('http://orders/', { dispatcher: discovery.dispatcher({ readyTimeoutMs: 3000 }) });
    const failed = expect(call).rejects.toMatchObject({
      code: 'NOT_RESOLVED',
      message: expect.stringContaining('memory://10.0.0.1:1 is connecting'),
    });
    await clock.advance(3000);
    await failed;
    await discovery.close();
  });

  it('a request fails as soon as the discovery closes', async () => {
    const { discovery } = await fixture();
    const failed = expect(discovery.fetch('http://orders/')).rejects.toMatchObject({
      cause: { code: 'CLOSED' },
    });
    await discovery.close();
    await failed;
  });
});

describe('an endpoint that leaves', () => {
  it('has its connections closed (T19)', async () => {
    const servers = [
      await world.serve('a', (_req, res) => res.end()),
      await world.serve('b', (_req, res) => res.end()),
    ];
    for (let n = 0; n < 4; n++) await (await world.discovery.fetch('http://orders/')).text();
    expect(servers.map(({ open }) => open)).toEqual([1, 1]);
    await world.unlist('a');
    await eventually('its connection is closed', () => servers[0]?.open === 0);
    expect(servers[1]?.open).toBe(1);
  });

  it('finishes what is in flight first, however it leaves', async () => {
    const finish: (() => void)[] = [];
    const slow = await world.serve('a', (_req, res) => {
      res.write('begun ');
      finish.push(() => res.end('and done'));
    });
    const response = await world.discovery.fetch('http://orders/');
    await world.serve('b', (_req, res) => res.end('b'));
    await world.list('a', slow.port, 'draining');
    await eventually('b alone is picked', async () => {
      const signal = AbortSignal.timeout(100);
      const calls = [1, 2].map(() =>
        world.discovery.fetch('http://orders/', { signal }).then((each) => each.text()),
      );
      return (await Promise.all(calls).catch(() => [])).join() === 'b,b';
    });
    finish[0]?.();
    expect(await response.text()).toBe('begun and done');
    await eventually('its connections are closed', () => slow.open === 0);
  });

  it('is not kept open by a body that nobody reads', async () => {
    const server = await world.serve('a', (_req, res) => res.end(Buffer.alloc(4 * 1024 * 1024)));
    const dispatcher = world.discovery.dispatcher({ stalledAfterMs: 100 });
    const { body } = await request('http://orders/', { dispatcher });
    body.on('error', () => {});
    await echo('b');
    await world.list('a', server.port, 'draining');
    await eventually('its connection is closed', () => server.open === 0);
  });
});

describe('TLS', () => {
  const pem = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url));
  const names: unknown[] = [];

  beforeEach(async () => {
    const server = createTlsServer({ cert: pem('service-cert.pem'), key: pem('service-key.pem') });
    await world.serve(
      'a',
      (req, res) => {
        names.push((req.socket as TLSSocket).servername, req.headers.host);
        res.end('secret');
      },
      server,
    );
  });

  it('asks for the name of the service, and verifies it by the CA of the caller (T32)', async () => {
    const dispatcher = world.discovery.dispatcher({ pool: { connect: { ca: pem('service-cert.pem') } } });
    expect(await (await fetch('https://orders/', { dispatcher })).text()).toBe('secret');
    expect(names).toEqual(['orders', 'orders']);
  });

  it('refuses a certificate for another name, which is a failure to connect', async () => {
    const services = () => 'orders';
    const dispatcher = world.discovery.dispatcher({
      services,
      pool: { connect: { ca: pem('service-cert.pem') } },
    });
    await expect(fetch('https://other/', { dispatcher })).rejects.toMatchObject({
      cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    });
    expect(world.recorder.ended).toEqual([{ id: 'a', outcome: 'error', failure: 'connect' }]);
  });
});

describe('closing', () => {
  it('the discovery lets requests in flight finish, and closes all connections', async () => {
    let finish = () => {};
    const server = await world.serve('a', (_req, res) => {
      finish = () => res.end(' and done');
      res.write('begun');
    });
    const response = await world.discovery.fetch('http://orders/');
    const closed = world.discovery.close();
    await expect(world.discovery.fetch('http://orders/')).rejects.toMatchObject({
      cause: { code: 'CLOSED' },
    });
    finish();
    expect(await response.text()).toBe('begun and done');
    await closed;
    await eventually('no connection is left', () => server.open === 0);
    expect(() => world.discovery.dispatcher({})).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('the discovery ends a request that takes too long', async () => {
    await world.serve('a', (_req, res) => res.write('for ever'));
    const dispatcher = world.discovery.dispatcher({ closeTimeoutMs: 100 });
    const response = await fetch('http://orders/', { dispatcher });
    await world.discovery.close();
    await expect(response.text()).rejects.toThrow();
    expect(world.recorder.inFlight).toBe(0);
  });
});

it('refuses to call through a discovery that is closed, by a rejection', async () => {
  await world.discovery.close();
  await expect(world.discovery.fetch('http://orders/')).rejects.toMatchObject({ code: 'CLOSED' });
});

it('is the same one at every call without options', () => {
  const { discovery } = world;
  expect(discovery.dispatcher()).toBe(discovery.dispatcher());
  expect(discovery.dispatcher({})).not.toBe(discovery.dispatcher({}));
});
