/** The formats of other software on a real etcd, in the contract suites as far as they can say what is asked of them. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { type RegistryHarness, readerContract, registryContract } from '../../registry/testing/index.js';
import { etcdPost, toBase64 } from '../etcd/support.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { publisherFor, startOwner } from './run-contract.js';

/** What these formats have no words for, and what their own tests or the suite of our own format prove as well. */
const LEFT_OUT = /drain|maintenance|whatever its status|restart of the server|1,000|killed owner is gone/;
/** It takes a whole TTL, and one format is enough. */
const TAKEOVER = /taken over/;

let server: RunningServer;

beforeAll(async () => {
  server = await startServer('etcd');
});

afterAll(() => server.stop());

describe.each(['kratos', 'etcd-naming'])('the format %s', (format) => {
  const isLeftOut = (name: string): boolean =>
    LEFT_OUT.test(name) || (format !== 'kratos' && TAKEOVER.test(name));
  const url = (): string => `etcd://${server.address}//tests/${format}?ttl=6s&format=${format}`;
  const publisher = publisherFor(url);
  const keyOf = (service: string, name: string): string => toBase64(`/tests/${format}/${service}/${name}`);
  const harness = (): RegistryHarness & { publish: typeof publisher.publish } => ({
    ttlMs: 9_000,
    open: () => openWritable(url()),
    publish: publisher.publish,
    startOwner: (instance) => startOwner(url(), instance),
    poison: async (service, name) => {
      await etcdPost(server.address, 'kv/put', { key: keyOf(service, name), value: toBase64('{"port": 1') });
    },
    spoil: async ({ service, id }) => {
      const spoilt = { key: keyOf(service, id), value: toBase64('{"port": 1'), ignore_lease: true };
      await etcdPost(server.address, 'kv/put', spoilt);
    },
    remove: async ({ service, id }) => {
      await etcdPost(server.address, 'kv/deleterange', { key: keyOf(service, id) });
    },
    restart: () => server.restart(),
  });

  afterAll(publisher.close);

  for (const { name, run } of [...readerContract, ...registryContract]) {
    if (!isLeftOut(name)) test(name, () => run(harness()), 60_000);
  }
});
