import { expect, onTestFinished, test } from 'vitest';
import type { RegistryState } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, idsOf, instanceOf } from '../../registry/testing/harness.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { soon } from '../helpers/soon.js';
import { sharedServer } from '../servers/index.js';

const ROOT = `/reader-${process.pid}`;

test('a list whose connection broke and came back while its consumer was busy ends, as events were lost', async () => {
  const service = freshService('reader');
  const proxy = await FaultProxy.start(sharedServer('zookeeper'));
  const writer = await openWritable(`zookeeper://${sharedServer('zookeeper')}${ROOT}`);
  const reader = await openWritable(`zookeeper://${proxy.address}${ROOT}?sessionTimeout=40s`);
  onTestFinished(async () => {
    await Promise.all([reader.close(), writer.close()]);
    await proxy[Symbol.asyncDispose]();
  });
  const registration = await writer.register(instanceOf({ service, id: 'one' }));
  const lists = reader.watch(service)[Symbol.asyncIterator]();
  expect(idsOf((await lists.next()).value)).toEqual(['one']);
  const states: RegistryState[] = [];
  reader.onState((state) => states.push(state));
  proxy.refuse();
  await soon(() => expect(states).toEqual(['suspended']));
  await registration.close();
  await proxy.heal();
  await soon(() => expect(states).toEqual(['suspended', 'connected']));
  await expect(lists.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
