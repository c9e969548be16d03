import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import type { GrpcProbeConfig } from '../../sidecar/config/config.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { decodeAnswer, encodeRequest } from '../../sidecar/probes/grpc-message.js';
import { type CheckResult, MAX_REASON_LENGTH } from '../../sidecar/probes/probe.js';
import { freePort, grpcConfig, serve, type TestServer, track, until } from './support.js';

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

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

function quiet(server: Server, answer: Answer): Server {
  server.on('session', (session: ServerHttp2Session) => session.on('error', () => {}));
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {});
    answer(stream, headers);
  });
  return server;
}

const grpc = (answer: Answer, host?: string): Promise<TestServer> =>
  keep(track(quiet(createServer(), answer), host));

const grpcOverTls = async (answer: Answer): Promise<TestServer> => {
  const files = { cert: await readFile(CERT_FILE), key: await readFile(KEY_FILE) };
  return keep(track(quiet(createSecureServer(files), answer)));
};

const raw = (onConnection: (socket: Socket) => void): Promise<TestServer> => keep(serve(onConnection));

async function check(port: number, overrides: Partial<GrpcProbeConfig> = {}): Promise<CheckResult> {
  const probe = await createProbe(grpcConfig(port, overrides), { clock: systemClock });
  return probe.check(new AbortController().signal);
}

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const OK = { 'grpc-status': '0' };

/** A message in its frame. */
function framed(...message: readonly number[]): Buffer {
  return Buffer.from([0, 0, 0, 0, message.length, ...message]);
}

/** Headers, body and trailers, as servers send them. */
function answering(body: Buffer, trailers: object = OK, head: object = HEAD): Answer {
  return (stream) => {
    stream.respond({ ...head }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ ...trailers }));
    stream.end(body);
  };
}

/** Everything in the headers, without a body: "Trailers-Only". */
const refusing =
  (code: number, message?: string): Answer =>
  (stream) =>
    stream.respond(
      { ...HEAD, 'grpc-status': `${code}`, ...(message !== undefined && { 'grpc-message': message }) },
      { endStream: true },
    );

const SERVING = answering(framed(8, 1));

describe('a grpc probe', () => {
  test('passes when the server is SERVING, over one connection that it closes', async () => {
    const server = await grpc(SERVING);
    expect(await check(server.port)).toMatchObject({ status: 'passing', reason: 'the server is SERVING' });
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('asks by the standard method, for the service it is told, and says until when', async () => {
    const calls: unknown[] = [];
    const bodies: Buffer[] = [];
    const server = await grpc((stream, headers) => {
      calls.push(headers);
      stream.on('data', (chunk: Buffer) => bodies.push(chunk));
      stream.on('end', () => SERVING(stream, headers));
    });
    expect(await check(server.port, { service: 'orders.v1.Orders', timeoutMs: 1234 })).toMatchObject({
      status: 'passing',
      reason: 'orders.v1.Orders is SERVING',
    });
    expect(calls).toEqual([
      expect.objectContaining({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        ':scheme': 'http',
        ':authority': `127.0.0.1:${server.port}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': '1234m',
        'user-agent': 'pilotfish',
      }),
    ]);
    expect(Buffer.concat(bodies)).toEqual(encodeRequest('orders.v1.Orders'));
  });

  test('passes on IPv6, naming the address in brackets', async () => {
    const authorities: unknown[] = [];
    const server = await grpc((stream, headers) => {
      authorities.push(headers[':authority']);
      SERVING(stream, headers);
    }, '::1');
    expect(await check(server.port, { host: '::1' })).toMatchObject({ status: 'passing' });
    expect(authorities).toEqual([`[::1]:${server.port}`]);
  });

  test.each<[string, Answer, string]>([
    ['UNKNOWN', answering(framed(8, 0)), 'orders is UNKNOWN'],
    ['UNKNOWN, left out as a default', answering(framed()), 'orders is UNKNOWN'],
    ['NOT_SERVING', answering(framed(8, 2)), 'orders is NOT_SERVING'],
    ['SERVICE_UNKNOWN', answering(framed(8, 3)), 'orders is SERVICE_UNKNOWN'],
    ['a status of the future', answering(framed(8, 9)), 'orders is in status 9'],
    ['NOT_FOUND', refusing(5, 'unknown'), 'NOT_FOUND: the server knows no health of "orders"'],
    ['UNIMPLEMENTED', refusing(12), 'UNIMPLEMENTED: the server does not serve grpc.health.v1.Health'],
    ['UNAVAILABLE', refusing(14), 'UNAVAILABLE'],
    ['a reason', refusing(16, 'no token%3a %E2%9c%93'), 'UNAUTHENTICATED: no token: ✓'],
    ['a reason that is encoded badly', refusing(13, '100%'), 'INTERNAL: 100%'],
    ['a code nobody knows', refusing(99), 'grpc-status 99'],
    [
      'a refusal in the trailers',
      answering(Buffer.of(), { 'grpc-status': '8', 'grpc-message': 'full' }),
      'RESOURCE_EXHAUSTED: full',
    ],
    [
      'a body beside a refusal',
      answering(framed(8, 1), { 'grpc-status': '14', 'grpc-message': 'going away' }),
      'UNAVAILABLE: going away',
    ],
  ])('fails on %s', async (_name, answer, reason) => {
    const server = await grpc(answer);
    expect(await check(server.port, { service: 'orders' })).toMatchObject({ status: 'failing', reason });
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test.each<[string, Answer, string]>([
    [
      'has another HTTP status',
      answering(framed(8, 1), OK, { ...HEAD, ':status': 502 }),
      'expected an answer of gRPC, got HTTP status 502',
    ],
    [
      'is a web page',
      answering(Buffer.from('<p>hello'), {}, { ':status': 200, 'content-type': 'text/html' }),
      'expected the content type application/grpc, got "text/html"',
    ],
    [
      'has no grpc-status',
      answering(framed(8, 1), {}),
      'expected a grpc-status at the end of the answer, got none',
    ],
    ['has no body', answering(Buffer.of()), 'expected a HealthCheckResponse, got 0 other bytes'],
    [
      'is compressed',
      answering(Buffer.of(1, 0, 0, 0, 2, 8, 1)),
      'expected a HealthCheckResponse, got 7 other bytes',
    ],
    [
      'breaks off',
      answering(Buffer.of(0, 0, 0, 0, 9, 8, 1)),
      'expected a HealthCheckResponse, got 7 other bytes',
    ],
    ['is too long', answering(Buffer.alloc(100_000)), 'expected an answer of at most 4096 bytes, got more'],
  ])('fails when the answer %s', async (_name, answer, reason) => {
    const server = await grpc(answer);
    expect(await check(server.port)).toMatchObject({ status: 'failing', reason });
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('shows what the server says as one short printable line', async () => {
    const server = await grpc(refusing(13, `%1b[31m%0a${'x'.repeat(1000)}`));
    const { reason } = await check(server.port);
    expect(reason).toMatch(/^INTERNAL: \\u001b\[31m\\u000ax+…$/);
    expect(reason.length).toBeLessThanOrEqual(MAX_REASON_LENGTH);
  });

  test('fails when the port refuses', async () => {
    const port = await freePort();
    expect(await check(port)).toMatchObject({
      status: 'failing',
      reason: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });
});

describe('a connection that ends before the answer', () => {
  const CUT_OFF = {
    status: 'failing',
    reason: 'the connection was closed before the answer was complete',
    failure: 'cut-off',
  };

  test.each<[string, Answer]>([
    ['closed without a word', (stream) => void stream.session?.destroy()],
    ['closed after the headers', (stream) => stream.respond(HEAD) ?? stream.session?.destroy()],
  ])('fails: %s', async (_name, answer) => {
    const server = await grpc(answer);
    expect(await check(server.port)).toMatchObject(CUT_OFF);
  });

  test('fails when it is reset', async () => {
    const server = await raw((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await check(server.port)).toMatchObject({ status: 'failing', failure: 'cut-off' });
  });

  test('fails with the reason of the server that refuses the call', async () => {
    const server = await grpc((stream) => stream.close(7));
    expect(await check(server.port)).toMatchObject({
      status: 'failing',
      reason: expect.stringContaining('NGHTTP2_REFUSED_STREAM'),
    });
  });

  test('tells a dying service from one that is gone', async () => {
    const server = await raw((socket) => {
      void server.close();
      socket.destroy();
    });
    expect(await check(server.port, { hold: true })).toMatchObject({
      status: 'failing',
      failure: 'nobody-listens',
    });
  });
});

describe('a service that speaks something else', () => {
  test('HTTP/1.1', async () => {
    const server = await keep(track(createHttpServer((_request, response) => response.end())));
    expect(await check(server.port)).toMatchObject({
      status: 'failing',
      reason: expect.stringMatching(/^expected an answer over HTTP\/2, got something else: /),
    });
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('a greeting', async () => {
    const server = await raw((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'.repeat(10)));
    expect(await check(server.port)).toMatchObject({
      status: 'failing',
      reason: expect.stringMatching(/^expected an answer over HTTP\/2, got something else: /),
    });
  });
});

describe('the deadline of a grpc probe', () => {
  const TIMEOUT_MS = 250;

  async function endsAtDeadline(server: TestServer, overrides: Partial<GrpcProbeConfig> = {}): Promise<void> {
    const result = await check(server.port, { timeoutMs: TIMEOUT_MS, ...overrides });
    expect(result).toMatchObject({
      status: 'failing',
      failure: 'timeout',
      reason: '/grpc.health.v1.Health/Check took longer than 250 ms',
    });
    expect(result.durationMs).toBeLessThan(TIMEOUT_MS * 40);
    await until(() => server.open() === 0, 'the connection to be closed');
  }

  test('ends a check of a service that accepts and says nothing', async () => {
    await endsAtDeadline(await raw((socket) => socket.resume()));
  });

  test('ends a call that nobody answers', async () => {
    await endsAtDeadline(await grpc(() => {}));
  });

  test('ends an answer that arrives byte by byte', async () => {
    await endsAtDeadline(
      await grpc((stream) => {
        stream.respond(HEAD);
        const timer = setInterval(() => stream.write('x'), 20);
        stream.on('close', () => clearInterval(timer));
      }),
    );
  });

  test('ends a TLS handshake that the service never takes part in', async () => {
    const server = await raw((socket) => socket.resume());
    await endsAtDeadline(server, { tls: { insecureSkipVerify: false } });
  });
});

describe('a grpc probe over TLS', () => {
  test('passes with the given authority', async () => {
    const server = await grpcOverTls(SERVING);
    const tls = { ca: CERT_FILE.pathname, serverName: 'localhost', insecureSkipVerify: false };
    expect(await check(server.port, { tls })).toMatchObject({ status: 'passing' });
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('refuses a certificate that nobody trusts', async () => {
    const server = await grpcOverTls(SERVING);
    expect(await check(server.port, { tls: { insecureSkipVerify: false } })).toMatchObject({
      status: 'failing',
      reason: expect.stringMatching(/^TLS: self-signed certificate/),
    });
  });

  test('fails clearly when the service speaks it without TLS', async () => {
    const server = await grpc(SERVING);
    expect(await check(server.port, { tls: { insecureSkipVerify: true } })).toMatchObject({
      status: 'failing',
      reason: expect.stringMatching(/^TLS: /),
    });
  });
});

describe('the health messages', () => {
  test.each([
    ['', [0, 0, 0, 0, 0]],
    ['ab', [0, 0, 0, 0, 4, 0x0a, 2, 97, 98]],
    ['a'.repeat(200), [0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01, ...new Array(200).fill(97)]],
  ])('a request for "%s"', (service, bytes) => {
    expect([...encodeRequest(service)]).toEqual(bytes);
  });

  test.each<[string, readonly number[], number | undefined]>([
    ['nothing', [], 0],
    ['a status', [8, 1], 1],
    ['two, of which the last counts', [8, 1, 8, 2], 2],
    ['a long number', [8, 0x81, 0x01], 129],
    ['other fields around it', [0x12, 2, 9, 9, 8, 1, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4], 1],
    ['a field that ends too early', [8, 1, 0x12, 5, 1], undefined],
    ['a number that ends too early', [8, 0x81], undefined],
    ['a number without end', [8, ...new Array(11).fill(0x81)], undefined],
    ['a tag alone', [8], undefined],
    ['a fixed field that ends too early', [0x25, 1, 2], undefined],
    ['a group', [0x0b], undefined],
  ])('an answer of %s', (_name, message, status) => {
    expect(decodeAnswer(framed(...message))).toBe(status);
  });

  test.each([
    ['too short', [0, 0, 0]],
    ['shorter than it says', [0, 0, 0, 0, 3, 8, 1]],
    ['longer than it says', [0, 0, 0, 0, 1, 8, 1]],
    ['compressed', [1, 0, 0, 0, 2, 8, 1]],
  ])('a frame that is %s is no answer', (_name, bytes) => {
    expect(decodeAnswer(Buffer.from(bytes))).toBeUndefined();
  });
});
