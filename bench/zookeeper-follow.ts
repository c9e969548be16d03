/**
 * The two ways to a list that are compared: pilotfish's watch, and the least that a program can do on the same driver.
 * The bare ways check nothing, heal nothing and keep no order.
 */
import { open } from '../registry/open.js';
import { isZkError } from '../registry/zookeeper/driver.js';
import type { Closer } from '../runtime/close-stack.js';
import { openSession, pathOf, ROOT } from './zookeeper-session.js';

/** The weight of an instance in a list; undefined when it is not in it. */
export type WeightOf = (id: string) => number | undefined;

/** Opens a session and tells every list from then on. The result ends it. */
export type Follow = (
  address: string,
  service: string,
  onList: (weightOf: WeightOf) => void,
) => Promise<Closer>;

export const followWithPilotfish: Follow = async (address, service, onList) => {
  const registry = await open(`zookeeper://${address}${ROOT}`);
  const stop = new AbortController();
  const follow = async (): Promise<void> => {
    for await (const { instances } of registry.watch(service, { signal: stop.signal })) {
      onList((id) => instances.find((instance) => instance.id === id)?.weight);
    }
  };
  const ended = follow();
  return async () => {
    stop.abort();
    await ended;
    await registry.close();
  };
};

/** One list and a read for each child, all of them sent at once; no watches. Tells one list. */
export const readOnce: Follow = async (address, service, onList) => {
  const session = await openSession(address);
  const { names } = await session.children(`${ROOT}/${service}`);
  const weights = new Map<string, number>();
  const read = async (name: string): Promise<void> => {
    weights.set(name, weightIn((await session.get(pathOf(service, name))).data));
  };
  await Promise.all(names.map(read));
  onList((id) => weights.get(id));
  return () => session.close();
};

/** After a change of the list reads what is new in it, after a change of a child that child. */
export const followBare: Follow = async (address, service, onList) => {
  const session = await openSession(address);
  const weights = new Map<string, number>();
  const tell = (): void => onList((id) => weights.get(id));
  const read = async (name: string): Promise<void> => {
    try {
      const { data } = await session.get(pathOf(service, name), () => void read(name).then(tell));
      weights.set(name, weightIn(data));
    } catch (error) {
      if (!isZkError(error, 'NO_NODE')) throw error;
    }
  };
  const list = async (): Promise<void> => {
    const { names } = await session.children(`${ROOT}/${service}`, () => void list());
    const present = new Set(names);
    for (const name of weights.keys()) if (!present.has(name)) weights.delete(name);
    await Promise.all(names.filter((name) => !weights.has(name)).map(read));
    tell();
  };
  await list();
  return () => session.close();
};

function weightIn(data: Uint8Array): number {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  return (JSON.parse(text) as { readonly weight: number }).weight;
}
