/** What other registrars leave in Consul, registered with a real agent as each of them does it, and read as a list. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { decodeHealth } from '../../registry/consul/decode.js';
import type { Instance, RegistryReader } from '../../registry/contract.js';
import { open } from '../../registry/open.js';
import { freshService } from '../../registry/testing/index.js';
import { Watching } from '../../registry/testing/watching.js';
import { type RunningServer, startServer } from '../servers/index.js';

let server: RunningServer;
let node: string;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await startServer('consul');
  node = ((await api('GET', '/agent/self')) as { Config: { NodeName: string } }).Config.NodeName;
});

afterAll(() => server.stop());

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function api(method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`http://${server.address}/v1${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

async function watching(service: string, query = ''): Promise<Watching> {
  const registry: RegistryReader = await open(`consul://${server.address}?wait=2s${query}`);
  const watch = new Watching(registry, service);
  closers.push(async () => {
    await watch.close();
    await registry.close();
  });
  return watch;
}

interface Case {
  readonly entry: object;
  /** Checks to fail or warn after the registration, each with its status. */
  readonly checks?: Readonly<Record<string, 'pass' | 'warn' | 'fail'>>;
  readonly query?: string;
  /** Undefined for an entry that is not listed. */
  readonly expected: object | undefined;
}

const TTL = { TTL: '60s', Status: 'passing' };
const ADDRESSES = {
  TaggedAddresses: {
    lan: { Address: '10.1.0.1', Port: 8001 },
    wan: { Address: '198.18.0.1', Port: 80 },
  },
};

const CASES: Readonly<Record<string, (service: string) => Case>> = {
  'registrator: an id of host, container and port': () => ({
    entry: { ID: 'host-1:web_1:8080', Address: '10.0.0.1', Port: 8080, Tags: ['blue'], Meta: { team: 'x' } },
    expected: {
      id: () => `${node}~host-1:web_1:8080`,
      endpoint: { host: '10.0.0.1', port: 8080 },
      ...{ tags: ['blue'], status: 'passing', weight: 1, metadata: { team: 'x' } },
    },
  }),
  'registrator: the same for udp': () => ({
    entry: { ID: 'host-1:dns_1:53:udp', Address: '10.0.0.1', Port: 53 },
    expected: { id: () => `${node}~host-1:dns_1:53:udp` },
  }),
  'containerpilot: a TTL check and tags that others may override': (service) => ({
    entry: {
      ...{ ID: `${service}-host-1`, Address: '10.0.0.2', Port: 80, EnableTagOverride: true },
      Check: { ...TTL, DeregisterCriticalServiceAfter: '90m', Notes: 'TTL for web' },
    },
    expected: { endpoint: { host: '10.0.0.2', port: 80 }, status: 'passing' },
  }),
  'an agent file: no address, so that of its node': () => ({
    entry: { ID: 'web', Port: 80 },
    expected: { endpoint: { host: '127.0.0.1', port: 80 } },
  }),
  'weights, while it passes': () => ({
    entry: { ID: 'web', Address: '10.0.0.1', Port: 80, Weights: { Passing: 10, Warning: 2 }, Check: TTL },
    expected: { weight: 10, status: 'passing' },
  }),
  'weights, while it warns': (service) => ({
    entry: { ID: service, Address: '10.0.0.1', Port: 80, Weights: { Passing: 10, Warning: 2 }, Check: TTL },
    checks: { [`service:${service}`]: 'warn' },
    expected: { weight: 2, status: 'warning' },
  }),
  'several checks, one of which warns': (service) => ({
    entry: { ID: service, Address: '10.0.0.1', Port: 80, Checks: [TTL, TTL] },
    checks: { [`service:${service}:2`]: 'warn' },
    expected: { status: 'warning' },
  }),
  'several checks, one of which fails': (service) => ({
    entry: { ID: service, Address: '10.0.0.1', Port: 80, Checks: [TTL, TTL] },
    checks: { [`service:${service}:1`]: 'fail' },
    expected: undefined,
  }),
  'tagged addresses: its own one, unless the URL asks for another': () => ({
    entry: { ID: 'web', Address: '10.0.0.1', Port: 80, ...ADDRESSES },
    expected: { endpoint: { host: '10.0.0.1', port: 80 } },
  }),
  'tagged addresses: wan': () => ({
    entry: { ID: 'web', Address: '10.0.0.1', Port: 8000, ...ADDRESSES },
    query: '&address=wan',
    expected: { endpoint: { host: '198.18.0.1', port: 80 } },
  }),
  'tagged addresses: lan': () => ({
    entry: { ID: 'web', Address: '10.0.0.1', Port: 8000, ...ADDRESSES },
    query: '&address=lan',
    expected: { endpoint: { host: '10.1.0.1', port: 8001 } },
  }),
  'tagged addresses: the one that the agent adds by itself': () => ({
    entry: { ID: 'web', Address: '10.0.0.1', Port: 8000 },
    query: '&address=wan_ipv4',
    expected: { endpoint: { host: '10.0.0.1', port: 8000 } },
  }),
  'tagged addresses: that of the node for an entry with neither': () => ({
    entry: { ID: 'web', Port: 8000 },
    query: '&address=wan',
    expected: { endpoint: { host: '127.0.0.1', port: 8000 } },
  }),
  'a sidecar proxy of the mesh under the same name': (service) => ({
    entry: {
      ...{ ID: 'proxy', Kind: 'connect-proxy', Address: '10.0.0.1', Port: 21000 },
      Proxy: { DestinationServiceName: service },
    },
    expected: undefined,
  }),
  'a service that speaks the mesh itself': () => ({
    entry: { ID: 'web', Address: '10.0.0.1', Port: 80, Connect: { Native: true } },
    expected: { endpoint: { host: '10.0.0.1', port: 80 } },
  }),
};

describe('an entry of another registrar', () => {
  test.each(Object.entries(CASES))('%s', async (_, make) => {
    const service = freshService('foreign');
    const { entry, checks = {}, query, expected } = make(service);
    // Ids are one space for the whole agent, and this test shares it with the others.
    const { ID } = entry as { ID: string };
    const suffix = ID.includes(service) || ID.includes(':') ? '' : `-${service}`;
    await api('PUT', '/agent/service/register', { Name: service, ...entry, ID: `${ID}${suffix}` });
    await api('PUT', '/agent/service/register', { Name: service, ID: `${service}-last`, Port: 1 });
    for (const [id, status] of Object.entries(checks)) await api('PUT', `/agent/check/${status}/${id}`);
    const isRight = (list: readonly Instance[]): boolean => {
      const found = list.filter(({ id }) => id !== `${node}~${service}-last`);
      if (found.length === list.length) return false;
      return expected === undefined ? found.length === 0 : found.length === 1 && fits(found[0], expected);
    };
    const watch = await watching(service, query);
    await watch.until('the entry as expected', ({ instances }) => isRight(instances));
    expect(watch.latest?.rejected).toEqual([]);
  });

  test('in maintenance stays listed with the reason, and its node in maintenance too', async () => {
    const service = freshService('foreign');
    await api('PUT', '/agent/service/register', { Name: service, ID: service, Port: 80 });
    const watch = await watching(service);
    await watch.until('the entry', ({ instances }) => instances[0]?.status === 'passing');
    await api('PUT', `/agent/service/maintenance/${service}?enable=true&reason=new+disk`);
    await watch.until('its maintenance', ({ instances }) => instances[0]?.note === 'new disk');
    await api('PUT', `/agent/service/maintenance/${service}?enable=false`);
    await api('PUT', '/agent/maintenance?enable=true&reason=kernel');
    await watch.until('that of the node', ({ instances }) => instances[0]?.note === 'kernel');
    await api('PUT', '/agent/maintenance?enable=false');
    await watch.until('neither', ({ instances }) => instances[0]?.status === 'passing');
  });
});

/** Whether all that is expected is in the instance; a function gives what is known only now. */
function fits(instance: Instance | undefined, expected: object): boolean {
  const now = Object.entries(expected).map(([key, value]) => [
    key,
    typeof value === 'function' ? value() : value,
  ]);
  try {
    expect(JSON.parse(JSON.stringify(instance))).toMatchObject(Object.fromEntries(now));
    return true;
  } catch {
    return false;
  }
}

describe('addresses that no agent of today writes', () => {
  const item = (service: object, node: object = {}) => ({
    Node: { Node: 'n1', Address: '10.1.0.1', ...node },
    Service: { ID: 'web-1', Service: 'web', Address: '10.0.0.1', Port: 80, ...service },
    Checks: [],
  });
  const endpointOf = (one: object, tag?: 'lan' | 'wan') =>
    decodeHealth('web', [one], tag).instances[0]?.endpoint;

  test.each<[string, object, 'lan' | 'wan' | undefined, string]>([
    ['lower case', item({ TaggedAddresses: { wan: { address: '1.2.3.4', port: 8 } } }), 'wan', '1.2.3.4:8'],
    ['no port', item({ TaggedAddresses: { wan: { Address: '1.2.3.4', Port: 0 } } }), 'wan', '1.2.3.4:80'],
    ['no such tag', item({ TaggedAddresses: { lan: { Address: '1.2.3.4' } } }), 'wan', '10.0.0.1:80'],
    ['null', item({ TaggedAddresses: null, Address: null }), 'wan', '10.1.0.1:80'],
    [
      'only the node has one',
      item({ Address: '' }, { TaggedAddresses: { wan: '5.6.7.8' } }),
      'wan',
      '5.6.7.8:80',
    ],
    ['a text instead of an object', item({ TaggedAddresses: { lan: '1.2.3.4' } }), 'lan', '10.0.0.1:80'],
  ])('%s', (_, one, tag, expected) => {
    const { host, port } = endpointOf(one, tag) ?? {};
    expect(`${host}:${port}`).toBe(expected);
  });

  test('a tagged address that is none is rejected, and not passed over', () => {
    const one = item({ TaggedAddresses: { wan: { Address: '../../etc', Port: 80 } } });
    expect(decodeHealth('web', [one], 'wan')).toMatchObject({ instances: [], rejected: [{}] });
  });
});
