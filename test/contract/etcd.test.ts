/** etcd in the contract suites, on a real member. */
import { afterAll, beforeAll } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { etcdPost, toBase64 } from '../etcd/support.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { publisherFor, startOwner, testRegistryContract } from './run-contract.js';

let server: RunningServer;
const url = (): string => `etcd://${server.address}/contract/tests?ttl=6s`;
const publisher = publisherFor(url);

beforeAll(async () => {
  server = await startServer('etcd');
});

afterAll(async () => {
  await publisher.close();
  await server.stop();
});

const keyOf = (service: string, name: string): string => toBase64(`contract/tests/${service}/${name}`);

testRegistryContract('etcd', () => ({
  ttlMs: 9_000,
  open: () => openWritable(url()),
  publish: publisher.publish,
  startOwner: (instance) => startOwner(url(), instance),

  async poison(service, name) {
    await etcdPost(server.address, 'kv/put', {
      key: keyOf(service, name),
      value: toBase64('{"port": "eighty"'),
    });
  },

  async spoil({ service, id }) {
    await etcdPost(server.address, 'kv/put', {
      key: keyOf(service, id),
      value: toBase64('{"port": "eighty"'),
      ignore_lease: true,
    });
  },

  async remove({ service, id }) {
    await etcdPost(server.address, 'kv/deleterange', { key: keyOf(service, id) });
  },

  restart: () => server.restart(),
}));
