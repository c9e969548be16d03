/** What updates and removals leave that were given up, cut off, or made by one of two that share a session. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Registration, Registry } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/harness.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { soon } from '../helpers/soon.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';

const ROOT = `/interrupted-${process.pid}`;
const NOTHING = Buffer.alloc(0);

let zk: WireClient;

beforeAll(async () => {
  ({ zk } = await connectClient(sharedServer('zookeeper')));
  await zk.create(ROOT, NOTHING, 'persistent');
});

afterAll(() => zk?.close());

/** An empty folder of the test's own, and the nodes in it with their data. */
async function folder() {
  const service = freshService('interrupted');
  const path = `${ROOT}/${service}`;
  await zk.create(path, NOTHING, 'persistent');
  const nodes = async (): Promise<readonly string[]> => {
    const { names } = await zk.children(path);
    const read = names.map(async (name) => Buffer.from((await zk.get(`${path}/${name}`)).data).toString());
    return Promise.all(read);
  };
  return { service, path, nodes };
}

async function opened(address: string, parameters: string): Promise<Registry> {
  const registry = await openWritable(`zookeeper://${address}${ROOT}?sessionTimeout=40s&${parameters}`);
  onTestFinished(() => registry.close());
  return registry;
}

async function proxied(): Promise<FaultProxy> {
  const proxy = await FaultProxy.start(sharedServer('zookeeper'));
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** Whether it is lost as far as is known by now. */
const lossOf = (registration: Registration): Promise<string> =>
  Promise.race([registration.lost, Promise.resolve('not lost')]);

describe.each(['pilotfish', 'curator', 'nerve'])('in the format %s', (format) => {
  test('an update that is given up at any moment is there, or undone by the next', async () => {
    const { service, nodes } = await folder();
    const registry = await opened(sharedServer('zookeeper'), `format=${format}`);
    const passing = instanceOf({ service, id: 'one' });
    const registration = await registry.register(passing);
    const [before] = await nodes();
    for (let moment = 0; moment < 10; moment++) {
      const abort = new AbortController();
      const draining = registration.update({ ...passing, status: 'draining' }, { signal: abort.signal });
      const attempt = draining.catch((error: Error) => expect(error).toBe(abort.signal.reason));
      setTimeout(() => abort.abort(new Error('healthy again')), moment / 2);
      await attempt;
      const isRepaired = (await registration.confirm()) === 'present' && registration.instance === passing;
      if (!isRepaired) await registration.update(passing);
      expect(await registration.confirm()).toBe('present');
      expect((await nodes()).length).toBe(1);
      if (format !== 'curator') expect(await nodes()).toEqual([before]);
    }
  });
});

describe('in a sequential format', () => {
  /** Handshake, create, children, and the watch on the node; then the look of the update, and what it writes. */
  test.each([
    ['creation of the new node', 6, 2],
    ['deletion of the old node', 8, 1],
  ])(
    'an update cut off before the reply to the %s is changed, not lost, and repaired',
    async (_, reply, left) => {
      const { service, nodes } = await folder();
      const proxy = await proxied();
      const lost = proxy.loseReply(reply);
      const registry = await opened(proxy.address, 'format=nerve');
      const passing = instanceOf({ service, id: 'one' });
      const warning = { ...passing, status: 'warning' } as const;
      const registration = await registry.register(passing);
      await expect(registration.update(warning)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await lost;
      expect((await nodes()).length).toBe(left);
      await registry.ping();
      expect(await registration.confirm()).toBe('changed');
      expect(await lossOf(registration)).toBe('not lost');
      await registration.update(registration.instance);
      expect(await registration.confirm()).toBe('present');
      expect(await nodes()).toHaveLength(1);
      await registration.close();
      expect(await nodes()).toEqual([]);
    },
  );
});

test('an update of a hidden registration leaves the entry that another process has put there since', async () => {
  const { service, nodes } = await folder();
  const mine = await opened(sharedServer('zookeeper'), 'format=curator');
  const theirs = await openWritable(`zookeeper://${sharedServer('zookeeper')}${ROOT}?format=curator`);
  onTestFinished(() => theirs.close());
  const draining = instanceOf({ service, id: 'one', status: 'draining' });
  const hidden = await mine.register(draining);
  const registration = await theirs.register(instanceOf({ service, id: 'one', port: 81 }));
  const before = await nodes();
  await hidden.update({ ...draining, note: 'still' });
  expect(await registration.confirm()).toBe('present');
  expect(await nodes()).toEqual(before);
});

/** A registration whose removal failed as its server was not there, beside another that keeps the session alive. */
async function refused() {
  const { service, nodes } = await folder();
  const proxy = await proxied();
  const registry = await opened(proxy.address, 'format=pilotfish');
  const instance = instanceOf({ service, id: 'one' });
  const registration = await registry.register(instance);
  const [entry] = await nodes();
  const other = await registry.register(instanceOf({ service, id: 'other', port: 81 }));
  proxy.refuse();
  await soon(() => expect(registry.state).toBe('suspended'));
  await expect(registration.close()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  return { registry, proxy, instance, entry, other, nodes };
}

describe('the node of a registration whose removal failed', () => {
  test('is removed as soon as the server answers, though the session lives on', async () => {
    const { registry, proxy, instance, entry, other, nodes } = await refused();
    const gone = registry.leftovers?.(instance);
    expect(gone).toBeDefined();
    expect(registry.leftovers?.(other.instance)).toBeUndefined();
    await proxy.heal();
    await gone;
    expect(await nodes()).not.toContain(entry);
    expect(await other.confirm()).toBe('present');
    expect(registry.leftovers?.(instance)).toBeUndefined();
  });

  test('stays when it is registered again meanwhile', async () => {
    const { registry, proxy, instance, nodes } = await refused();
    const gone = registry.leftovers?.(instance);
    await proxy.heal();
    const again = await registry.register(instance);
    await gone;
    expect(await again.confirm()).toBe('present');
    expect(await nodes()).toHaveLength(2);
  });
});

describe('of two registries that share a session, as the old and the new one at a reload', () => {
  test.each(['pilotfish', 'nerve'])('the old one leaves the entry of the new one: %s', async (format) => {
    const { service, nodes } = await folder();
    const address = sharedServer('zookeeper');
    const instance = instanceOf({ service, id: 'one' });
    const registry = await opened(address, `format=${format}`);
    const old = await registry.register(instance);
    const renewed = await (await opened(address, `format=${format}`)).register(instance);
    const before = await nodes();
    await old.close();
    await registry.close();
    expect(await renewed.confirm()).toBe('present');
    expect(await nodes()).toEqual(before);
    await renewed.close();
    expect(await nodes()).toEqual([]);
  });

  test('the old one cannot change the entry of the new one any more: it is taken', async () => {
    const { service } = await folder();
    const address = sharedServer('zookeeper');
    const instance = instanceOf({ service, id: 'one' });
    const old = await (await opened(address, 'format=pilotfish')).register(instance);
    const renewed = await (await opened(address, 'format=pilotfish')).register(instance);
    await expect(old.update({ ...instance, weight: 2 })).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await old.lost).toBe('taken');
    expect(await renewed.confirm()).toBe('present');
  });
});
