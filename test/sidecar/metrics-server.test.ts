/** The metrics for other hosts: who may ask, what is answered, and what the configuration says of it. */
import { mkdtemp } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import type { Admin } from '../../sidecar/admin.js';
import { json } from '../../sidecar/admin-route.js';
import { printYaml } from '../../sidecar/config/print.js';
import { startSidecar } from '../../sidecar/daemon.js';
import { startMetricsServer } from '../../sidecar/metrics-server.js';
import { load, problemsOf } from '../helpers/config.js';

let server: Admin;
let isReady: boolean;

beforeEach(async () => {
  isReady = false;
  server = await startMetricsServer({
    host: '0.0.0.0',
    port: 0,
    metrics: async () => ({ type: 'text/plain', text: 'up 1\n' }),
    isReady: () => isReady,
    discovery: { method: 'GET', path: '/v1/prometheus/sd', handle: () => json(200, []) },
    clock: systemClock,
    logger: silentLogger,
  });
});

afterEach(() => server.close());

/** `fetch` sets no `Host`. */
function ask(path: string, method = 'GET', headers: Record<string, string> = {}) {
  const { port } = new URL(server.url);
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    sent.on('error', reject).end();
  });
}

test.each(['127.0.0.1:9464', 'web-1:9464', 'prometheus.internal'])(
  'it answers whatever name it is asked by: %s',
  async (host) => {
    expect(await ask('/metrics', 'GET', { host })).toEqual({ status: 200, text: 'up 1\n' });
  },
);

test('it says what is to be scraped', async () => {
  expect(await ask('/v1/prometheus/sd')).toEqual({ status: 200, text: '[]\n' });
});

test('it says that it runs', async () => {
  expect(await ask('/healthz')).toMatchObject({ status: 200 });
});

test('it says whether everything is registered, and not what is not', async () => {
  expect(await ask('/readyz')).toEqual({ status: 503, text: '{"ready":false}\n' });
  isReady = true;
  expect(await ask('/readyz')).toEqual({ status: 200, text: '{"ready":true}\n' });
});

test.each([
  ['GET', '/v1/status', 404],
  ['PUT', '/v1/heartbeat/orders', 404],
  ['POST', '/metrics', 405],
  ['DELETE', '/healthz', 405],
])('%s %s is %i: it shows nothing else', async (method, path, status) => {
  expect(await ask(path, method)).toMatchObject({ status });
});

test.each([
  ['origin', 'http://evil.example'],
  ['sec-fetch-site', 'cross-site'],
])('web pages have no access: %s', async (name, value) => {
  expect(await ask('/metrics', 'GET', { [name]: value })).toMatchObject({ status: 403 });
});

describe('in the configuration', () => {
  const file = { services: [{ name: 'orders', port: 8080 }] };

  test('there is none unless it is asked for', async () => {
    const { config } = await load({ file });
    expect(config.metrics).toBeUndefined();
    expect(printYaml(config)).not.toContain('metrics');
  });

  test.each([
    ['file', { file: { ...file, metrics: '0.0.0.0:9464' } }],
    ['environment', { file, env: { PILOTFISH_METRICS: '0.0.0.0:9464' } }],
    ['flag', { file, flags: { metrics: '0.0.0.0:9464' } }],
  ])('it comes from %s, and is printed as it can be read again', async (_, sources) => {
    const { config } = await load(sources);
    expect(config.metrics).toEqual({ host: '0.0.0.0', port: 9464 });
    expect((await load({ file: printYaml(config) })).config).toEqual(config);
  });

  test.each([
    ['9464', 'host:port, such as "0.0.0.0:9464", got "9464", at metrics'],
    [
      '0.0.0.0:9190',
      'a port other than that of the admin server, 127.0.0.1:9190, got "0.0.0.0:9190", at metrics',
    ],
    [
      '127.0.0.1:9190',
      'a port other than that of the admin server, 127.0.0.1:9190, got "127.0.0.1:9190", at metrics',
    ],
  ])('%s is refused', async (metrics, expected) => {
    expect(await problemsOf({ file: { ...file, metrics } })).toEqual([`expected ${expected}`]);
  });

  test('the port of the admin server may be used on another address', async () => {
    expect(await problemsOf({ file: { ...file, metrics: '10.0.0.1:9190' } })).toEqual([]);
  });
});

test('the sidecar shows its own metrics there, until it is closed', async () => {
  const registry = `local:${await mkdtemp(join(tmpdir(), 'pilotfish-'))}`;
  const { config } = await load({
    file: { registry, admin: '127.0.0.1:0', metrics: '127.0.0.1:0', services: [{ name: 'orders', port: 1 }] },
  });
  const sidecar = await startSidecar(config, { logger: silentLogger });
  const url = `${sidecar.metricsUrl}/metrics`;
  expect(await (await fetch(url)).text()).toContain('pilotfish_');
  expect(await (await fetch(`${sidecar.metricsUrl}/readyz`)).json()).toEqual({ ready: false });
  await sidecar.close();
  await expect(fetch(url)).rejects.toThrow();
});
