/** docs/join/curator-spring.md, with Apache Curator itself in a Java process. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Registry } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { Caller, eventually, ToyService } from '../end-to-end/world.js';
import { CuratorFleet, SPRING_CLASS } from '../parties/curator.js';
import { ZkNodes } from '../parties/zk-nodes.js';
import { sharedServer } from '../servers/index.js';
import { inTree, Page } from './page.js';

const ROOT = `/join-curator-${process.pid}`;
const MAP = 'java.util.LinkedHashMap';
const CURATOR = { base: '/discovery' };
const SPRING = { base: '/services', payloadClass: SPRING_CLASS, uriSpec: '{scheme}://{address}:{port}' };

let java: CuratorFleet;
let nodes: ZkNodes;
let service: ToyService;
let page: Page;
let names = 0;

beforeAll(async () => {
  nodes = await ZkNodes.connect(sharedServer('zookeeper'));
  await nodes.put(ROOT, '', 'PERSISTENT');
  [java, service] = await Promise.all([
    CuratorFleet.start(`${sharedServer('zookeeper')}${ROOT}`),
    ToyService.start(),
  ]);
  page = await Page.open('docs/join/curator-spring.md', inTree(ROOT, service.port));
});

afterAll(async () => {
  await page.close();
  await Promise.all([java.close(), service.die(), nodes.close()]);
});

const urlOf = (base: string, format: string): string =>
  `zookeeper://${sharedServer('zookeeper')}${ROOT}${base}?format=${format}`;

/** What a Spring application says of itself, beside its address. */
const springs = (metadata: Readonly<Record<string, string>>, id = 'web'): object => ({
  payload: { id, name: id, metadata: { instance_status: 'UP', ...metadata } },
});

describe('the page', () => {
  test.each([
    ['curator', CURATOR, {}],
    ['spring', SPRING, springs({})],
  ] as const)('shows and calls what Java has registered (%s)', async (format, where, payload) => {
    const edit = (text: string): string =>
      text.replace('/discovery?format=curator', `${where.base}?format=${format}`);
    const entry = { ...where, name: 'web', id: 'j-1', address: '127.0.0.1', port: service.port, ...payload };
    await java.call({ do: 'register', ...entry });
    const { code, stdout } = await page.run('Look', edit);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`j-1  127.0.0.1:${service.port}  1`)]);
    expect(await page.script('Call', edit)).toBe('200\n');
    await java.call({ do: 'unregister', ...entry });
    expect((await page.run('Look', edit)).code).toBe(1);
  });

  test.each([
    ['curator', CURATOR],
    ['spring', SPRING],
  ] as const)(
    "has a sidecar that Java's provider and cache find, until it drains (%s)",
    async (format, where) => {
      const name = `found-${format}`;
      const edit = (text: string): string =>
        `${text.trim()} --id s-1`
          .replace('/discovery?format=curator', `${where.base}?format=${format}`)
          .replace('--service web', `--service ${name}`);
      await java.call({ do: 'cache', ...where, name });
      const sidecar = await page.start('Register', edit);
      await eventually('the cache has it', () => java.cached(name).length === 1);
      const wanted = { id: 's-1', address: '127.0.0.1', port: service.port, enabled: true };
      expect(await java.call({ do: 'pick', ...where, name })).toMatchObject(wanted);
      expect(java.cached(name)[0]).toMatchObject(wanted);
      if (format === 'spring') expect(java.cached(name)[0]?.uri).toBe(`http://127.0.0.1:${service.port}`);
      expect((await sidecar.stop()).code).toBe(0);
      await eventually('the cache lost it', () => java.cached(name).length === 0);
      expect(await java.call({ do: 'pick', ...where, name })).toBeNull();
    },
  );

  test('was run, every block of it', () => {
    expect(page.unused()).toEqual([]);
  });
});

describe('what Java registers', () => {
  const CASES: readonly (readonly [what: string, entry: object, read: object])[] = [
    ['with nothing else', { port: 80 }, { port: 80 }],
    [
      'with a map',
      { port: 80, payloadClass: MAP, payload: { zone: 'z1', cores: 8, weight: 3 } },
      { port: 80, zone: 'z1', weight: 3, metadata: { cores: '8' } },
    ],
    [
      'with a list',
      { port: 80, payloadClass: 'java.util.ArrayList', payload: ['a', 'b'] },
      { port: 80, metadata: { payload: '["java.util.ArrayList",["a","b"]]' } },
    ],
    [
      'on a persistent node, with a text',
      { port: 80, type: 'PERMANENT', payloadClass: 'java.lang.String', payload: 'blue' },
      { port: 80, metadata: { payload: 'blue' } },
    ],
    ['with a secure port alone', { sslPort: 8443 }, { port: 8443, metadata: { scheme: 'https' } }],
    [
      "with Spring's metadata",
      { ...SPRING, ...springs({ zone: 'z1', weight: '3', version: '7', hint: 'blue' }), port: 80 },
      { port: 80, zone: 'z1', weight: 3, version: '7', metadata: { hint: 'blue' } },
    ],
    [
      'out of service, as Spring says it',
      { ...SPRING, ...springs({ instance_status: 'OUT_OF_SERVICE' }), port: 80 },
      { port: 80, status: 'maintenance', note: 'instance_status OUT_OF_SERVICE' },
    ],
  ];

  test.each(CASES)('%s is read, and is gone when Java unregisters it', async (_what, entry, read) => {
    const name = `java-${names++}`;
    const command = { ...CURATOR, name, id: 'j-1', address: '10.0.0.1', ...entry };
    const caller = await Caller.of(urlOf(command.base, 'curator'), name);
    await java.call({ do: 'register', ...command });
    await caller.sees('j-1');
    const wanted = instanceOf({ service: name, id: 'j-1', host: '10.0.0.1', ...read });
    expect(caller.service.snapshot?.instances).toEqual([wanted]);
    await java.call({ do: 'unregister', ...command });
    await caller.sees();
    await caller.close();
  });

  test('on a sequential node is read, and stays when Java unregisters it, since Curator leaves the node', async () => {
    const name = 'sequential';
    const caller = await Caller.of(urlOf('/discovery', 'curator'), name);
    const entry = { ...CURATOR, name, id: 'j-1', address: '10.0.0.1', port: 80, type: 'DYNAMIC_SEQUENTIAL' };
    await java.call({ do: 'register', ...entry });
    await caller.sees('j-1');
    await java.call({ do: 'unregister', ...entry });
    const left = await nodes.entries(`${ROOT}/discovery/${name}`);
    expect(left.map(([node]) => node)).toEqual(['j-10000000000']);
    expect(caller.ids()).toEqual(['j-1']);
    await nodes.remove(`${ROOT}/discovery/${name}/j-10000000000`);
    await caller.sees();
    await caller.close();
  });
});

describe('what pilotfish registers', () => {
  const one = instanceOf({
    ...{ service: 'mixed', id: 'p-1', host: '10.0.0.2', port: 81, weight: 2, zone: 'z2' },
    ...{ tags: ['blue'], metadata: { team: 'x' } },
  });

  async function registered(
    base: string,
    format: string,
    name: string,
    work: (registry: Registry) => Promise<void>,
  ): Promise<void> {
    const registry = await openWritable(urlOf(base, format));
    await registry.register({ ...one, service: name });
    try {
      await work(registry);
    } finally {
      await registry.close();
    }
  }

  test('is read by Java whatever payload a reader expects, beside what Java has registered', async () => {
    const name = 'any-reader';
    await registered('/discovery', 'curator', name, async () => {
      await java.call({ do: 'register', ...CURATOR, name, id: 'j-1', address: '10.0.0.1', port: 80 });
      for (const payloadClass of ['java.lang.Void', 'java.lang.String', MAP, SPRING_CLASS]) {
        const list = await java.list({ ...CURATOR, name, payloadClass });
        expect(list.map(({ id, address, port, enabled }) => [id, address, port, enabled]).sort()).toEqual([
          ['j-1', '10.0.0.1', 80, true],
          ['p-1', '10.0.0.2', 81, true],
        ]);
      }
    });
  });

  test("for Spring is a payload of Spring's class with the metadata, and fails for readers of any other", async () => {
    const name = 'spring-readers';
    await registered('/services', 'spring', name, async () => {
      const [read] = await java.list({ ...SPRING, name });
      expect(read?.payload).toEqual({
        id: name,
        name,
        metadata: { team: 'x', zone: 'z2', tags: '["blue"]', weight: '2', instance_status: 'UP' },
      });
      await java.call({ do: 'register', base: '/services', name, id: 'j-1', address: '10.0.0.1', port: 80 });
      await expect(java.list({ base: '/services', name })).rejects.toThrow(/ClassCastException/);
    });
  });

  test.each(['curator', 'spring'])(
    'in %s leaves with a drain or a maintenance, and returns',
    async (format) => {
      const name = `leaves-${format}`;
      const where = format === 'spring' ? SPRING : CURATOR;
      const registry = await openWritable(urlOf(where.base, format));
      const registration = await registry.register({ ...one, service: name });
      await java.call({ do: 'cache', ...where, name });
      const listed = (count: number): Promise<void> =>
        eventually(`${count} in the cache`, () => java.cached(name).length === count);
      await listed(1);
      for (const status of ['draining', 'maintenance'] as const) {
        await registration.update({ ...one, service: name, status });
        await listed(0);
        await registration.update({ ...one, service: name });
        await listed(1);
      }
      await registry.close();
      await listed(0);
    },
  );
});
