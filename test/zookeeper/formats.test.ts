import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Registry, RegistryReader } from '../../registry/contract.js';
import { loadFormat } from '../../registry/formats/index.js';
import { open, openWritable } from '../../registry/open.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { Watching } from '../../registry/testing/watching.js';
import { ZK_FORMATS } from '../../registry/zookeeper/settings.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { SAMPLES } from '../formats/samples.js';
import { connectClient } from '../helpers/zk.js';
import { type RunningServer, startServer } from '../servers/index.js';

const NOTHING = Buffer.alloc(0);

let server: RunningServer;
let zk: WireClient;
let roots = 0;

beforeAll(async () => {
  server = await startServer('zookeeper');
  ({ zk } = await connectClient(server.address));
});

afterAll(async () => {
  await zk?.close();
  await server?.stop();
});

/** A tree of the test's own, its URL in a format, and the parents of a folder in it. */
async function tree(format: string): Promise<{ root: string; url: string }> {
  const root = `/formats-${roots++}`;
  await zk.create(root, NOTHING, 'persistent');
  return { root, url: `zookeeper://${server.address}${root}?format=${format}` };
}

async function createAll(path: string, data: Buffer = NOTHING): Promise<void> {
  const parts = path.split('/').slice(1);
  for (let depth = 1; depth < parts.length; depth++) {
    await zk.create(`/${parts.slice(0, depth).join('/')}`, NOTHING, 'persistent').catch(() => {});
  }
  await zk.create(path, data, 'persistent');
}

async function watching<T>(
  registry: RegistryReader,
  service: string,
  work: (list: Watching) => Promise<T>,
): Promise<T> {
  const list = new Watching(registry, service);
  try {
    return await work(list);
  } finally {
    await list.close();
  }
}

const namesIn = async (path: string): Promise<readonly string[]> => (await zk.children(path)).names;

/** The folder of a service below the chroot, in the formats where it is not the service's name. */
const FOLDERS: Readonly<Record<string, (service: string) => string>> = {
  dubbo: (service) => `${service}/providers`,
  kafka: () => 'brokers/ids',
};

describe('the entries of other software', () => {
  test.each(SAMPLES.filter(({ format }) => ZK_FORMATS.includes(format)))(
    'in $format are listed where they are: $what',
    async (sample) => {
      const { format, service, name, data, instance } = sample;
      const { root, url } = await tree(format);
      await createAll(`${root}/${FOLDERS[format]?.(service) ?? service}/${name}`, Buffer.from(data ?? ''));
      const registry = await open(url);
      await watching(registry, service, async (list) => {
        const { instances, rejected } = await list.until('it', (found) => found.instances.length === 1);
        expect([instances, rejected]).toEqual([[instanceOf({ service, ...instance })], []]);
      });
      expect(await registry.services()).toEqual([service]);
      await registry.close();
    },
  );

  test('of several formats are read side by side with auto, and nothing is written so', async () => {
    const { root, url } = await tree('auto');
    await createAll(
      `${root}/web/member_0000000003`,
      Buffer.from('{"status":"ALIVE","serviceEndpoint":{"host":"10.0.0.3","port":80}}'),
    );
    await createAll(`${root}/web/s80`, Buffer.from('["10.0.0.4","80"]'));
    await createAll(`${root}/web/10.0.0.5:80`);
    await createAll(
      `${root}/web/k1`,
      Buffer.from('{"id":"k1","name":"web","version":"","metadata":null,"endpoints":["grpc://10.0.0.6:80"]}'),
    );
    await createAll(`${root}/web/odd`, Buffer.from('<xml/>'));
    const registry = await open(url);
    await watching(registry, 'web', async (list) => {
      const { instances, rejected } = await list.until('all', (found) => found.instances.length === 4);
      const hosts = instances.map(({ endpoint }) => endpoint.host);
      expect(hosts).toEqual(['10.0.0.5', '10.0.0.6', '10.0.0.3', '10.0.0.4']);
      expect(rejected.map(({ entry }) => entry)).toEqual(['odd']);
    });
    await registry.close();
    await expect(openWritable(url)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('in another format than was asked for are skipped, with a word of which it may be', async () => {
    const { root, url } = await tree('curator');
    await createAll(`${root}/web/s80`, Buffer.from('["10.0.0.4","80"]'));
    const registry = await open(url);
    await watching(registry, 'web', async (list) => {
      const { rejected } = await list.until('the rejection', (found) => found.rejected.length === 1);
      expect(rejected[0]?.reason).toMatch(/^expected .+; it looks like format=host-port$/);
    });
    await registry.close();
  });

  test("a serverset's vectors weigh its members, and go on doing so when they change", async () => {
    const { root, url } = await tree('serverset');
    const member = '{"status":"ALIVE","serviceEndpoint":{"host":"10.0.0.3","port":80}}';
    const vector = (weight: number): Buffer =>
      Buffer.from(JSON.stringify({ vector: [{ select: 'member=3', weight, priority: 1 }] }));
    await createAll(`${root}/web/member_0000000003`, Buffer.from(member));
    await createAll(`${root}/web/vector_0000000004`, vector(2));
    const registry = await open(url);
    await watching(registry, 'web', async (list) => {
      const weighs = (weight: number) =>
        list.until(`${weight}`, (found) => found.instances[0]?.weight === weight);
      expect((await weighs(2)).rejected).toEqual([]);
      await zk.set(`${root}/web/vector_0000000004`, vector(5), -1);
      await weighs(5);
      await zk.delete(`${root}/web/vector_0000000004`, -1);
      await weighs(1);
    });
    await registry.close();
  });
});

const web = instanceOf({ service: 'web', id: 'web-1', host: '10.0.0.1', port: 8080 });

describe.each(['curator', 'spring', 'nerve', 'nerve-path', 'host-port', 'address'])('%s', (format) => {
  test('has no entry for an instance that drains, which is registered all the same and returns', async () => {
    const { root, url } = await tree(format);
    const registry = await openWritable(url);
    const registration = await registry.register(web);
    expect(await namesIn(`${root}/web`)).toHaveLength(1);
    for (const status of ['draining', 'maintenance'] as const) {
      await registration.update({ ...web, status });
      expect([await namesIn(`${root}/web`), await registration.confirm()]).toEqual([[], 'present']);
    }
    await registration.update(web);
    expect([(await namesIn(`${root}/web`)).length, await registration.confirm()]).toEqual([1, 'present']);
    await registration.close();
    expect(await namesIn(`${root}/web`)).toEqual([]);
    await registry.close();
  });

  test('loses what an older owner left when the instance is registered in maintenance', async () => {
    const { root, url } = await tree(format);
    const [older, newer] = [await openWritable(url), await openWritable(`${url}&sessionTimeout=9s`)];
    const first = await older.register(web);
    const second = await newer.register({ ...web, status: 'maintenance' });
    expect([await namesIn(`${root}/web`), await first.lost]).toEqual([[], 'deleted']);
    expect(await second.confirm()).toBe('present');
    await Promise.all([older.close(), newer.close()]);
  });
});

describe.each(['nerve', 'nerve-path', 'serverset'] as const)('the sequential nodes of %s', (format) => {
  /** Two owners with a session each. */
  async function owners(
    work: (root: string, older: Registry, newer: Registry) => Promise<void>,
  ): Promise<void> {
    const { root, url } = await tree(format);
    const [older, newer] = [await openWritable(url), await openWritable(`${url}&sessionTimeout=9s`)];
    try {
      await work(root, older, newer);
    } finally {
      await Promise.all([older.close(), newer.close()]);
    }
  }

  test('are replaced by each update, and one is left of them', () =>
    owners(async (root, registry, reader) => {
      const registration = await registry.register(web);
      await watching(reader, 'web', async (list) => {
        await list.until('it', ({ instances }) => instances.length === 1);
        const from = list.seen.length;
        const [before] = await namesIn(`${root}/web`);
        for (let weight = 2; weight <= 20; weight++) await registration.update({ ...web, weight });
        await list.until('the last', ({ instances }) => instances[0]?.weight === 20);
        expect(list.seen.slice(from).filter(({ instances }) => instances.length !== 1)).toEqual([]);
        const names = await namesIn(`${root}/web`);
        expect([names.length, names[0] === before]).toEqual([1, false]);
        expect(await registration.confirm()).toBe('present');
      });
    }));

  test('that an older owner of the id has left are removed, those of other ids and of other software are not', () =>
    owners(async (root, older, newer) => {
      const foreign = SAMPLES.find((sample) => sample.format === format);
      await createAll(`${root}/web/${foreign?.name}`, Buffer.from(foreign?.data ?? ''));
      const first = await older.register(web);
      await older.register({ ...web, id: 'web-2' });
      await newer.register({ ...web, weight: 3 });
      expect(await first.lost).toBe('taken');
      expect(await namesIn(`${root}/web`)).toHaveLength(3);
      await watching(newer, 'web', async (list) => {
        const { instances } = await list.until('all', (found) => found.instances.length === 3);
        expect(instances.filter(({ id }) => id === 'web-1').map(({ weight }) => weight)).toEqual([3]);
      });
    }));

  test('are one instance to a reader while there are two of an id: the newest (T18)', () =>
    owners(async (root, registry, reader) => {
      await registry.register(web);
      const written = (await loadFormat(format)).encode?.({ ...web, weight: 9 }, 0);
      const data = Buffer.from(written?.data ?? []);
      const newer = await zk.create(`${root}/web/${written?.name}`, data, 'persistent-sequential');
      await watching(reader, 'web', async (list) => {
        const weighs = (weight: number) =>
          list.until(
            `${weight}`,
            ({ instances }) => instances.length === 1 && instances[0]?.weight === weight,
          );
        await weighs(9);
        await zk.delete(newer.path, -1);
        await weighs(1);
      });
    }));
});

describe('host-port', () => {
  test('names an entry after its port, which two hosts cannot share', async () => {
    const { root, url } = await tree('host-port');
    const registry = await openWritable(url);
    const other = await openWritable(`${url}&sessionTimeout=9s`);
    const registration = await registry.register(web);
    expect(await namesIn(`${root}/web`)).toEqual(['s8080']);
    const elsewhere = instanceOf({ service: 'web', id: 'web-2', host: '10.0.0.2', port: 8080 });
    await expect(registry.register(elsewhere)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(other.register(elsewhere)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await registration.confirm()).toBe('present');
    await Promise.all([registry.close(), other.close()]);
  });

  test('names it after the id where it is told to', async () => {
    const { root, url } = await tree('host-port&entryName=id');
    const registry = await openWritable(url);
    await registry.register(web);
    await registry.register({ ...web, id: 'web-2' });
    expect([...(await namesIn(`${root}/web`))].sort()).toEqual(['web-1', 'web-2']);
    await registry.close();
  });
});

test('kratos has the endpoint of the scheme that the URL names', async () => {
  const { root, url } = await tree('kratos&scheme=grpc');
  const registry = await openWritable(url);
  await registry.register(web);
  const { data } = await zk.get(`${root}/web/web-1`);
  expect(JSON.parse(Buffer.from(data).toString()).endpoints).toEqual(['grpc://10.0.0.1:8080']);
  await zk.set(
    `${root}/web/web-1`,
    Buffer.from('{"id":"web-1","name":"web","endpoints":["http://10.0.0.1:1","grpc://10.0.0.1:2"]}'),
    -1,
  );
  await watching(registry, 'web', async (list) => {
    await list.until('its port', ({ instances }) => instances[0]?.endpoint.port === 2);
  });
  await registry.close();
});

test('an address that moves has its entry moved', async () => {
  const { root, url } = await tree('address');
  const registry = await openWritable(url);
  const registration = await registry.register(web);
  await registration.update(instanceOf({ service: 'web', id: 'web-1', host: '10.0.0.1', port: 8081 }));
  expect([await namesIn(`${root}/web`), await registration.confirm()]).toEqual([
    ['10.0.0.1:8081'],
    'present',
  ]);
  await registry.close();
});

describe('a URL', () => {
  test.each([
    ['format=zebra', 'expected one of: pilotfish, host-port, .*, got "zebra", at registry\\?format'],
    ['format=skydns', 'expected one of: .*, got "skydns"'],
    [
      'format=kratos&scheme=ftp',
      'expected one of: http, https, grpc, grpcs, got "ftp", at registry\\?scheme',
    ],
    ['scheme=grpc', 'expected format=kratos beside it, got "grpc", at registry\\?scheme'],
    ['format=host-port&entryName=port', 'expected address or id, got "port", at registry\\?entryName'],
    [
      'entryName=id',
      'expected host-port or address as the format beside it, got "id", at registry\\?entryName',
    ],
  ])('with %s is refused', async (query, message) => {
    await expect(open(`zookeeper://127.0.0.1:1/a?${query}`)).rejects.toThrow(new RegExp(message));
  });
});
