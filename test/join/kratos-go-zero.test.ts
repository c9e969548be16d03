/**
 * docs/join/kratos-go-zero.md, with etcd's own command line as the other party: it writes what each of them writes, and what it
 * finds is read as each of them reads.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, ToyService } from '../end-to-end/world.js';
import { Etcdctl } from '../parties/etcdctl.js';
import { ZkNodes } from '../parties/zk-nodes.js';
import { type RunningServer, sharedServer, startServer } from '../servers/index.js';
import { inTree, Page } from './page.js';

const ROOT = `/join-kratos-${process.pid}`;

let server: RunningServer;
let etcdctl: Etcdctl;
let service: ToyService;
let page: Page;

beforeAll(async () => {
  server = await startServer('etcd');
  etcdctl = await Etcdctl.for(server.address);
  service = await ToyService.start();
  const inZooKeeper = inTree(ROOT, service.port);
  page = await Page.open('docs/join/kratos-go-zero.md', (text) =>
    inZooKeeper(text.replaceAll('etcd://etcd:2379', `etcd://${server.address}`)),
  );
});

afterAll(async () => {
  await page.close();
  await service.die();
  await server.stop();
});

type Entries = Readonly<Record<string, string>>;

interface Fleet {
  /** The query and path of the URL, and the service. */
  readonly url: string;
  readonly service: string;
  /** An entry as the framework writes it. */
  readonly key: string;
  readonly value: (port: number) => string;
  /** The id that it is listed under. */
  readonly id: string;
  /** What a client of the framework reads, and the addresses that it makes of it. */
  readonly prefix: string;
  readonly addresses: (entries: Entries) => readonly string[];
}

const kratosInstance = (name: string, port: number): string =>
  JSON.stringify({
    ...{ id: '6f9ae4c0', name, version: 'v1', metadata: { weight: '10' } },
    endpoints: [`http://127.0.0.1:${port}`, 'grpc://127.0.0.1:9000?isSecure=false'],
  });

interface KratosInstance {
  readonly name: string;
  readonly endpoints: readonly string[];
}

/** Of all whose key begins alike those of the name, each at the endpoint of the client's scheme. */
const kratosAddresses = (values: readonly string[], name: string, scheme: string): readonly string[] =>
  values
    .map((value) => JSON.parse(value) as KratosInstance)
    .filter((instance) => instance.name === name)
    .flatMap(
      ({ endpoints }) => endpoints.map((each) => new URL(each)).find((url) => url.protocol === scheme) ?? [],
    )
    .map(({ host }) => host);

const FLEETS: Readonly<Record<string, Fleet>> = {
  'go-zero': {
    url: '?format=go-zero',
    service: 'user.rpc',
    key: 'user.rpc/7587869134584193286',
    value: (port) => `127.0.0.1:${port}`,
    id: '7587869134584193286',
    prefix: 'user.rpc/',
    addresses: (entries) => Object.values(entries),
  },
  Kratos: {
    url: '?format=kratos&scheme=http',
    service: 'helloworld',
    key: '/microservices/helloworld/6f9ae4c0',
    value: (port) => kratosInstance('helloworld', port),
    id: '6f9ae4c0',
    prefix: '/microservices/helloworld',
    addresses: (entries) => kratosAddresses(Object.values(entries), 'helloworld', 'http:'),
  },
  "etcd's own naming": {
    url: '?format=etcd-naming',
    service: 'orders',
    key: 'orders/e1',
    value: (port) => `{"Op":0,"Addr":"127.0.0.1:${port}","Metadata":null}`,
    id: 'e1',
    prefix: 'orders/',
    addresses: (entries) => Object.values(entries).map((value) => JSON.parse(value).Addr),
  },
  CoreDNS: {
    url: '/skydns/local/cluster?format=skydns',
    service: 'web',
    key: '/skydns/local/cluster/web/x1',
    value: (port) => `{"host":"127.0.0.1","ttl":60,"priority":10,"port":${port}}`,
    id: 'x1',
    prefix: '/skydns/local/cluster/web/',
    addresses: (entries) =>
      Object.values(entries)
        .map((value) => JSON.parse(value))
        .map(({ host, port }) => `${host}:${port}`),
  },
};

describe.each(Object.entries(FLEETS))('%s', (_name, fleet) => {
  const edit = (text: string): string =>
    text.replaceAll('?format=go-zero', fleet.url).replaceAll('user.rpc', fleet.service);

  test('what it has registered is shown and called, and nothing of a service whose name begins alike', async () => {
    await etcdctl.register(fleet.key, fleet.value(service.port));
    const neighbour = fleet.key.replace(fleet.service, `${fleet.service}-admin`);
    await etcdctl.register(neighbour, fleet.value(1).replace(fleet.service, `${fleet.service}-admin`));
    const { code, stdout } = await page.run('Look', edit);
    expect([code, stdout.split('\n').length]).toEqual([0, 3]);
    expect(stdout).toMatch(new RegExp(`^${fleet.id} +127\\.0\\.0\\.1:${service.port} .*passing`, 'm'));
    expect(await page.script('Call', edit)).toBe('200\n');
    await etcdctl.leave();
  });

  test('its clients find what a sidecar writes beside its own, until the sidecar drains', async () => {
    await etcdctl.register(fleet.key, fleet.value(1));
    const addresses = async (): Promise<readonly string[]> =>
      [...fleet.addresses(await etcdctl.below(fleet.prefix))].sort();
    const sidecar = await page.start('Register', (text) => `${edit(text).trim()} --id p-1`);
    await eventually('both', async () => (await addresses()).length === 2);
    expect(await addresses()).toEqual([`127.0.0.1:${service.port}`, '127.0.0.1:1'].sort());
    expect(Object.keys(await etcdctl.below(fleet.prefix)).sort()).toEqual(
      [fleet.key, `${fleet.key.slice(0, -fleet.id.length)}p-1`].sort(),
    );
    expect((await sidecar.stop()).code).toBe(0);
    expect(await addresses()).toEqual(['127.0.0.1:1']);
    await etcdctl.leave();
  });
});

test('on ZooKeeper the entries of Kratos are read and written alike', async () => {
  const others = await ZkNodes.connect(sharedServer('zookeeper'));
  const edit = (text: string): string =>
    text
      .replaceAll('etcd://', 'zookeeper://')
      .replaceAll(
        `${server.address}?format=go-zero`,
        `${sharedServer('zookeeper')}${ROOT}/microservices?format=kratos`,
      )
      .replaceAll('user.rpc', 'helloworld');
  const folder = `${ROOT}/microservices/helloworld`;
  await others.put(`${folder}/6f9ae4c0`, kratosInstance('helloworld', service.port));
  expect((await page.run('Look', edit)).stdout).toMatch(/^6f9ae4c0 .* 10 +passing/m);
  expect(await page.script('Call', edit)).toBe('200\n');
  const sidecar = await page.start('Register', edit);
  const addresses = async (): Promise<readonly string[]> =>
    kratosAddresses(
      (await others.entries(folder)).map(([, data]) => data),
      'helloworld',
      'http:',
    );
  await eventually('both', async () => (await addresses()).length === 2);
  expect(await addresses()).toEqual([`127.0.0.1:${service.port}`, `127.0.0.1:${service.port}`]);
  expect((await sidecar.stop()).code).toBe(0);
  expect(await addresses()).toHaveLength(1);
  await others.close();
});

test('every block of the page was run', () => {
  expect(page.unused()).toEqual([]);
});
