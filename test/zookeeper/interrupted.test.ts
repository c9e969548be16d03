/** What an update or a removal leaves that was given up or cut off, so that nobody knows what took effect. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Registration, Registry } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/harness.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
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
  const registry = await openWritable(`zookeeper://${address}${ROOT}?sessionTimeout=30s&${parameters}`);
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
