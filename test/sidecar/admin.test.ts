import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../runtime/clock.js';
import type { Logger } from '../../runtime/logger.js';
import { silentLogger } from '../../runtime/logger.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { type Admin, startAdmin } from '../../sidecar/admin.js';
import { type AdminRoute, json } from '../../sidecar/admin-route.js';
import { type AdminSources, standardRoutes } from '../../sidecar/admin-routes.js';
import { freePort, until } from './support.js';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

const IN_FLIGHT = 'expected a whole number from 0';
const beats: [string, string, string, number | undefined][] = [];
let reasons: string[] = [];
let limitClock: VirtualClock;

const SOURCES: Omit<AdminSources, 'clock'> = {
  metrics: async () => ({ type: 'text/plain; version=0.0.4; charset=utf-8', text: 'up 1\n' }),
  unreadyReasons: () => reasons,
  status: () => ({ services: [{ name: 'orders' }] }),
  heartbeatSecret: () => undefined,
  beat: (service, ...said) => service === 'orders' && beats.push([service, ...said]) > 0,
};

const open: Admin[] = [];
let admin: Admin;

async function start(
  routes: readonly AdminRoute[],
  logger: Logger = silentLogger,
  allowedHosts: string[] = [],
  clock: Clock = systemClock,
) {
  const started = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    routes,
    logger,
    allowedHosts,
    clock,
  });
  open.push(started);
  return started;
}

beforeEach(async () => {
  beats.length = 0;
  reasons = [];
  limitClock = new VirtualClock();
  admin = await start(standardRoutes({ ...SOURCES, clock: limitClock }));
});

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** One request on a connection of its own; `Host` and the like can be set, which `fetch` does not allow. */
function ask(path: string, { method = 'GET', headers = {}, body }: Sent = {}, to = admin): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`${to.url}${path}`, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const put = (path: string, body?: string | Buffer, type = 'application/json'): Promise<Answer> =>
  ask(path, { method: 'PUT', ...(body !== undefined && { body, headers: { 'content-type': type } }) });

/** Sends bytes as they are and resolves with everything that came back before the connection closed. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(admin.url).port), '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk;
    });
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

describe('what the admin server answers', () => {
  test('GET /metrics is the metrics as they are', async () => {
    expect(await ask('/metrics')).toMatchObject({
      status: 200,
      text: 'up 1\n',
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    });
  });

  test('GET /healthz is 200 while it runs, whatever the services do', async () => {
    reasons = ['orders is not registered'];
    expect(await ask('/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}\n' });
  });

  test('GET /readyz is 200 when all is as desired, else 503 with the reasons', async () => {
    expect(await ask('/readyz')).toMatchObject({ status: 200, text: '{"ready":true,"reasons":[]}\n' });
    reasons = ['orders: local: does not answer'];
    expect(await ask('/readyz')).toMatchObject({
      status: 503,
      text: '{"ready":false,"reasons":["orders: local: does not answer"]}\n',
    });
  });

  test('GET /v1/status is JSON that nothing may cache or take for something else', async () => {
    const { status, text, headers } = await ask('/v1/status?pretty=1');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ services: [{ name: 'orders' }] });
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  test('HEAD is GET without the body', async () => {
    const { status, text, headers } = await ask('/v1/status', { method: 'HEAD' });
    expect([status, text]).toEqual([200, '']);
    expect(Number(headers['content-length'])).toBeGreaterThan(10);
  });

  test.each(['/', '/nothing', '/metrics/', '/v1/heartbeat', '/v1/heartbeat/a/b', '//metrics', '/%6detrics'])(
    'an unknown path such as %s is 404',
    async (path) => {
      expect(await ask(path)).toMatchObject({ status: 404, text: '{"error":"expected a known path"}\n' });
    },
  );

  test.each([
    ['POST', '/metrics', 'GET, HEAD'],
    ['DELETE', '/v1/status', 'GET, HEAD'],
    ['OPTIONS', '/v1/heartbeat/orders', 'PUT'],
    ['POST', '/v1/heartbeat/orders', 'PUT'],
    ['GET', '/v1/heartbeat/orders', 'PUT'],
  ])('%s %s is 405 and names what is allowed', async (method, path, allow) => {
    expect(await ask(path, { method })).toMatchObject({ status: 405, headers: { allow } });
  });

  test('a route of somebody else is answered too, and one that throws is 500 and a log line', async () => {
    const lines: object[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => void lines.push(fields) };
    const other = await start(
      [
        { method: 'POST', path: '/v1/drain', handle: ({ body }) => json(202, { got: body.toString() }) },
        {
          method: 'POST',
          path: '/v1/break',
          handle: () => {
            throw new Error('out\nof order');
          },
        },
      ],
      logger,
    );
    const headers = { 'content-type': 'application/json' };
    expect(await ask('/v1/drain', { method: 'POST', headers, body: 'now' }, other)).toMatchObject({
      status: 202,
      text: '{"got":"now"}\n',
    });
    expect(await ask('/v1/break', { method: 'POST', headers }, other)).toMatchObject({
      status: 500,
      text: '{"error":"internal error; the log says more"}\n',
    });
    expect(lines).toEqual([{ method: 'POST', path: '/v1/break', cause: 'out of order' }]);
  });
});

describe('a heartbeat', () => {
  test.each([
    ['{"status":"pass"}', 'pass', '', undefined],
    ['{"status":"warn","note":"disk 91 %"}', 'warn', 'disk 91 %', undefined],
    ['{"status":"pass","inFlight":0}', 'pass', '', 0],
    ['{"status":"fail","note":"no database","inFlight":12,"extra":1}', 'fail', 'no database', 12],
  ])('%s is taken', async (body, status, note, inFlight) => {
    expect(await put('/v1/heartbeat/orders', body)).toMatchObject({ status: 204, text: '' });
    expect(beats).toEqual([['orders', status, note, inFlight]]);
  });

  test('without a body means pass', async () => {
    expect((await put('/v1/heartbeat/orders')).status).toBe(204);
    expect(beats).toEqual([['orders', 'pass', '', undefined]]);
  });

  test('from fetch, as a service would send it, is taken', async () => {
    const reply = await fetch(`${admin.url}/v1/heartbeat/orders`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"status":"warn"}',
    });
    expect(reply.status).toBe(204);
  });

  test.each([
    ['without a status', '{"note":"x"}', 'expected one of: pass, warn, fail, got nothing, at status'],
    ['of another status', '{"status":"ok"}', 'expected one of: pass, warn, fail, got "ok", at status'],
    ['with a note that is no text', '{"status":"pass","note":7}', 'expected text, got 7, at note'],
    [
      'that names a prototype',
      '{"__proto__":{"status":"pass"}}',
      'expected one of: pass, warn, fail, got nothing, at status',
    ],
    [
      'with work that cannot be counted',
      '{"status":"pass","inFlight":-1}',
      `${IN_FLIGHT}, got -1, at inFlight`,
    ],
    ['with half a request', '{"status":"pass","inFlight":1.5}', `${IN_FLIGHT}, got 1.5, at inFlight`],
    ['with a number as text', '{"status":"pass","inFlight":"1"}', `${IN_FLIGHT}, got "1", at inFlight`],
  ])('%s is 400 and says what was expected', async (_name, body, error) => {
    const answer = await put('/v1/heartbeat/orders', body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toEqual({ errors: [error] });
    expect(beats).toEqual([]);
  });

  test('that is wrong in several ways is told all of them', async () => {
    const { text } = await put('/v1/heartbeat/orders', '{"status":"ok","note":7,"inFlight":null}');
    expect(JSON.parse(text)).toEqual({
      errors: [
        'expected one of: pass, warn, fail, got "ok", at status',
        'expected text, got 7, at note',
        `${IN_FLIGHT}, got null, at inFlight`,
      ],
    });
  });

  test('in a form a web page could send is 415', async () => {
    const answer = await put('/v1/heartbeat/orders', '{"status":"pass"}', 'text/plain');
    expect(answer.status).toBe(415);
    expect(JSON.parse(answer.text)).toEqual({
      error: 'expected application/json, got "text/plain", at content-type',
    });
  });

  test.each(['other', '..%2f..%2fetc', '%00', '%zz'])(
    'for %s, which is no service here, is 404',
    async (name) => {
      expect((await put(`/v1/heartbeat/${name}`)).status).toBe(404);
      expect(beats).toEqual([]);
    },
  );

  test('that comes too often is 429 until a moment has passed', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 21; i++) statuses.push((await put('/v1/heartbeat/orders')).status);
    expect(statuses).toEqual([...Array(20).fill(204), 429]);
    await limitClock.advance(100);
    expect((await put('/v1/heartbeat/orders')).status).toBe(204);
    expect((await put('/v1/heartbeat/orders')).status).toBe(429);
  });
});

describe('the guard', () => {
  test.each(['localhost', '127.0.0.1', '[::1]', 'LOCALHOST:80', '127.0.0.1:1', '[::1]:9190'])(
    'lets Host: %s pass',
    async (host) => {
      expect((await ask('/healthz', { headers: { host } })).status).toBe(200);
    },
  );

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.2',
    '2130706433',
    '@',
  ])('refuses Host: %j', async (host) => {
    expect((await ask('/healthz', { headers: { host } })).status).toBe(403);
  });

  test('refuses an empty Host and a request without one', async () => {
    expect(await raw('GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 403 /,
    );
    expect(await raw('GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('lets a configured name pass', async () => {
    const other = await start(standardRoutes({ ...SOURCES, clock: systemClock }), silentLogger, [
      'Sidecar-1',
    ]);
    expect((await ask('/healthz', { headers: { host: 'sidecar-1:9190' } }, other)).status).toBe(200);
    expect((await ask('/healthz', { headers: { host: 'sidecar-2:9190' } }, other)).status).toBe(403);
  });

  test.each([
    ['origin', 'http://evil.example'],
    ['origin', 'null'],
    ['origin', 'http://127.0.0.1'],
    ['sec-fetch-site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
  ])('refuses a web page by %s: %s, and nothing changes', async (name, value) => {
    const answer = await ask('/v1/heartbeat/orders', { method: 'PUT', headers: { [name]: value } });
    expect(answer.status).toBe(403);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(beats).toEqual([]);
  });

  test.each(['none', 'same-origin'])(
    'lets a person at a browser pass (sec-fetch-site: %s)',
    async (value) => {
      expect((await ask('/v1/status', { headers: { 'sec-fetch-site': value } })).status).toBe(200);
    },
  );
});

describe('the limits', () => {
  test('a body of 16 KiB is read, a larger one is 413, announced or not', async () => {
    const note = (length: number): string => `{"status":"pass","note":"${'x'.repeat(length - 27)}"}`;
    const largest = note(16 * 1024);
    expect(Buffer.byteLength(largest)).toBe(16 * 1024);
    expect((await put('/v1/heartbeat/orders', largest)).status).toBe(204);
    expect((await put('/v1/heartbeat/orders', note(16 * 1024 + 1))).status).toBe(413);
    const chunked = await raw(
      `PUT /v1/heartbeat/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n5000\r\n${'x'.repeat(0x5000)}\r\n`,
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
    expect(beats).toHaveLength(1);
  });

  test('an announced gigabyte is refused without being read', async () => {
    const answer = await raw(
      'PUT /v1/heartbeat/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*connection: close/is);
  });

  test('headers above 8 KiB are 431', async () => {
    expect(
      await raw(`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: ${'x'.repeat(9000)}\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('a request that is no HTTP is 400', async () => {
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('headers that do not end are 408 after five seconds', async () => {
    const startedAt = performance.now();
    expect(await raw('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - startedAt).toBeGreaterThan(4500);
    // Node's own limit is a minute.
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  test('of two hundred connections at most 64 are held', async () => {
    const sockets: Socket[] = [];
    const dropped = new Set<Socket>();
    for (let i = 0; i < 200; i++) {
      const socket = connect(Number(new URL(admin.url).port), '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => dropped.add(socket));
      socket.on('connect', () => socket.write('GET /healthz HTTP/1.1\r\n'));
      sockets.push(socket);
    }
    await until(() => dropped.size >= 200 - 64, '136 dropped connections');
    for (const socket of sockets) socket.destroy();
  });
});

describe('closing', () => {
  test('ends idle connections at once and frees the port', async () => {
    // Its clock stands still: nothing that takes time can have passed.
    const standing = await start(
      standardRoutes({ ...SOURCES, clock: limitClock }),
      silentLogger,
      [],
      limitClock,
    );
    const socket = connect(Number(new URL(standing.url).port), '127.0.0.1');
    let answered = false;
    let closed = false;
    socket.on('data', () => {
      answered = true;
    });
    socket.on('close', () => {
      closed = true;
    });
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => answered, 'the answer');
    await standing.close();
    await until(() => closed, 'the idle connection to close');
    await expect(ask('/healthz', {}, standing)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('does not wait for a request that never ends', async () => {
    const standing = await start(
      standardRoutes({ ...SOURCES, clock: limitClock }),
      silentLogger,
      [],
      limitClock,
    );
    const socket = connect(Number(new URL(standing.url).port), '127.0.0.1');
    socket.on('error', () => {});
    await new Promise<void>((resolve) => {
      socket.write('GET /healthz HTTP/1.1\r\nHost:', () => resolve());
    });
    await ask('/healthz', {}, standing);
    const closing = Promise.all([standing.close(), standing.close()]);
    await limitClock.advance(500);
    await closing;
    socket.destroy();
  });
});

test('a port that is taken rejects with the reason', async () => {
  const port = Number(new URL(admin.url).port);
  await expect(startAdmin({ address: { host: '127.0.0.1', port }, routes: [] })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
});

test('on IPv6 the URL has brackets', async () => {
  const port = await freePort();
  const other = await startAdmin({
    address: { host: '::1', port },
    routes: standardRoutes({ ...SOURCES, clock: systemClock }),
  });
  open.push(other);
  expect(other.url).toBe(`http://[::1]:${port}`);
  expect((await ask('/healthz', {}, other)).status).toBe(200);
});
