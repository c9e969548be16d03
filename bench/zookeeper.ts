/**
 * pilotfish on a real ZooKeeper, beside the two npm packages that people use: the list of a large service, the clients
 * by themselves, and their memory.
 */
import { randomUUID } from 'node:crypto';
import { startServer } from '../test/servers/start.js';
import { progress } from './progress.js';
import { openWire } from './zk-own.js';
import { benchClients, type ClientAmounts } from './zookeeper-clients.js';
import { fill, ROOT } from './zookeeper-entries.js';
import { type ListRows, measureLists, reportLists } from './zookeeper-lists.js';

interface Settings extends ClientAmounts {
  readonly sizes: readonly number[];
}

const FULL: Settings = { sizes: [1_000, 5_000, 10_000], rounds: 7, cycles: 10_000, watches: 100_000 };
const QUICK: Settings = { sizes: [1_000], rounds: 2, cycles: 1_000, watches: 2_000 };

/** Instances that are read, watched and changed one by one. */
const NODES = Array.from({ length: 100 }, (_, index) => `node-${index}`);
const NODES_SERVICE = 'nodes';

export async function benchZooKeeper({ quick }: { readonly quick: boolean }): Promise<void> {
  const settings = quick ? QUICK : FULL;
  progress('starting a ZooKeeper server');
  const server = await startServer('zookeeper');
  try {
    await createServices(server.address, settings.sizes);
    await benchLists(server.address, settings);
    await benchClients({ address: server.address, service: NODES_SERVICE, ids: NODES }, settings);
  } finally {
    await server.stop();
  }
}

async function createServices(address: string, sizes: readonly number[]): Promise<void> {
  progress(`creating services of ${sizes.join(', ')} children`);
  const writer = await openWire(address);
  await writer.create(ROOT, new Uint8Array(), 'persistent');
  await fill(writer, NODES_SERVICE, NODES);
  for (const size of sizes) {
    const ids = Array.from({ length: size }, () => randomUUID());
    await fill(writer, serviceOf(size), ids);
  }
  await writer.close();
}

/** The contenders follow the same service in turns, and only during their turn. */
async function benchLists(address: string, { sizes, rounds }: Settings): Promise<void> {
  const measured: ListRows[] = [];
  for (const children of sizes) {
    measured.push(await measureLists({ address, service: serviceOf(children), children }, rounds));
  }
  reportLists({
    lists: measured.flatMap(({ lists }) => lists),
    changes: measured.flatMap(({ changes }) => changes),
  });
}

function serviceOf(size: number): string {
  return `service-${size}`;
}
