/** docs/join/finagle.md, with members as Finagle and Aurora write them and a reader that reads as Finagle does. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { Caller, eventually, ToyService } from '../end-to-end/world.js';
import { ZkNodes } from '../parties/zk-nodes.js';
import { sharedServer } from '../servers/index.js';
import { inTree, Page } from './page.js';

const ROOT = `/join-finagle-${process.pid}`;
const PARENT = `${ROOT}/twitter/service/prod`;

let others: ZkNodes;
let service: ToyService;
let page: Page;

beforeAll(async () => {
  others = await ZkNodes.connect(sharedServer('zookeeper'));
  service = await ToyService.start();
  page = await Page.open('docs/join/finagle.md', inTree(ROOT, service.port));
});

afterAll(async () => {
  await page.close();
  await service.die();
  await others.close();
});

const url = (): string => `zookeeper://${sharedServer('zookeeper')}${PARENT}?format=serverset`;

/** As the writers of Finagle and Aurora have it, which write nothing but ALIVE. */
const announce = (port: number, name = 'web', status = 'ALIVE'): Promise<string> =>
  others.put(
    `${PARENT}/${name}/member_`,
    `{"status":"${status}","additionalEndpoints":{"aurora":{"host":"127.0.0.1","port":1}},"serviceEndpoint":{"host":"127.0.0.1","port":${port}},"shard":0}`,
    'EPHEMERAL_SEQUENTIAL',
  );

interface Weighed {
  readonly address: string;
  readonly weight: number;
}

/** What Finagle makes of a serverset: who is ALIVE, each times every selector of every vector that means it. */
async function finagle(name: string): Promise<readonly Weighed[]> {
  const entries = await others.entries(`${PARENT}/${name}`);
  const selectors = entries
    .filter(([node]) => node.startsWith('vector_'))
    .flatMap(([, data]) => JSON.parse(data).vector as readonly { select: string; weight: number }[]);
  return entries
    .filter(([node, data]) => node.startsWith('member_') && JSON.parse(data).status === 'ALIVE')
    .map(([node, data]) => {
      const { serviceEndpoint, shard } = JSON.parse(data);
      const address = `${serviceEndpoint.host}:${serviceEndpoint.port}`;
      const marks = [`inet=${address}`, `member=${Number(node.slice(7))}`, `shard=${shard}`];
      const meant = selectors.filter(({ select }) => marks.includes(select));
      return { address, weight: meant.reduce((product, { weight }) => product * weight, 1) };
    });
}

test('what Finagle announced is shown and called', async () => {
  const member = await announce(service.port);
  const { code, stdout } = await page.run('Look');
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^member_\\d{10} +127\\.0\\.0\\.1:${service.port} +1 +passing`, 'm'));
  expect(await page.script('Call')).toBe('200\n');
  await others.remove(member);
});

test('what a sidecar writes is a member for Finagle beside its own, until the sidecar drains', async () => {
  const member = await announce(1);
  const sidecar = await page.start('Register');
  const ours = `127.0.0.1:${service.port}`;
  const addresses = async (): Promise<readonly string[]> => (await finagle('web')).map((one) => one.address);
  await eventually('both', async () => (await addresses()).length === 2);
  expect(await addresses()).toEqual(['127.0.0.1:1', ours]);
  expect((await sidecar.stop()).code).toBe(0);
  expect(await addresses()).toEqual(['127.0.0.1:1']);
  await others.remove(member);
});

test('a vector weighs the members of both for Finagle and for a caller alike', async () => {
  const member = await announce(80, 'weighed');
  const registry = await openWritable(url());
  await registry.register(instanceOf({ service: 'weighed', id: 'p-1', host: '127.0.0.1', port: 81 }));
  const number = Number(member.slice(-10));
  const selectors = [
    { select: `member=${number}`, weight: 1.5, priority: 1 },
    { select: 'inet=127.0.0.1:81', weight: 4, priority: 1 },
    { select: 'shard=0', weight: 2, priority: 1 },
  ];
  await others.put(`${PARENT}/weighed/vector_0000000000`, JSON.stringify({ vector: selectors }));
  const wanted = [
    { address: '127.0.0.1:80', weight: 3 },
    { address: '127.0.0.1:81', weight: 4 },
  ];
  expect(await finagle('weighed')).toEqual(wanted);
  const caller = await Caller.of(url(), 'weighed');
  const weights = (): readonly number[] =>
    [...(caller.service.snapshot?.instances ?? [])]
      .sort((a, b) => a.endpoint.port - b.endpoint.port)
      .map(({ weight }) => weight);
  await eventually('the weights', () => weights().join() === '3,4');
  await Promise.all([caller.close(), registry.close()]);
});

test('a member that drains or is in maintenance is no member for Finagle, and returns', async () => {
  const instance = instanceOf({ service: 'leaving', id: 'p-1', host: '127.0.0.1', port: 81 });
  const registry = await openWritable(url());
  const registration = await registry.register(instance);
  for (const status of ['draining', 'maintenance'] as const) {
    await registration.update({ ...instance, status });
    expect([(await others.entries(`${PARENT}/leaving`)).length, await finagle('leaving')]).toEqual([1, []]);
    await registration.update(instance);
    expect(await finagle('leaving')).toEqual([{ address: '127.0.0.1:81', weight: 1 }]);
  }
  await registry.close();
});

test('a member of another that is not ALIVE is left alone by a caller too', async () => {
  await announce(80, 'unwell', 'STARTING');
  await announce(81, 'unwell');
  const caller = await Caller.of(url(), 'unwell');
  await caller.service.ready();
  const picked = Array.from({ length: 10 }, () => caller.service.pick().endpoint.port);
  expect(new Set(picked)).toEqual(new Set([81]));
  expect(await finagle('unwell')).toHaveLength(1);
  await caller.close();
});

test('every block of the page was run', () => {
  expect(page.unused()).toEqual([]);
});
