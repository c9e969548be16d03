import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { type FormatName, loadFormat } from '../../registry/formats/index.js';
import { openWritable } from '../../registry/open.js';
import type { ReaderHarness, RegistryHarness } from '../../registry/testing/harness.js';
import { readerContract, registryContract } from '../../registry/testing/index.js';
import { connectClient } from '../helpers/zk.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { publisherFor, startOwner } from './run-contract.js';

/** What needs a list of instances that drain or are in maintenance, which these formats have no field for. */
const STATUS_IS_LISTED = [
  'an instance is listed whatever its status is, with the note that explains it',
  'an instance that drains or is in maintenance stays listed with its note, and returns to passing in place',
  'an instance that goes from draining to maintenance is never listed as passing between them',
  'an owner that takes over an instance in maintenance can make it passing',
  'the entry of an owner that was killed in maintenance is gone within its TTL',
];
/** What needs a field besides id and endpoint. */
const MORE_THAN_AN_ADDRESS = [
  ...STATUS_IS_LISTED,
  'every field of an instance arrives as it was written',
  'additions, updates and removals each arrive as a new whole list',
  'an update replaces the data in place, without a list that lacks the instance',
  'a warning instance stays listed, with its status',
  'an id left by a killed owner is taken over without ever leaving the list',
];
/** Of the session and not of the entries: proved in zookeeper.test.ts, and it would disturb the others that run beside it. */
const OF_THE_SESSION = ['a watch and a registration come through a restart of the server'];
/** Proved once, where an instance costs most: the members of a serverset have to be read to know whose they are. */
const PROVED_ONCE = [
  'the entry of a killed owner is gone within its TTL',
  'a list of 1,000 instances arrives whole',
  '1,000 registrations of one process live side by side',
];

/** What each format cannot keep of the contract, or need not prove. */
const EXCEPTIONS: readonly (readonly [format: FormatName, query: string, exceptions: readonly string[]])[] = [
  ['serverset', '', []],
  ['nerve', '', [...STATUS_IS_LISTED, ...PROVED_ONCE]],
  ['curator', '', [...MORE_THAN_AN_ADDRESS, ...PROVED_ONCE]],
  ['host-port', '&entryName=id', [...MORE_THAN_AN_ADDRESS, ...PROVED_ONCE]],
];

let server: RunningServer;

beforeAll(async () => {
  server = await startServer('zookeeper');
});

afterAll(() => server.stop());

describe.concurrent.each(EXCEPTIONS)('the format %s', (format, query, exceptions) => {
  const root = `/contract/${format}`;
  const url = (): string => `zookeeper://${server.address}${root}?sessionTimeout=4s&format=${format}${query}`;
  const publisher = publisherFor(url);
  afterAll(() => publisher.close());

  const harness: RegistryHarness & ReaderHarness = {
    ttlMs: 8_000,
    open: () => openWritable(url()),
    publish: publisher.publish,
    startOwner: (instance) => startOwner(url(), instance),
    restart: () => server.restart(),

    async poison(service, name) {
      await using client = await connectClient(server.address);
      await client.zk.create(`${root}/${service}/${name}`, Buffer.from('{"port": "eighty"'), 'persistent');
    },

    async spoil(instance) {
      await using client = await connectClient(server.address);
      for (const path of await pathsOf(client.zk, instance)) {
        await client.zk.set(path, Buffer.from('{"port": "eighty"'), -1);
      }
    },

    async remove(instance) {
      await using client = await connectClient(server.address);
      for (const path of await pathsOf(client.zk, instance)) await client.zk.delete(path, -1);
    },
  };

  async function pathsOf(
    zk: Awaited<ReturnType<typeof connectClient>>['zk'],
    { service, id }: Instance,
  ): Promise<string[]> {
    const { decode } = await loadFormat(format, { entryName: 'id' });
    const found: string[] = [];
    for (const name of (await zk.children(`${root}/${service}`)).names) {
      const path = `${root}/${service}/${name}`;
      const read = decode({ name, data: (await zk.get(path)).data }, service);
      if (read.ok && read.value.id === id) found.push(path);
    }
    return found;
  }

  const left = new Set([...exceptions, ...OF_THE_SESSION]);
  for (const { name, run } of [...readerContract, ...registryContract]) {
    if (!left.has(name)) test(name, () => run(harness), 90_000);
  }
});

test('every exception is a statement of the contract', () => {
  const names = new Set([...readerContract, ...registryContract].map(({ name }) => name));
  const exceptions = [...OF_THE_SESSION, ...EXCEPTIONS.flatMap(([, , each]) => each)];
  expect(exceptions.filter((each) => !names.has(each))).toEqual([]);
});
