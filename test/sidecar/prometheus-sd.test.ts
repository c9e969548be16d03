/** What Prometheus is told to scrape: the shape that its `http_sd_configs` asks for, and where the lists come from. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/index.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import type { AdminReply } from '../../sidecar/admin-route.js';
import { type Sidecar, startSidecar } from '../../sidecar/daemon.js';
import { FollowedLists, MAX_FOLLOWED } from '../../sidecar/followed-lists.js';
import { prometheusRoute, type TargetGroup, targetGroup } from '../../sidecar/prometheus-sd.js';
import { load } from '../helpers/config.js';
import { soon } from '../helpers/soon.js';
import { instances, MemoryRegistry } from '../resolver/memory-registry.js';

describe('a target', () => {
  test('has everything that is known of the instance as labels', () => {
    const instance = instanceOf({
      ...{ service: 'orders', id: 'o-1', host: '2001:db8::1', port: 8080, weight: 2.5, zone: 'eu-1' },
      ...{ version: '1.2', tags: ['blue', 'edge'], metadata: { 'metrics-port': '9100', team: '' } },
    });
    expect(targetGroup({ instance, status: 'warning' })).toEqual({
      targets: ['[2001:db8::1]:8080'],
      labels: {
        __meta_pilotfish_service: 'orders',
        __meta_pilotfish_id: 'o-1',
        __meta_pilotfish_status: 'warning',
        __meta_pilotfish_weight: '2.5',
        __meta_pilotfish_zone: 'eu-1',
        __meta_pilotfish_version: '1.2',
        __meta_pilotfish_tags: ',blue,edge,',
        __meta_pilotfish_metadata_metrics_port: '9100',
        __meta_pilotfish_metadata_team: '',
      },
    });
  });

  test('has no label for what is not known, and none by a name that Prometheus refuses', () => {
    const metadata = { 'a.b/c': '1', ünïcode: '2' };
    const instance = instanceOf({ service: 'orders', metadata });
    const { labels } = targetGroup({ instance, status: 'passing' });
    expect(labels).not.toHaveProperty('__meta_pilotfish_zone');
    expect(Object.keys(labels)).toContain('__meta_pilotfish_metadata_a_b_c');
    for (const name of Object.keys(labels)) expect(name).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
  });
});

describe('lists of the registries', () => {
  let clock: VirtualClock;
  let first: MemoryRegistry;
  let second: MemoryRegistry;
  let registries: MemoryRegistry[];
  let lists: FollowedLists;

  beforeEach(() => {
    clock = new VirtualClock();
    first = new MemoryRegistry('memory://10.0.0.1:1');
    second = new MemoryRegistry('memory://10.0.0.2:1');
    registries = [first];
    lists = new FollowedLists(() => registries, { clock, random: seededRandom(1) });
  });

  afterEach(async () => {
    await lists.close();
    expect(first.open + second.open).toBe(0);
  });

  /** The reply, once as much time has passed. */
  async function ask(query: string, ms = 0): Promise<{ status: number; targets: readonly string[] }> {
    const { handle } = prometheusRoute({ own: () => [], lists });
    const request = { params: {}, query: new URLSearchParams(query), body: Buffer.alloc(0) };
    const reply = Promise.resolve(handle(request)) as Promise<AdminReply>;
    await clock.advance(ms);
    const { status, body } = await reply;
    const groups = status === 200 ? (JSON.parse(body?.text ?? '') as TargetGroup[]) : [];
    return { status, targets: groups.flatMap(({ targets }) => targets) };
  }

  test('the first question begins a watch, which answers all others', async () => {
    first.list(instances(['a']));
    for (let times = 0; times < 3; times++) {
      expect(await ask('service=orders', 60_000)).toEqual({ status: 200, targets: ['10.0.0.1:80'] });
    }
    expect(first.begun).toBe(1);
  });

  test('a list is served as last known while the registry is away', async () => {
    first.list(instances(['a']));
    await ask('service=orders');
    first.fail('away');
    expect(await ask('service=orders', 300_000)).toEqual({ status: 200, targets: ['10.0.0.1:80'] });
  });

  test('a list that was never read is an error after five seconds, so that Prometheus keeps what it has', async () => {
    first.fail('away');
    expect(await ask('service=orders', 5_000)).toEqual({ status: 503, targets: [] });
    expect(await ask('service=orders')).toEqual({ status: 503, targets: [] });
  });

  test('a service that has no instance is an empty list', async () => {
    first.list([]);
    expect(await ask('service=orders')).toEqual({ status: 200, targets: [] });
  });

  test('a watch ends when nobody has asked for ten minutes', async () => {
    first.list([]);
    await ask('service=orders');
    expect(first.open).toBe(1);
    await clock.advance(10 * 60_000);
    expect(first.open).toBe(0);
  });

  test('several registries are one list, in which an endpoint is once', async () => {
    registries = [first, second];
    const [a, b] = instances(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('no instances');
    first.list([a]);
    second.list([a, { ...b, endpoint: { host: '10.0.0.9', port: 80 } }]);
    const { targets } = await ask('service=orders');
    expect(targets).toEqual(['10.0.0.1:80', '10.0.0.9:80']);
  });

  test.each([
    ['empty', []],
    ['not', ['a']],
  ])(
    'one of several registries that was never read is an error, also where the list of the other is %s',
    async (_, ids) => {
      registries = [first, second];
      first.list(instances(ids));
      second.fail('away');
      expect(await ask('service=orders', 5_000)).toEqual({ status: 503, targets: [] });
      expect(await ask('service=orders')).toEqual({ status: 503, targets: [] });
      second.heal();
      second.list([]);
      await clock.advance(15_000);
      expect(await ask('service=orders')).toMatchObject({ status: 200 });
    },
  );

  test('of several registries one that is away later is served as last known', async () => {
    registries = [first, second];
    first.list([]);
    second.list(instances(['a']));
    const before = await ask('service=orders');
    expect(before.targets).toHaveLength(1);
    second.fail('away');
    expect(await ask('service=orders', 300_000)).toEqual(before);
  });

  test('a registry that a reload took away is read no more', async () => {
    registries = [first, second];
    first.list([]);
    second.list(instances(['a']));
    await ask('service=orders');
    registries = [first];
    expect((await ask('service=orders')).targets).toEqual([]);
    expect(second.open).toBe(0);
  });

  test('services are asked for by name, each once, up to a limit', async () => {
    first.list(instances(['a']));
    expect((await ask('service=orders&service=orders')).targets).toHaveLength(1);
    expect(await ask('service=../x')).toMatchObject({ status: 400 });
    const many = Array.from({ length: MAX_FOLLOWED }, (_, n) => `service=s${n}`).join('&');
    expect(await ask(many)).toMatchObject({ status: 429 });
    expect(first.begun).toBe(1);
  });
});

describe('a sidecar', () => {
  let sidecar: Sidecar;
  let token: string;

  beforeEach(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pilotfish-'));
    token = join(dir, 'token');
    await writeFile(token, 'a-very-long-secret-of-the-admin-server\n', { mode: 0o600 });
    const services = [{ name: 'orders', id: 'o-1', port: 1, address: '127.0.0.1', zone: 'eu-1' }];
    const { config } = await load({
      file: {
        ...{ registry: `local:${dir}/registry`, admin: '127.0.0.1:0', metrics: '127.0.0.1:0' },
        ...{ services, adminTokenFile: token },
      },
    });
    sidecar = await startSidecar(config, { logger: silentLogger });
  });

  afterEach(() => sidecar.close());

  async function get(url: string, headers: Record<string, string> = {}) {
    const answer = await fetch(url, { headers });
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
  }

  test('tells of its own services, one that is not listed as well', async () => {
    const { status, type, text } = await get(`${sidecar.metricsUrl}/v1/prometheus/sd`);
    expect({ status, type }).toEqual({ status: 200, type: 'application/json; charset=utf-8' });
    expect(JSON.parse(text)).toEqual([
      {
        targets: ['127.0.0.1:1'],
        labels: expect.objectContaining({
          __meta_pilotfish_service: 'orders',
          __meta_pilotfish_id: 'o-1',
          __meta_pilotfish_zone: 'eu-1',
          __meta_pilotfish_status: expect.stringMatching(/starting|failing/),
        }),
      },
    ]);
  });

  test('tells of any service, and of a new instance as soon as the registry has it', async () => {
    const [registry] = sidecar.config.registries;
    const { openWritable } = await import('../../registry/open.js');
    const other = await openWritable(registry as string);
    const url = `${sidecar.metricsUrl}/v1/prometheus/sd?service=users`;
    expect((await get(url)).text).toBe('[]\n');
    await other.register(instanceOf({ service: 'users', host: '10.0.0.7', port: 80 }));
    await soon(async () => expect((await get(url)).text).toContain('"10.0.0.7:80"'));
    await other.close();
  });

  test('wants the token on the admin server, and none where other hosts read the metrics', async () => {
    const url = `${sidecar.adminUrl}/v1/prometheus/sd`;
    expect((await get(url)).status).toBe(401);
    expect((await get(url, { authorization: `Bearer ${sidecar.adminToken}` })).status).toBe(200);
    expect((await get(`${sidecar.metricsUrl}/v1/prometheus/sd`)).status).toBe(200);
  });
});
