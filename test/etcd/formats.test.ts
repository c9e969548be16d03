/** The formats of other software on a real etcd: where their keys are, and what becomes of an instance that has none. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Registry, RegistryReader } from '../../registry/contract.js';
import { ETCD_FORMATS } from '../../registry/etcd/settings.js';
import { open, openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { Watching } from '../../registry/testing/watching.js';
import { SAMPLES } from '../formats/samples.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { etcdPost, keysAt, toBase64 } from './support.js';

let server: RunningServer;
let service: string;
let closers: (() => Promise<unknown>)[];

beforeAll(async () => {
  server = await startServer('etcd');
});

afterAll(() => server.stop());

beforeEach(() => {
  service = freshService('formats');
  closers = [];
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
});

async function opened(query: string, path = ''): Promise<Registry> {
  const registry = await openWritable(`etcd://${server.address}${path}?ttl=3s&format=${query}`);
  closers.push(() => registry.close());
  return registry;
}

function watching(registry: RegistryReader, name = service): Watching {
  const watch = new Watching(registry, name);
  closers.push(() => watch.close());
  return watch;
}

const put = (key: string, value: string | object, lease = '0') =>
  etcdPost(server.address, 'kv/put', {
    ...{ key: toBase64(key), lease },
    value: toBase64(typeof value === 'string' ? value : JSON.stringify(value)),
  });

/** Keys and values below a prefix. */
async function stored(prefix: string): Promise<Record<string, string>> {
  const text = (base64: unknown): string => Buffer.from(String(base64), 'base64').toString();
  return Object.fromEntries(
    (await keysAt(server.address, prefix)).map((kv) => [text(kv.key), text(kv.value)]),
  );
}

const one = (fields: object = {}) =>
  instanceOf({ service, id: 'one', host: '10.0.0.1', port: 80, ...fields });

describe('a key is where readers of the format look for it', () => {
  test.each<[string, string, (service: string) => string, string]>([
    ['go-zero', '', (name) => `${name}/`, '10.0.0.1:80'],
    ['go-zero', '/prod', (name) => `prod/${name}/`, '10.0.0.1:80'],
    ['etcd-naming', '', (name) => `${name}/`, '"Addr":"10.0.0.1:80"'],
    ['kratos&scheme=grpc', '', (name) => `/microservices/${name}/`, '"grpc://10.0.0.1:80"'],
    ['skydns', '/skydns/local/cluster', (name) => `/skydns/local/cluster/${name}/`, '"host":"10.0.0.1"'],
  ])('%s at "%s"', async (query, path, prefixOf, value) => {
    const registry = await opened(query, path);
    const watch = watching(registry);
    const registration = await registry.register(one());
    const keys = await stored(prefixOf(service));
    expect(Object.keys(keys)).toEqual([`${prefixOf(service)}one`]);
    expect(Object.values(keys)[0]).toContain(value);
    await watch.until('the instance', ({ instances }) => instances[0]?.endpoint.host === '10.0.0.1');
    expect(await registry.services()).toContain(service);
    await registration.close();
    await watch.until('nothing', ({ instances }) => instances.length === 0);
  });
});

describe('what others put there is read', () => {
  test('by go-zero: each number is an instance, and a service whose name goes on is another (T24)', async () => {
    await put(`${service}/7587869134584193286`, '10.0.0.7:8080');
    await put(`${service}-admin/1`, '10.0.0.9:8080');
    const watch = watching(await opened('go-zero'));
    const { instances } = await watch.until('the list', (list) => list.instances.length > 0);
    expect(instances.map(({ id, endpoint }) => [id, endpoint.host])).toEqual([
      ['7587869134584193286', '10.0.0.7'],
    ]);
  });

  test('by etcd-naming, one deeper than the other, in place and until they are gone', async () => {
    await put(`${service}/e1`, { Op: 0, Addr: '10.0.0.1:1' });
    const watch = watching(await opened('etcd-naming'));
    await watch.until('the first', ({ instances }) => instances.length === 1);
    await put(`${service}/sub/e2`, { Op: 0, Addr: '10.0.0.2:1' });
    await watch.until('both', ({ instances }) => instances.map(({ id }) => id).join() === 'e1,sub=002fe2');
    await put(`${service}/sub/e2`, 'nonsense');
    const { instances, rejected } = await watch.until('nonsense', (list) => list.rejected.length === 1);
    expect(instances.map(({ id }) => id)).toEqual(['e1', 'sub=002fe2']);
    expect(rejected.map(({ entry }) => entry)).toEqual(['sub/e2']);
    for (const [at, left] of ['sub/e2', 'e1'].entries()) {
      await etcdPost(server.address, 'kv/deleterange', { key: toBase64(`${service}/${left}`) });
      await watch.until(`without ${left}`, (list) => list.instances.length === 1 - at);
    }
  });

  test('by SkyDNS, below the labels of its name', async () => {
    await put(`/skydns/local/zone/${service}/x1`, { host: '10.0.0.3', port: 8080, weight: 20 });
    const registry = await opened('skydns');
    const watch = watching(registry, `${service}.zone.local`);
    const { instances } = await watch.until('the list', (list) => list.instances.length > 0);
    expect(instances[0]).toMatchObject({ id: 'x1', endpoint: { host: '10.0.0.3', port: 8080 }, weight: 20 });
    expect(await registry.services()).toContain(`${service}.zone.local`);
  });
});

describe('the samples of other software', () => {
  const inEtcd = SAMPLES.filter(({ format }) => ETCD_FORMATS.some((each) => each === format));

  test.each(inEtcd)('in $format are listed where they are: $what', async (sample) => {
    const { format, name, data, instance } = sample;
    const root = `/samples/${service}`;
    await put(`${root}/${sample.service}/${name}`, data ?? '');
    const watch = watching(await opened(format, `/${root}`), sample.service);
    const { instances, rejected } = await watch.until('it', (list) => list.instances.length === 1);
    expect([instances, rejected]).toEqual([[instanceOf({ service: sample.service, ...instance })], []]);
  });

  test('of several formats are read side by side with auto, and nothing is written so', async () => {
    const root = `auto/${service}`;
    await put(`${root}/web/e1`, { Op: 0, Addr: '10.0.0.1:80' });
    await put(`${root}/web/7587869134584193286`, '10.0.0.2:80');
    await put(`${root}/web/k1`, { id: 'k1', name: 'web', endpoints: ['grpc://10.0.0.3:80'] });
    await put(`${root}/web/x1`, { host: '10.0.0.4', port: 80 });
    await put(`${root}/web/odd`, '<xml/>');
    const url = `etcd://${server.address}/${root}?format=auto`;
    const registry = await open(url);
    closers.push(() => registry.close());
    const watch = watching(registry, 'web');
    const { instances, rejected } = await watch.until('all', (list) => list.instances.length === 4);
    const hosts = instances.map(({ endpoint }) => endpoint.host);
    expect(hosts).toEqual(['10.0.0.2', '10.0.0.1', '10.0.0.3', '10.0.0.4']);
    expect(rejected.map(({ entry }) => entry)).toEqual(['odd']);
    expect([await registry.services(), registry.kind, registry.url]).toEqual([['web'], 'etcd', url]);
    await registry.ping();
    await expect(openWritable(url)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test.each([
    ['kratos', '10.0.0.1:80', 'go-zero'],
    ['go-zero', { Op: 0, Addr: '10.0.0.1:80' }, 'etcd-naming'],
    ['etcd-naming', { host: '10.0.0.1', port: 80 }, 'skydns'],
    ['pilotfish', { id: 'k1', name: 'web', endpoints: ['grpc://10.0.0.3:80'] }, 'kratos'],
  ])(
    'in another format than %s are skipped, with a word of which it may be',
    async (format, value, likely) => {
      const root = `wrong/${service}`;
      await put(`/${root}/web/e1`, value);
      const watch = watching(await opened(format, `//${root}`), 'web');
      const { rejected } = await watch.until('the rejection', (list) => list.rejected.length === 1);
      expect(rejected[0]?.reason).toMatch(new RegExp(`^expected .+; it looks like format=${likely}$`));
    },
  );
});

describe('an instance that is to get no traffic, where the format has no words for it', () => {
  test('has no key while it drains, is not lost for it, and comes back', async () => {
    const registry = await opened('go-zero');
    const registration = await registry.register(one());
    const ends = vi.fn();
    void registration.lost.then(ends);
    for (const fields of [{ status: 'draining' }, { status: 'maintenance', note: 'disk' }, { weight: 0 }]) {
      await registration.update(one(fields));
      expect(await stored(`${service}/`)).toEqual({});
      expect(await registration.confirm()).toBe('present');
      await registration.update(one());
      expect(await stored(`${service}/`)).toEqual({ [`${service}/one`]: '10.0.0.1:80' });
      expect(await registration.confirm()).toBe('present');
    }
    expect(ends).not.toHaveBeenCalled();
  });

  test('takes away what an earlier process left under its name', async () => {
    await put(`${service}/one`, '10.0.0.9:80');
    const registry = await opened('go-zero');
    const registration = await registry.register(one({ status: 'maintenance' }));
    expect(await stored(`${service}/`)).toEqual({});
    await registration.update(one());
    expect(await stored(`${service}/`)).toEqual({ [`${service}/one`]: '10.0.0.1:80' });
  });

  test('is lost when somebody takes its name, and leaves that alone', async () => {
    const registry = await opened('go-zero');
    const registration = await registry.register(one({ status: 'maintenance' }));
    await put(`${service}/one`, '10.0.0.9:80');
    expect(await registration.lost).toBe('taken');
    await registration.close();
    expect(await stored(`${service}/`)).toEqual({ [`${service}/one`]: '10.0.0.9:80' });
  });

  test('is lost with its lease', async () => {
    const registry = await opened('go-zero');
    const registration = await registry.register(one());
    const [kv] = await keysAt(server.address, `${service}/`);
    await registration.update(one({ status: 'maintenance' }));
    await etcdPost(server.address, 'lease/revoke', { ID: kv?.lease });
    expect(await registration.confirm()).toBe('absent');
    expect(await registration.lost).toBe('expired');
  });
});

test('a key of ours that somebody deletes is lost, whatever its format', async () => {
  const registry = await opened('kratos');
  const registration = await registry.register(one());
  await etcdPost(server.address, 'kv/deleterange', { key: toBase64(`/microservices/${service}/one`) });
  expect(await registration.lost).toBe('deleted');
});
