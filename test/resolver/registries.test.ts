/** The resolver on real registries: how soon a status reaches the picker, and what is left when one of two dies. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Instance, Registration, Registry } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { type ConnectOptions, connect, type ServiceHandle } from '../../resolver/index.js';
import { soon } from '../helpers/soon.js';
import { type RunningServer, startServer } from '../servers/index.js';

let zookeeper: RunningServer;
let consul: RunningServer;
let root: string;

const urls = {
  local: () => `local:${root}?ttl=30s&poll=200ms`,
  zookeeper: () => `zookeeper://${zookeeper.address}/resolver?sessionTimeout=30s`,
  consul: () => `consul://${consul.address}?ttl=30s&wait=5s`,
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pilotfish-registries-'));
  [zookeeper, consul] = await Promise.all([startServer('zookeeper'), startServer('consul')]);
});

afterAll(async () => {
  await Promise.all([zookeeper.stop(), consul.stop(), rm(root, { recursive: true })]);
});

async function writer(url: string): Promise<Registry> {
  const registry = await openWritable(url);
  onTestFinished(() => registry.close());
  return registry;
}

async function reader(from: string | readonly string[], service: string, options: ConnectOptions = {}) {
  const discovery = await connect(from, { ...options, addresses: { allowLoopback: true } });
  onTestFinished(() => discovery.close());
  return discovery.service(service);
}

const idsOf = (handle: ServiceHandle) => handle.snapshot?.instances.map(({ id }) => id);
const picked = (handle: ServiceHandle) => {
  return [...new Set(Array.from({ length: 20 }, () => handle.pick().instance.id))].sort();
};

describe.each(['local', 'zookeeper', 'consul'] as const)('a status in %s', (kind) => {
  test('reaches the picker at once, and a pick in flight ends as ever', async () => {
    const service = freshService('status');
    const registry = await writer(urls[kind]());
    const a = instanceOf({ service, id: 'a', port: 81 });
    const registration = await registry.register(a);
    await registry.register(instanceOf({ service, id: 'b', port: 82 }));
    const handle = await reader(urls[kind](), service);
    await handle.ready({ minEndpoints: 2 });
    while (handle.pick().instance.id !== 'a') {}
    const inFlight = handle.pick();
    for (const status of ['draining', 'passing', 'maintenance', 'passing'] as const) {
      const seen = new Promise<void>((resolve) => {
        const end = handle.onChange(({ snapshot: { instances } }) => {
          if (instances.find(({ id }) => id === 'a')?.status === status) resolve(end());
        });
      });
      const began = performance.now();
      await registration.update({ ...a, status });
      await seen;
      // Consul's reader asks at most once a second, and waits for news for 55 s.
      expect(performance.now() - began).toBeLessThan(20_000);
      expect(picked(handle)).toEqual(status === 'passing' ? ['a', 'b'] : ['b']);
    }
    inFlight.done('ok', { latencyMs: 3 });
  });
});

describe('of two registries', () => {
  /** The same instances in both, as the sidecar registers them. */
  async function registerInBoth(service: string): Promise<readonly Registration[]> {
    const all: Registration[] = [];
    for (const url of [urls.consul(), urls.zookeeper()]) {
      const registry = await writer(url);
      for (const id of ['a', 'b']) {
        const port = id === 'a' ? 81 : 82;
        all.push(await registry.register(instanceOf({ service, id, port })));
      }
    }
    return all;
  }

  const both = () => [urls.consul(), urls.zookeeper()];

  test('merged, each instance is there once, and a drain in either counts', async () => {
    const service = freshService('merge');
    const [inConsul, , inZooKeeper] = (await registerInBoth(service)) as [
      Registration,
      unknown,
      Registration,
    ];
    const handle = await reader(both(), service);
    await handle.ready({ minEndpoints: 2 });
    await soon(() => expect(handle.state).toBe('fresh'));
    const a: Instance = inConsul.instance;
    for (const registration of [inConsul, inZooKeeper]) {
      await registration.update({ ...a, status: 'draining' });
      await soon(() => expect(picked(handle)).toEqual(['b']));
      await registration.update(a);
      await soon(() => expect(picked(handle)).toEqual(['a', 'b']));
    }
    expect(idsOf(handle)).toEqual(['a', 'b']);
  });

  test('the preferred one that dies keeps its list for 10 s, then the next one serves, until it is back', async () => {
    const service = freshService('prefer');
    const [, , inZooKeeper] = (await registerInBoth(service)) as [unknown, unknown, Registration];
    const { instance } = inZooKeeper;
    await inZooKeeper.update({ ...instance, endpoint: { ...instance.endpoint, port: 91 } });
    const handle = await reader(both(), service, { registries: 'prefer' });
    await handle.ready({ minEndpoints: 2 });
    const standing = () => [handle.state, handle.snapshot?.instances[0]?.endpoint.port];
    await soon(() => expect(standing()).toEqual(['fresh', 81]));
    const picks = pickingAllTheTime(handle);
    await consul.kill();
    await soon(() => expect(standing()).toEqual(['stale', 81]));
    await soon(() => expect(standing()).toEqual(['fresh', 91]));
    await consul.restart();
    await soon(() => expect(standing()).toEqual(['fresh', 81]));
    expect(picks.failed()).toBe(0);
  }, 90_000);
});

/** Counts the picks that found nothing until it is asked. */
function pickingAllTheTime(handle: ServiceHandle): { readonly failed: () => number } {
  let failures = 0;
  const timer = setInterval(() => {
    if (handle.tryPick() === undefined) failures++;
  }, 5);
  onTestFinished(() => clearInterval(timer));
  return { failed: () => failures };
}
