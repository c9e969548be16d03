import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { EtcdClient } from '../../registry/etcd/client.js';
import { parseEtcdUrl } from '../../registry/etcd/settings.js';
import { encodeInstance } from '../../registry/formats/pilotfish.js';
import { open } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { Watching } from '../../registry/testing/watching.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { etcdPost, toBase64 } from './support.js';

let server: RunningServer;
/** Of a proxy its address twice: with somebody else to turn to, nobody waits long for an answer. */
const url = (address = server.address): string => `etcd://${address}/it?ttl=2s`;

beforeAll(async () => {
  server = await startServer('etcd');
});

afterAll(() => server.stop());

/** Instances `from` to `to` of the service, in as few requests as etcd allows; returns the revision. */
async function putAll(service: string, from: number, to: number): Promise<number> {
  let revision = 0;
  for (let at = from; at < to; at += 100) {
    const success = Array.from({ length: Math.min(100, to - at) }, (_, i) => {
      const id = `i-${String(at + i).padStart(5, '0')}`;
      const value = encodeInstance(instanceOf({ service, id })).toString('base64');
      return { request_put: { key: toBase64(`it/${service}/${id}`), value } };
    });
    const { header } = await etcdPost(server.address, 'kv/txn', { success });
    revision = Number((header as { revision: string }).revision);
  }
  return revision;
}

test('a list of several pages is whole, and of one revision', async () => {
  const service = freshService('pages');
  const revision = await putAll(service, 0, 12_345);
  const registry = await open(url());
  for await (const list of registry.watch(service)) {
    expect(list.instances).toHaveLength(12_345);
    expect(new Set(list.instances.map(({ id }) => id)).size).toBe(12_345);
    expect(list.revision).toBe(revision);
    break;
  }
  await registry.close();
});

test('a watch from a revision that is compacted says so (T21)', async () => {
  const service = freshService('compact');
  const revision = await putAll(service, 0, 3);
  await etcdPost(server.address, 'kv/compaction', { revision: String(revision) });
  const context = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
  const client = new EtcdClient(parseEtcdUrl(url()), context);
  const messages = client.follow({ key: toBase64('it/'), start_revision: '1' }, new AbortController().signal);
  await expect(messages.next()).rejects.toThrow(`etcd cancelled the watch: ${revision}`);
  await client.close();
});

test('changes, deletions and a compaction while it is cut off are all in the list after the heal (T20)', async () => {
  await using proxy = await FaultProxy.start(server.address);
  const service = freshService('gap');
  await putAll(service, 0, 50);
  const registry = await open(url(`${proxy.address},${proxy.address}`));
  const watching = new Watching(registry, service);
  await watching.until('the first list', ({ instances }) => instances.length === 50);
  proxy.stall();
  proxy.reset();
  await putAll(service, 50, 75);
  const range = { key: toBase64(`it/${service}/i-00000`), range_end: toBase64(`it/${service}/i-00030`) };
  await etcdPost(server.address, 'kv/deleterange', range);
  const revision = await putAll(service, 75, 76);
  await etcdPost(server.address, 'kv/compaction', { revision: String(revision) });
  await vi.waitFor(() => expect(watching.supervised.error).toBeDefined(), 10_000);
  await proxy.heal();
  const healed = performance.now();
  await watching.until('all of it', ({ instances }) => instances.length === 46, 8_000);
  expect(performance.now() - healed).toBeLessThan(4_000);
  await watching.close();
  await registry.close();
});

test('a member that falls silent ends the watch, which goes on where somebody answers (T21)', async () => {
  await using proxy = await FaultProxy.start(server.address);
  const service = freshService('silent');
  await putAll(service, 0, 1);
  const registry = await open(url(`${proxy.address},${proxy.address}`));
  const watching = new Watching(registry, service);
  await watching.until('one', ({ instances }) => instances.length === 1);
  proxy.stall();
  await vi.waitFor(() => expect(watching.supervised.error).toBeDefined(), 10_000);
  await vi.waitFor(() => expect(registry.state).toBe('suspended'), 10_000);
  await putAll(service, 1, 2);
  await proxy.heal();
  await watching.until('two', ({ instances }) => instances.length === 2, 8_000);
  expect(registry.state).toBe('connected');
  await watching.close();
  await registry.close();
});

test('a stream that is left is freed on the server at once', async () => {
  const watchers = async (): Promise<number> => {
    const text = await (await fetch(`http://${server.address}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(text)?.[1]);
  };
  await vi.waitFor(async () => expect(await watchers()).toBe(0), 5_000);
  const registry = await open(url());
  const lists = Array.from({ length: 20 }, () =>
    registry.watch(freshService('left'))[Symbol.asyncIterator](),
  );
  await Promise.all(lists.map((list) => list.next()));
  await vi.waitFor(async () => expect(await watchers()).toBe(20), 5_000);
  await Promise.all(lists.map((list) => list.return?.()));
  await vi.waitFor(async () => expect(await watchers()).toBe(0), 5_000);
  await registry.close();
});
