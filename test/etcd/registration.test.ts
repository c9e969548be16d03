import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RegistryState } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { Announcer } from '../../sidecar/announcer.js';
import { startOwner } from '../contract/run-contract.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { etcdPost, keysAt, leasesAt, toBase64 } from './support.js';

let server: RunningServer;
/** Longer than a busy machine keeps a process from renewing its lease. */
const TTL_MS = 6_000;
const url = (address = server.address): string => `etcd://${address}/it?ttl=${TTL_MS}ms`;

beforeAll(async () => {
  server = await startServer('etcd');
});

afterAll(() => server.stop());

/** Looks every 10 ms until it is stopped; says how often, and how often nothing was there. */
function lookingAt(service: string): { stop: () => Promise<{ looks: number; absent: number }> } {
  let stopped = false;
  const result = { looks: 0, absent: 0 };
  const running = (async () => {
    while (!stopped) {
      result.looks++;
      if ((await keysAt(server.address, `it/${service}/`)).length !== 1) result.absent++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      return result;
    },
  };
}

async function leaseOf(service: string): Promise<string> {
  const [kv] = await keysAt(server.address, `it/${service}/`);
  return String(kv?.lease);
}

describe('an id that another lease holds', () => {
  test('is taken over from a killed process without a gap, also when the old lease ends', async () => {
    const instance = instanceOf({ service: freshService('takeover') });
    const owner = await startOwner(url(), instance);
    const old = await leaseOf(instance.service);
    const looking = lookingAt(instance.service);
    await owner.kill();
    const registry = await openWritable(url());
    const registration = await registry.register({ ...instance, weight: 5 });
    await vi.waitFor(async () => expect(await leasesAt(server.address)).not.toContain(old), 30_000);
    const { looks, absent } = await looking.stop();
    expect(absent).toBe(0);
    expect(looks).toBeGreaterThan(20);
    expect(await registration.confirm()).toBe('present');
    await registry.close();
  });

  test('is taken over from a live process once, which is told and does not take it back', async () => {
    const instance = instanceOf({ service: freshService('twice') });
    const [first, second] = [await openWritable(url()), await openWritable(url())];
    const older = await first.register(instance);
    const looking = lookingAt(instance.service);
    const newer = await second.register({ ...instance, weight: 2 });
    expect(await older.lost).toBe('taken');
    await expect(older.update({ ...instance, weight: 3 })).rejects.toMatchObject({ code: 'CLOSED' });
    await older.close();
    await first.close();
    expect((await looking.stop()).absent).toBe(0);
    expect(await newer.confirm()).toBe('present');
    await second.close();
  });
});

describe('a lease that somebody revokes', () => {
  test('loses every registration as expired, and the next registration gets a new one', async () => {
    const instance = instanceOf({ service: freshService('revoked') });
    const registry = await openWritable(url());
    const states: RegistryState[] = [];
    registry.onState((state) => states.push(state));
    const registration = await registry.register(instance);
    const other = await registry.register({ ...instance, id: 'b' });
    await etcdPost(server.address, 'lease/revoke', { ID: await leaseOf(instance.service) });
    expect(await Promise.all([registration.lost, other.lost])).toEqual(['expired', 'expired']);
    expect(await registration.confirm()).toBe('absent');
    const again = await registry.register(instance);
    expect(await again.confirm()).toBe('present');
    expect(states).toContain('expired');
    expect(states.at(-1)).toBe('connected');
    await registry.close();
  });

  test('is no more than a second without the entry to an announcer', async () => {
    const instance = instanceOf({ service: freshService('announced') });
    const registry = await openWritable(url());
    const context = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
    const announcer = new Announcer(registry, instance.service, context);
    announcer.announce(instance, 'healthy');
    await vi.waitFor(() => expect(announcer.settled).toBe(true), 30_000);
    const lease = await leaseOf(instance.service);
    await etcdPost(server.address, 'lease/revoke', { ID: lease });
    const back = async (): Promise<void> => {
      expect([lease, 'undefined']).not.toContain(await leaseOf(instance.service));
    };
    await vi.waitFor(back, { timeout: TTL_MS / 2, interval: 20 });
    await announcer.close();
    await registry.close();
  });
});

describe('an entry that somebody else touches', () => {
  test('is lost as deleted at once, and only that one', async () => {
    const instance = instanceOf({ service: freshService('deleted') });
    // Long before a look that comes once in a TTL.
    const registry = await openWritable(`etcd://${server.address}/it?ttl=1h`);
    const registration = await registry.register(instance);
    const other = await registry.register({ ...instance, id: 'b' });
    await etcdPost(server.address, 'kv/deleterange', { key: toBase64(`it/${instance.service}/a`) });
    expect(await registration.lost).toBe('deleted');
    expect(await other.confirm()).toBe('present');
    await registry.close();
  });

  test('is changed, and mended by an update', async () => {
    const instance = instanceOf({ service: freshService('edited') });
    const registry = await openWritable(url());
    const registration = await registry.register(instance);
    const key = toBase64(`it/${instance.service}/a`);
    await etcdPost(server.address, 'kv/put', { key, value: toBase64('{}'), ignore_lease: true });
    expect(await registration.confirm()).toBe('changed');
    await registration.update(instance);
    expect(await registration.confirm()).toBe('present');
    await registry.close();
  });
});

describe('a close that etcd did not answer', () => {
  /** Its lease is shared with another registration, and lives on. */
  async function failed(proxy: FaultProxy) {
    const registry = await openWritable(url(proxy.address));
    const instance = instanceOf({ service: freshService('unclosed') });
    const registration = await registry.register(instance);
    const other = await registry.register({ ...instance, id: 'b' });
    proxy.refuse();
    await expect(registration.close()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    return { registry, registration, other, instance };
  }

  const idsAt = async (service: string): Promise<readonly (string | undefined)[]> =>
    (await keysAt(server.address, `it/${service}/`)).map(
      ({ key }) => Buffer.from(String(key), 'base64').toString().split('/')[2],
    );

  test('is made up for as soon as etcd answers, although others keep its lease alive', async () => {
    await using proxy = await FaultProxy.start(server.address);
    const { registry, registration, other, instance } = await failed(proxy);
    const gone = registry.leftovers?.(instance);
    expect(gone).toBeInstanceOf(Promise);
    await expect(registration.close()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await proxy.heal();
    await gone;
    expect(await idsAt(instance.service)).toEqual(['b']);
    expect(await other.confirm()).toBe('present');
    await registration.close();
    await registry.close();
  });

  test('takes nothing from who registers the same meanwhile, also when it is closed again', async () => {
    await using proxy = await FaultProxy.start(server.address);
    const { registry, registration, instance } = await failed(proxy);
    await proxy.heal();
    // A connection that was reset may be noticed only now.
    const again = await vi.waitFor(() => registry.register(instance), 30_000);
    await registration.close();
    await registry.leftovers?.(instance);
    expect(await idsAt(instance.service)).toEqual(['a', 'b']);
    expect(await again.confirm()).toBe('present');
    await again.close();
    expect(await idsAt(instance.service)).toEqual(['b']);
    await registry.close();
  });
});

test('a key that is ours already is put anew, so that a removal that is on its way misses it', async () => {
  const registry = await openWritable(url());
  const instance = instanceOf({ service: freshService('anew') });
  const revision = async (): Promise<number> =>
    Number((await keysAt(server.address, `it/${instance.service}/`))[0]?.mod_revision);
  await registry.register(instance);
  const before = await revision();
  await registry.register(instance);
  expect(await revision()).toBeGreaterThan(before);
  await registry.close();
});

test('the end of a registry takes its lease with it', async () => {
  const before = await leasesAt(server.address);
  const registry = await openWritable(url());
  const { service } = await registry
    .register(instanceOf({ service: freshService('ended') }))
    .then((r) => r.instance);
  await registry.close();
  expect(await keysAt(server.address, `it/${service}/`)).toEqual([]);
  for (const lease of await leasesAt(server.address)) expect(before).toContain(lease);
});

test('connections cut at any byte leave one entry for what was registered, none for what failed, and one lease', async () => {
  await using proxy = await FaultProxy.start(server.address);
  const before = await leasesAt(server.address);
  const registry = await openWritable(url(proxy.address), { random: seededRandom(7) });
  const service = freshService('cut');
  const registered = new Set<string>();
  for (let attempt = 0; attempt < 60; attempt++) {
    const id = `i-${attempt}`;
    void proxy.cutAfter(attempt % 2 === 0 ? 'up' : 'down', 1 + ((attempt * 97) % 1_200));
    const registration = await registry.register(instanceOf({ service, id })).catch(() => undefined);
    if (registration !== undefined) registered.add(id);
  }
  await proxy.heal();
  await registry.register(instanceOf({ service, id: 'last' }));
  registered.add('last');
  const settled = async (): Promise<void> => {
    const keys = await keysAt(server.address, `it/${service}/`);
    const ids = keys.map(({ key }) => Buffer.from(String(key), 'base64').toString().split('/')[2]);
    expect(ids).toEqual([...registered].sort());
    expect(new Set(keys.map(({ lease }) => lease)).size).toBe(1);
  };
  await vi.waitFor(settled, { timeout: 30_000, interval: 100 });
  expect(registered.size).toBeGreaterThan(1);
  await registry.close();
  const left = (await leasesAt(server.address)).filter((lease) => !before.includes(lease));
  expect(left).toEqual([]);
});

test('a registry that was wiped, and has the same cluster id again, is registered in again', async () => {
  await using wiped = await startServer('etcd');
  const registry = await openWritable(url(wiped.address));
  const service = freshService('wiped');
  const context = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
  const announcer = new Announcer(registry, service, context);
  announcer.announce(instanceOf({ service }), 'healthy');
  await vi.waitFor(() => expect(announcer.settled).toBe(true), 30_000);
  await wiped.restart({ wipe: true });
  const back = async (): Promise<void> =>
    expect(await keysAt(wiped.address, `it/${service}/`)).toHaveLength(1);
  await vi.waitFor(back, { timeout: 30_000, interval: 50 });
  await announcer.close();
  await registry.close();
});
