/**
 * docs/join/consul.md, with a real Consul: what other registrars ask its agent to register, and what its own clients see of a
 * sidecar. What becomes of each field is in test/registry/consul-foreign.test.ts.
 */
import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { eventually, ToyService } from '../end-to-end/world.js';
import { findHaproxy, startHaproxy } from '../parties/haproxy.js';
import { type RunningServer, startServer } from '../servers/index.js';
import type { Program } from '../servers/party.js';
import { freePorts } from '../servers/ports.js';
import { Page } from './page.js';

let server: RunningServer;
let dns: Resolver;
let service: ToyService;
let haproxyProgram: Program;
let haproxyPort: number;
let page: Page;

beforeAll(async () => {
  const [dnsPort, ...more] = await freePorts(1);
  haproxyPort = more[0] as number;
  haproxyProgram = await findHaproxy();
  server = await startServer('consul', { args: [`-dns-port=${dnsPort}`] });
  dns = new Resolver({ tries: 5, timeout: 2_000 });
  dns.setServers([`127.0.0.1:${dnsPort}`]);
  service = await ToyService.start();
  page = await Page.open('docs/join/consul.md', (text) =>
    text
      .replaceAll('127.0.0.1:8500', server.address)
      .replaceAll('127.0.0.1:8600', `127.0.0.1:${dnsPort}`)
      .replaceAll('127.0.0.1:8000', `127.0.0.1:${haproxyPort}`)
      .replaceAll('8080', `${service.port}`),
  );
});

afterAll(async () => {
  await page.close();
  await service.die();
  await server.stop();
});

async function api(method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`http://${server.address}/v1${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  const text = await answer.text();
  return text === '' ? undefined : JSON.parse(text);
}

/** As SRV records say it; none where there is no such name. */
async function inDns(name = 'web'): Promise<readonly string[]> {
  try {
    const records = await dns.resolveSrv(`${name}.service.consul`);
    const hosts = await Promise.all(records.map(({ name: host }) => dns.resolve4(host)));
    return records.map(({ port }, i) => `${hosts[i]?.[0]}:${port}`).sort();
  } catch (error) {
    if (['ENOTFOUND', 'ENODATA'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** As the libraries on top of the HTTP API have it. */
async function passing(name = 'web'): Promise<readonly string[]> {
  const found = (await api('GET', `/health/service/${name}?passing`)) as readonly {
    readonly Service: { readonly Address: string; readonly Port: number };
  }[];
  return found.map(({ Service }) => `${Service.Address}:${Service.Port}`).sort();
}

/** What other registrars send to the agent beside each container. */
const REGISTRARS = {
  registrator: (port: number) => ({
    ...{ ID: `host-1:web_1:${port}`, Name: 'web', Port: port, Address: '127.0.0.1' },
    ...{ Tags: ['blue'], Meta: {}, Check: { HTTP: `http://127.0.0.1:${port}/health`, Interval: '1s' } },
  }),
  ContainerPilot: (port: number) => ({
    ...{
      ID: 'web-host-1',
      Name: 'web',
      Port: port,
      Address: '127.0.0.1',
      Tags: [],
      EnableTagOverride: false,
    },
    Check: { TTL: '30s', Status: 'passing', Notes: 'TTL for web', DeregisterCriticalServiceAfter: '90m' },
  }),
} as const;

describe.each(Object.entries(REGISTRARS))('a fleet of %s', (_name, entryOf) => {
  test('is shown and called', async () => {
    const entry = entryOf(service.port);
    await api('PUT', '/agent/service/register', entry);
    await eventually('it passes', async () => (await passing()).length === 1);
    const { code, stdout } = await page.run('Look');
    expect(code).toBe(0);
    expect(stdout).toContain(`~${entry.ID}  127.0.0.1:${service.port}  1       passing`);
    expect(await page.script('Call')).toBe('200\n');
    await api('PUT', `/agent/service/deregister/${entry.ID}`);
  });
});

test('a sidecar is in DNS and in the HTTP API beside the others, until it drains', async () => {
  await api('PUT', '/agent/service/register', REGISTRARS.ContainerPilot(1));
  const sidecar = await page.start('Register');
  const both = ['127.0.0.1:1', `127.0.0.1:${service.port}`].sort();
  await eventually('both', async () => (await passing()).length === 2);
  expect([await passing(), await inDns()]).toEqual([both, both]);
  expect((await sidecar.stop()).code).toBe(0);
  expect([await passing(), await inDns()]).toEqual([['127.0.0.1:1'], ['127.0.0.1:1']]);
  await api('PUT', '/agent/service/deregister/web-host-1');
});

test('an instance that drains or is in maintenance is in neither, and returns', async () => {
  const instance = instanceOf({ service: 'leaving', id: 'p-1', host: '127.0.0.1', port: 81 });
  const registry = await openWritable(`consul://${server.address}`);
  const registration = await registry.register(instance);
  for (const status of ['draining', 'maintenance'] as const) {
    expect([await passing('leaving'), await inDns('leaving')]).toEqual([['127.0.0.1:81'], ['127.0.0.1:81']]);
    await registration.update({ ...instance, status });
    expect([await passing('leaving'), await inDns('leaving')]).toEqual([[], []]);
    await registration.update(instance);
  }
  await registry.close();
});

test('HAProxy finds a sidecar by DNS and loses it when it drains', async () => {
  const haproxy = await startHaproxy(haproxyProgram, await page.configFile('HAProxy', 'haproxy'));
  const status = async (): Promise<number | undefined> =>
    (await fetch(`http://127.0.0.1:${haproxyPort}/health`).catch(() => undefined))?.status;
  await eventually('it serves, with no server', async () => (await status()) === 503);
  const sidecar = await page.start('Register');
  await eventually('it forwards to the service', async () => (await status()) === 200);
  await sidecar.stop();
  await eventually('it has none again', async () => (await status()) === 503);
  await haproxy.stop();
});

test('every block of the page was run', () => {
  expect(page.unused()).toEqual([]);
});
