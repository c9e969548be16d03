/**
 * The ways to a list that are compared: pilotfish's watch, and the least that a program can do on a client alone. The
 * latter check nothing, heal nothing and keep no order.
 */
import type { WireClient } from '../registry/zookeeper/wire/client.js';
import { type Follow, followWithPilotfish, seen } from './following.js';
import type { OpenClient } from './zk-client.js';
import { openWire } from './zk-own.js';
import { pathOf, ROOT, servicePath } from './zookeeper-entries.js';

/** Nodes in one read of many. */
const CHUNK = 250;

export const followTheRoot: Follow = followWithPilotfish((address) => `zookeeper://${address}${ROOT}`);

/** One list and a read for each child, all of them sent at once; no watches. Tells one list. */
export function readOnce(openClient: OpenClient): Follow {
  return async (address, service, onList) => {
    const client = await openClient(address);
    const names = await client.children(servicePath(service));
    const weights = new Map<string, number>();
    const read = async (name: string): Promise<void> => {
      const data = await client.get(pathOf(service, name));
      if (data !== undefined) weights.set(name, weightIn(data));
    };
    await Promise.all(names.map(read));
    onList(seen(weights));
    return () => client.close();
  };
}

/** By one-shot watches: after a change of the list reads what is new in it, after a change of a child that child. */
export function follow(openClient: OpenClient): Follow {
  return async (address, service, onList) => {
    const client = await openClient(address);
    const weights = new Map<string, number>();
    const tell = (): void => onList(seen(weights));
    const read = async (name: string): Promise<void> => {
      const data = await client.get(pathOf(service, name), () => void read(name).then(tell));
      if (data !== undefined) weights.set(name, weightIn(data));
    };
    const list = async (): Promise<void> => {
      const names = await client.children(servicePath(service), () => void list());
      const present = new Set(names);
      for (const name of weights.keys()) if (!present.has(name)) weights.delete(name);
      await Promise.all(names.filter((name) => !weights.has(name)).map(read));
      tell();
    };
    await list();
    return () => client.close();
  };
}

/** One list, and reads of many nodes at once. Tells one list. */
export const readOnceByChunks: Follow = async (address, service, onList) => {
  const client = await openWire(address);
  const weights = new Map<string, number>();
  await readAll(client, service, weights);
  onList(seen(weights));
  return () => client.close();
};

/** By one watch on the service and all below it: after its event reads the child that it names. */
export const followByTree: Follow = async (address, service, onList) => {
  const client = await openWire(address);
  const weights = new Map<string, number>();
  const tell = (): void => onList(seen(weights));
  const above = servicePath(service).length + 1;
  await client.watchTree(servicePath(service), ({ path }) => {
    void readChunk(client, service, [path.slice(above)], weights).then(tell);
  });
  await readAll(client, service, weights);
  tell();
  return () => client.close();
};

async function readAll(client: WireClient, service: string, weights: Map<string, number>): Promise<void> {
  const { names } = await client.children(servicePath(service));
  const chunks: Promise<void>[] = [];
  for (let from = 0; from < names.length; from += CHUNK) {
    chunks.push(readChunk(client, service, names.slice(from, from + CHUNK), weights));
  }
  await Promise.all(chunks);
}

async function readChunk(
  client: WireClient,
  service: string,
  names: readonly string[],
  weights: Map<string, number>,
): Promise<void> {
  const nodes = await client.getMany(names.map((name) => pathOf(service, name)));
  for (const [at, name] of names.entries()) {
    const node = nodes[at];
    if (typeof node !== 'object') weights.delete(name);
    else weights.set(name, weightIn(node.data));
  }
}

function weightIn(data: Uint8Array): number {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  return (JSON.parse(text) as { readonly weight: number }).weight;
}
