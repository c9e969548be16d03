/** Short forms, derived names and warnings. */
import { describe, expect, test } from 'vitest';
import { load } from '../helpers/config.js';

async function probeOf(probe: unknown, service: object = {}) {
  const { config } = await load({
    file: { services: [{ name: 'orders', port: 8080, ...service, probes: [probe] }] },
  });
  return config.services[0]?.probes[0];
}

describe('a probe in its short form is', () => {
  test.each([
    ['tcp', { type: 'tcp', name: 'tcp', host: '127.0.0.1', port: 8080 }],
    ['tcp:9', { type: 'tcp', name: 'tcp:9', host: '127.0.0.1', port: 9 }],
    ['http:/health', { type: 'http', name: 'http:/health', port: 8080, path: '/health', tls: undefined }],
    ['https:/', { type: 'http', name: 'https:/', path: '/', tls: { insecureSkipVerify: false } }],
    ['grpc', { type: 'grpc', name: 'grpc', port: 8080, service: '', tls: undefined, hold: true }],
    ['grpc:9', { type: 'grpc', name: 'grpc:9', port: 9, service: '' }],
    ['grpc:/orders.v1.Orders', { type: 'grpc', name: 'grpc:/orders.v1.Orders', service: 'orders.v1.Orders' }],
    ['ttl:10s', { type: 'ttl', name: 'ttl', ttlMs: 10_000, rise: 1, fall: 1 }],
  ])('%s', async (text, expected) => {
    expect(await probeOf(text)).toMatchObject(expected);
  });
});

test('an http probe has the defaults of its documentation', async () => {
  expect(await probeOf({ type: 'http' })).toMatchObject({
    path: '/',
    method: 'GET',
    headers: {},
    expectStatus: [{ from: 200, to: 299 }],
    expectBody: undefined,
    tls: undefined,
  });
});

test('an http probe keeps what it is told', async () => {
  const probe = await probeOf({
    type: 'http',
    headers: { 'X-Probe': 'pilotfish' },
    expectStatus: [200, '3xx', '401-403'],
    tls: { ca: 'ca.pem', serverName: 'orders.internal', insecureSkipVerify: true },
  });
  expect(probe).toMatchObject({
    headers: { 'x-probe': 'pilotfish' },
    expectStatus: [
      { from: 200, to: 200 },
      { from: 300, to: 399 },
      { from: 401, to: 403 },
    ],
    tls: { ca: 'ca.pem', serverName: 'orders.internal', insecureSkipVerify: true },
  });
});

test('a udp probe keeps its datagrams as they were written', async () => {
  const probe = { type: 'udp', send: 'hex:00FF', expect: 'pong', host: '::1' };
  expect(await probeOf(probe)).toMatchObject({
    send: 'hex:00FF',
    expect: 'pong',
    host: '::1',
    port: 8080,
    resolve: false,
  });
});

test('tls: false is plain HTTP', async () => {
  expect(await probeOf({ type: 'http', tls: false })).toMatchObject({ name: 'http:/', tls: undefined });
});

test('a ttl probe inherits all but rise and fall', async () => {
  const service = { rise: 5, fall: 6, startGrace: '1m', interval: '3s' };
  expect(await probeOf('ttl:10s', service)).toMatchObject({
    rise: 1,
    fall: 1,
    startGraceMs: 60_000,
    intervalMs: 3000,
  });
  expect(await probeOf({ type: 'ttl', ttl: '10s', fall: 2 }, service)).toMatchObject({ rise: 1, fall: 2 });
});

test.each([
  ['is 500 ms', {}, 500],
  ['is what is said', { fastInterval: '250ms' }, 250],
  ['is never above the interval', { interval: '300ms' }, 300],
])('the fast interval %s', async (_, service, fastIntervalMs) => {
  expect(await probeOf('tcp', service)).toMatchObject({ fastIntervalMs });
});

describe('the name of a probe tells where it looks and hides the query', () => {
  test.each([
    [{ type: 'tcp', host: '::1', port: 9 }, 'tcp:[::1]:9'],
    [{ type: 'tcp', host: 'db.internal', resolve: true }, 'tcp:db.internal:8080'],
    [{ type: 'http', path: '/health?token=hunter2' }, 'http:/health'],
    [{ type: 'http', path: '/health', port: 9, tls: true }, 'https:9/health'],
    [{ type: 'http', name: 'live' }, 'live'],
    [{ type: 'grpc', host: '10.0.0.5', service: 'a.B', tls: true }, 'grpc:10.0.0.5:8080/a.B'],
    [{ type: 'udp', port: 53, send: 'hunter2', expect: 'x' }, 'udp:53'],
    [{ type: 'udp', send: 'hunter2', expect: 'x' }, 'udp'],
  ])('%j', async (probe, name) => {
    expect((await probeOf(probe))?.name).toBe(name);
  });
});

describe('warnings', () => {
  const orders = { name: 'orders', port: 80 };
  test.each([
    ['nothing to say', { services: [orders] }, []],
    [
      'a timeout that is not below the interval',
      { timeout: '2s', services: [orders] },
      [/^orders: the timeout 2s of probe tcp is not below its interval 2s/],
    ],
    ['a ttl probe makes no request', { timeout: '2s', services: [{ ...orders, probes: ['ttl:9s'] }] }, []],
    [
      'loopback in a shared registry',
      { registry: 'consul://10.0.0.1', address: 'localhost', services: [orders] },
      [/^orders: the address localhost is loopback, other hosts .+ consul:\/\/10\.0\.0\.1/],
    ],
    ['loopback on this host only', { address: '127.0.0.1', services: [orders] }, []],
  ])('%s', async (_, file, expected) => {
    const { warnings } = await load({ file });
    expect(warnings).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(warnings[index]).toMatch(pattern);
  });
});
