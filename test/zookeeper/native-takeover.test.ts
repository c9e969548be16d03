/** What a reader by the native driver makes of a takeover that is a deletion and a creation. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { encodeInstance } from '../../registry/formats/pilotfish.js';
import { open } from '../../registry/open.js';
import { freshService, idsOf, instanceOf } from '../../registry/testing/harness.js';
import { Watching } from '../../registry/testing/watching.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';

test('an id that is back in a moment is never missing, and one that is not is gone', async () => {
  const service = freshService('native-takeover');
  const root = `/native-takeover-${process.pid}`;
  const path = `${root}/${service}/one`;
  await using writer = await connectClient(sharedServer('zookeeper'));
  for (const parent of [root, `${root}/${service}`])
    await writer.zk.create(parent, Buffer.alloc(0), 'persistent');
  const create = (weight: number) =>
    writer.zk.create(path, encodeInstance(instanceOf({ service, id: 'one', weight })), 'ephemeral');
  await create(1);
  const registry = await open(`zookeeper://${sharedServer('zookeeper')}${root}?driver=native`);
  const watching = new Watching(registry, service);
  await watching.until('the entry', ({ instances }) => instances.length === 1);
  for (const weight of [2, 3, 4]) {
    await writer.zk.delete(path, -1);
    await delay(10);
    await create(weight);
    await watching.until(`weight ${weight}`, ({ instances }) => instances[0]?.weight === weight);
  }
  expect(watching.seen.map(idsOf)).not.toContainEqual([]);
  await writer.zk.delete(path, -1);
  await watching.until('nothing', ({ instances }) => instances.length === 0);
  await watching.close();
  await registry.close();
});
