import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { connectClient } from '../helpers/zk.js';
import { DRIVERS, NATIVE_BUILDS } from '../helpers/zk-drivers.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { publisherFor, startOwner, testRegistryContract } from './run-contract.js';

describe.each(DRIVERS)('the %s driver', (driver) => {
  let server: RunningServer;
  const url = (): string => `zookeeper://${server.address}/contract/tests?sessionTimeout=5s&driver=${driver}`;
  const publisher = publisherFor(url);

  beforeAll(async () => {
    server = await startServer('zookeeper');
  });

  afterAll(async () => {
    await publisher.close();
    await server.stop();
  });

  testRegistryContract('zookeeper', () => ({
    ttlMs: 9_000,
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

    async spoil({ service, id }) {
      await using client = await connectClient(server.address);
      await client.zk.set(`/contract/tests/${service}/${id}`, Buffer.from('{"port": "eighty"'), -1);
    },

    async remove({ service, id }) {
      await using client = await connectClient(server.address);
      await client.zk.delete(`/contract/tests/${service}/${id}`, -1);
    },

    restart: () => server.restart(),
  }));
});

if (!NATIVE_BUILDS) {
  test(`the native driver cannot be had on Node ${process.version}, and asking for it says why`, async () => {
    const message = expect.stringContaining('Node 20 to 24');
    await expect(openWritable('zookeeper://127.0.0.1:9?driver=native')).rejects.toMatchObject({
      code: 'DRIVER_MISSING',
      message,
    });
  });
}
