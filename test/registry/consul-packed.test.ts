/** Lists in packed form: who is asked for them, and that nothing can be hidden in one. */
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openConsul } from '../../registry/consul/consul.js';
import type { Registry, Snapshot } from '../../registry/contract.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { soon } from '../helpers/soon.js';
import { sharedServer } from '../servers/index.js';
import { answer, FakeAgent, healthOf, type Script } from './consul-fake-agent.js';

const context = { clock: systemClock, random: seededRandom(3), logger: silentLogger };

/** An address of this host that looks like that of another. */
const elsewhere = (url: string): string => url.replace('127.0.0.1', '0.0.0.0');

async function listFrom(url: string, service = 'orders'): Promise<Snapshot> {
  const registry = await openConsul(url, context, {});
  try {
    return await firstList(registry, service);
  } finally {
    await registry.close();
  }
}

async function firstList(registry: Registry, service: string): Promise<Snapshot> {
  for await (const snapshot of registry.watch(service)) return snapshot;
  throw new Error('the watch ended');
}

/** Answers 200 with `body`, which says that it is JSON in packed form. */
const packed =
  (body: Uint8Array): Script =>
  (_, response) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip', 'x-consul-index': '5' };
    response.writeHead(200, headers).end(body);
  };

test('an agent on this host is not asked to pack its lists, and one on another host is', async () => {
  const asked: unknown[] = [];
  await using fake = await FakeAgent.start((request, response) => {
    asked.push(request.headers['accept-encoding']);
    answer(response, healthOf('a'), 5);
  });
  await listFrom(fake.url);
  expect(new Set(asked)).toEqual(new Set([undefined]));
  asked.length = 0;
  await listFrom(fake.url.replace('127.0.0.1', 'localhost'));
  expect(new Set(asked)).toEqual(new Set([undefined]));
  asked.length = 0;
  await listFrom(elsewhere(fake.url));
  expect(new Set(asked)).toEqual(new Set(['gzip']));
});

test('a packed list is the list, and so is one that the agent did not pack', async () => {
  await using fake = await FakeAgent.start(packed(gzipSync(JSON.stringify(healthOf('a', 'b')))));
  const list = await listFrom(elsewhere(fake.url));
  expect(list.instances.map(({ id }) => id)).toEqual(['n1~a', 'n1~b']);
  fake.script = (_, response) => answer(response, healthOf('a', 'b'), 5);
  expect((await listFrom(elsewhere(fake.url))).instances).toEqual(list.instances);
});

test('a list that is packed by a real agent arrives whole', async () => {
  const url = `consul://${sharedServer('consul')}`;
  const service = freshService('packed');
  const registry = await openConsul(url, context, {});
  const ids = Array.from({ length: 20 }, (_, at) => `web-${10 + at}`);
  await Promise.all(ids.map((id) => registry.register(instanceOf({ service, id }))));
  await soon(async () => {
    const list = await listFrom(elsewhere(url), service);
    expect(list.instances.map(({ id }) => id)).toEqual(ids);
  });
  await registry.close();
});

test.each<[string, Script]>([
  ['half a packed list', packed(gzipSync(JSON.stringify(healthOf('a', 'b'))).subarray(0, 60))],
  ['a list that is not packed and says it is', packed(Buffer.from(JSON.stringify(healthOf('a'))))],
  ['nothing, packed', packed(gzipSync(''))],
  ['nothing that should be packed', packed(Buffer.alloc(0))],
  [
    'a packed list whose connection breaks',
    (_, response) => {
      const body = gzipSync(JSON.stringify(healthOf('a', 'b')));
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      response.writeHead(200, { ...headers, 'content-length': body.length });
      response.write(body.subarray(0, 60), () => response.destroy());
    },
  ],
])('%s is UNAVAILABLE, and never an empty list', async (_, script) => {
  await using fake = await FakeAgent.start(script);
  await expect(listFrom(elsewhere(fake.url))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('what is small when packed and huge when not is cut off', async () => {
  const huge = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
  expect(huge.length).toBeLessThan(100_000);
  await using fake = await FakeAgent.start(packed(huge));
  await expect(listFrom(elsewhere(fake.url))).rejects.toThrow(/expected at most \d+ bytes/);
});
