import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import type { HttpProbeConfig } from '../../sidecar/config/config.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { MAX_BODY_BYTES } from '../../sidecar/probes/http.js';
import { type CheckResult, MAX_REASON_LENGTH } from '../../sidecar/probes/probe.js';
import { freePort, httpConfig, serve, type TestServer, track, until } from './support.js';

const CERT_FILE = new URL('../fixtures/tls/cert.pem', import.meta.url);
const KEY_FILE = new URL('../fixtures/tls/key.pem', import.meta.url);

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function keep(starting: Promise<TestServer>): Promise<TestServer> {
  const server = await starting;
  servers.push(server);
  return server;
}

const http = (answer: RequestListener, host?: string): Promise<TestServer> =>
  keep(track(createServer(answer), host));

const raw = (onConnection: (socket: Socket) => void): Promise<TestServer> => keep(serve(onConnection));

const tls = async (answer: RequestListener): Promise<TestServer> =>
  keep(track(createTlsServer({ cert: await readFile(CERT_FILE), key: await readFile(KEY_FILE) }, answer)));

const ok: RequestListener = (_request, response) => response.end('all is well');

async function check(port: number, overrides: Partial<HttpProbeConfig> = {}): Promise<CheckResult> {
  const probe = await createProbe(httpConfig(port, overrides), { clock: systemClock });
  return probe.check(new AbortController().signal);
}

/** Calls `write` every `ms` until the socket is closed. */
function drip(socket: Socket, ms: number, write: () => void): void {
  const timer = setInterval(write, ms);
  socket.on('close', () => clearInterval(timer));
}

describe('an http probe', () => {
  test('passes on an expected status, over one connection that it closes', async () => {
    const server = await http(ok);
    expect(await check(server.port)).toMatchObject({ status: 'passing', reason: 'status 200' });
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('passes on IPv6, naming the address in brackets', async () => {
    const hosts: (string | undefined)[] = [];
    const server = await http((request, response) => {
      hosts.push(request.headers.host);
      response.end();
    }, '::1');
    expect(await check(server.port, { host: '::1' })).toMatchObject({ status: 'passing' });
    expect(hosts).toEqual([`[::1]:${server.port}`]);
  });

  test('sends what the configuration says, its own name, and no wish to keep the connection', async () => {
    const seen: unknown[] = [];
    const server = await http(({ method, url, headers }, response) => {
      seen.push({
        method,
        url,
        agent: headers['user-agent'],
        token: headers['x-token'],
        connection: headers.connection,
      });
      response.end();
    });
    await check(server.port, { method: 'POST', path: '/ready?deep=1', headers: { 'x-token': 'abc' } });
    expect(seen).toEqual([
      { method: 'POST', url: '/ready?deep=1', agent: 'pilotfish', token: 'abc', connection: 'close' },
    ]);
  });

  test('lets the configuration choose Host and User-Agent', async () => {
    const seen: unknown[] = [];
    const server = await http(({ headers }, response) => {
      seen.push([headers.host, headers['user-agent']]);
      response.end();
    });
    await check(server.port, { headers: { host: 'web.test', 'user-agent': 'other' } });
    expect(seen).toEqual([['web.test', 'other']]);
  });

  test.each([
    [503, [{ from: 200, to: 299 }], 'failing', 'expected status 200-299, got 503'],
    [302, [{ from: 200, to: 299 }], 'failing', 'expected status 200-299, got 302'],
    [302, [{ from: 200, to: 399 }], 'passing', 'status 302'],
    [
      418,
      [
        { from: 200, to: 204 },
        { from: 418, to: 418 },
      ],
      'passing',
      'status 418',
    ],
    [
      205,
      [
        { from: 200, to: 204 },
        { from: 418, to: 418 },
      ],
      'failing',
      'expected status 200-204, 418, got 205',
    ],
  ])('judges status %i by the ranges %j: %s', async (status, expectStatus, expected, reason) => {
    const server = await http((_request, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
    expect(await check(server.port, { expectStatus })).toMatchObject({ status: expected, reason });
  });

  test('does not follow a redirect or send back a cookie', async () => {
    const seen: unknown[] = [];
    const server = await http(({ url, headers }, response) => {
      seen.push([url, headers.cookie]);
      response.writeHead(302, { location: '/elsewhere', 'set-cookie': 'a=b' }).end();
    });
    const probe = await createProbe(httpConfig(server.port), { clock: systemClock });
    const { signal } = new AbortController();
    await probe.check(signal);
    await probe.check(signal);
    expect(seen).toEqual([
      ['/health', undefined],
      ['/health', undefined],
    ]);
  });

  test('fails when the port refuses', async () => {
    const port = await freePort();
    expect(await check(port)).toMatchObject({
      status: 'failing',
      reason: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });
});

describe('the expected body', () => {
  test('is found where two chunks meet', async () => {
    const server = await http((_request, response) => {
      response.write('all is w');
      setTimeout(() => response.end('ell'), 30);
    });
    expect(await check(server.port, { expectBody: 'is well' })).toMatchObject({ status: 'passing' });
  });

  test('makes the check fail when it is missing, and the reason shows one printable line', async () => {
    const server = await http((_request, response) => response.end('\u001b[31mbroken\r\nfor good'));
    expect(await check(server.port, { expectBody: 'is well' })).toMatchObject({
      status: 'failing',
      reason: 'expected a body that contains "is well", got "\\u001b[31mbroken\\u000d\\u000afor good"',
    });
  });

  test('is not waited for to the end once it is there', async () => {
    const server = await http((_request, response) => void response.write('all is well, and more to come'));
    const result = await check(server.port, { expectBody: 'well' });
    expect(result.status).toBe('passing');
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('counts only within the first 64 KiB', async () => {
    const at =
      (offset: number): RequestListener =>
      (_request, response) =>
        response.end(`${' '.repeat(offset)}well${' '.repeat(100)}`);
    const inside = await http(at(MAX_BODY_BYTES - 4));
    const outside = await http(at(MAX_BODY_BYTES - 3));
    expect((await check(inside.port, { expectBody: 'well' })).status).toBe('passing');
    expect((await check(outside.port, { expectBody: 'well' })).status).toBe('failing');
  });

  test('of an endless answer is given up at the limit', async () => {
    const server = await http((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
        response.once('drain', more);
      };
      more();
    });
    const result = await check(server.port, { expectBody: 'well', timeoutMs: 5000 });
    expect(result.status).toBe('failing');
    expect(result.reason.length).toBeLessThanOrEqual(MAX_REASON_LENGTH);
    await until(() => server.open() === 0, 'the connection to be closed');
  });
});

describe('the deadline', () => {
  const TIMEOUT_MS = 250;

  async function endsAtDeadline(server: TestServer, overrides: Partial<HttpProbeConfig> = {}): Promise<void> {
    const result = await check(server.port, { timeoutMs: TIMEOUT_MS, ...overrides });
    expect(result).toMatchObject({ status: 'failing', reason: 'GET /health took longer than 250 ms' });
    expect(result.durationMs).toBeGreaterThan(TIMEOUT_MS - 5);
    expect(result.durationMs).toBeLessThan(TIMEOUT_MS * 40);
    await until(() => server.open() === 0, 'the connection to be closed');
  }

  test('ends a check of a service that accepts and says nothing', async () => {
    await endsAtDeadline(await raw((socket) => socket.resume()));
  });

  test('ends a body that arrives byte by byte', async () => {
    const server = await http((request, response) => drip(request.socket, 50, () => response.write('x')));
    await endsAtDeadline(server, { expectBody: 'well' });
  });

  test('ends headers that arrive one by one and never end', async () => {
    const server = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      drip(socket, 20, () => socket.write('X-More: x\r\n'));
    });
    await endsAtDeadline(server);
  });

  test('ends informational answers without a final one', async () => {
    const server = await raw((socket) =>
      drip(socket, 20, () => socket.write('HTTP/1.1 102 Processing\r\n\r\n')),
    );
    await endsAtDeadline(server);
  });

  test('ends a TLS handshake that the service never takes part in', async () => {
    await endsAtDeadline(await raw((socket) => socket.resume()), { tls: { insecureSkipVerify: false } });
  });
});

describe('an answer that is none', () => {
  test.each([
    ['is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', /^expected an HTTP answer, got something else: /],
    [
      'has a broken header',
      'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
      /^expected an HTTP answer, got something else: /,
    ],
    [
      'has endless headers',
      `HTTP/1.1 200 OK\r\n${'X-More: 0123456789\r\n'.repeat(2000)}`,
      /^expected at most 16384 bytes of response headers/,
    ],
  ])('fails when it %s', async (_name, answer, reason) => {
    const server = await raw((socket) => socket.once('data', () => socket.write(answer)));
    const result = await check(server.port);
    expect(result).toMatchObject({ status: 'failing', reason: expect.stringMatching(reason) });
  });

  test('fails when the connection is closed instead', async () => {
    const server = await raw((socket) => socket.once('data', () => socket.end()));
    expect(await check(server.port)).toMatchObject({
      status: 'failing',
      reason: 'the connection was closed before the answer was complete',
    });
  });

  test('fails when the body breaks off', async () => {
    const server = await raw((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nall is')),
    );
    expect(await check(server.port, { expectBody: 'well' })).toMatchObject({
      status: 'failing',
      reason: 'the connection was closed before the answer was complete',
    });
  });
});

describe('TLS', () => {
  test('refuses a certificate that nobody trusts', async () => {
    const server = await tls(ok);
    expect(await check(server.port, { tls: { insecureSkipVerify: false } })).toMatchObject({
      status: 'failing',
      reason: expect.stringMatching(/^TLS: self-signed certificate/),
    });
  });

  test('accepts it from the given authority, by address and by name', async () => {
    const server = await tls(ok);
    const ca = CERT_FILE.pathname;
    const byAddress = await check(server.port, { tls: { ca, insecureSkipVerify: false } });
    const byName = await check(server.port, {
      tls: { ca, serverName: 'localhost', insecureSkipVerify: false },
    });
    expect([byAddress.status, byName.status]).toEqual(['passing', 'passing']);
  });

  test('refuses it for another name', async () => {
    const server = await tls(ok);
    const tlsConfig = { ca: CERT_FILE.pathname, serverName: 'web.test', insecureSkipVerify: false };
    const result = await check(server.port, { tls: tlsConfig });
    expect(result).toMatchObject({ status: 'failing', reason: expect.stringContaining('web.test') });
  });

  test('accepts anything when verification is off, and says so at each start', async () => {
    const server = await tls(ok);
    const warnings: string[] = [];
    const warn = (_fields: object, message: string): void => void warnings.push(message);
    const ignore = (): void => {};
    const probe = await createProbe(httpConfig(server.port, { tls: { insecureSkipVerify: true } }), {
      clock: systemClock,
      logger: { debug: ignore, info: ignore, warn, error: ignore },
    });
    expect((await probe.check(new AbortController().signal)).status).toBe('passing');
    expect(warnings).toEqual(['TLS certificates of this probe are not verified (insecureSkipVerify)']);
  });

  test('fails clearly when the service speaks plain HTTP', async () => {
    const server = await http(ok);
    const result = await check(server.port, { tls: { insecureSkipVerify: true } });
    expect(result).toMatchObject({ status: 'failing', reason: expect.stringMatching(/^TLS: /) });
  });

  test('a missing authority file is bad input at the start', async () => {
    const config = httpConfig(443, { tls: { ca: '/nowhere/ca.pem', insecureSkipVerify: false } });
    await expect(createProbe(config, { clock: systemClock })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/^expected a file of certificates in PEM form, got "\/nowhere\/ca.pem"/),
    });
  });
});
