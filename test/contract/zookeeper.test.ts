import { afterAll, beforeAll, describe } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { connectClient } from '../helpers/zk.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { publisherFor, startOwner, testRegistryContract } from './run-contract.js';

describe.each(['wire', 'native'])('the %s driver', (driver) => {
  let server: RunningServer;
  const url = (): string => `zookeeper://${server.address}/contract/tests?sessionTimeout=2s&driver=${driver}`;
  const publisher = publisherFor(url);

  beforeAll(async () => {
    server = await startServer('zookeeper');
  });

  afterAll(async () => {
    await publisher.close();
    await server.stop();
  });

  testRegistryContract('zookeeper', () => ({
    ttlMs: 5_000,
    open: () => openWritable(url()),
    publish: publisher.publish,
    startOwner: (instance) => startOwner(url(), instance),

    async poison(service, name) {
      await using client = await connectClient(server.address);
      await client.zk.create(
        `/contract/tests/${service}/${name}`,
        Buffer.from('{"port": "eighty"'),
        'persistent',
      );
    },

    async remove({ service, id }) {
      await using client = await connectClient(server.address);
      await client.zk.delete(`/contract/tests/${service}/${id}`, -1);
    },

    restart: () => server.restart(),
  }));
});
