/**
 * The two ways to a list that are compared: pilotfish's watch, and the least that a program can do on the same driver.
 * The bare ways check nothing, heal nothing and keep no order.
 */
import { open } from '../registry/open.js';
import type { Closer } from '../runtime/close-stack.js';
import { BareSession, pathOf, ROOT } from './zookeeper-session.js';

/** The weight of an instance in a list; undefined when it is not in it. */
export type WeightOf = (id: string) => number | undefined;

/** Opens a session and tells every list from then on. The result ends it. */
export type Follow = (
  address: string,
  service: string,
  onList: (weightOf: WeightOf) => void,
) => Promise<Closer>;

/** @param driver as of the URL's parameter of that name. */
export function followWithPilotfish(driver: 'wire' | 'native'): Follow {
  return async (address, service, onList) => {
    const registry = await open(`zookeeper://${address}${ROOT}?driver=${driver}`);
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
}

/** One list and a read for each child, all of them sent at once; no watches. Tells one list. */
export const readOnce: Follow = async (address, service, onList) => {
  const session = await BareSession.open(address);
  const names = await session.children(`${ROOT}/${service}`);
  const weights = new Map<string, number>();
  const read = async (name: string): Promise<void> => {
    const data = await session.get(pathOf(service, name));
    if (data !== undefined) weights.set(name, weightIn(data));
  };
  await Promise.all(names.map(read));
  onList((id) => weights.get(id));
  return () => session.close();
};

/** After a change of the list reads what is new in it, after a change of a child that child. */
export const followBare: Follow = async (address, service, onList) => {
  const session = await BareSession.open(address);
  const weights = new Map<string, number>();
  const tell = (): void => onList((id) => weights.get(id));
  const read = async (name: string): Promise<void> => {
    const data = await session.get(pathOf(service, name), () => void read(name).then(tell));
    if (data !== undefined) weights.set(name, weightIn(data));
  };
  const list = async (): Promise<void> => {
    const names = await session.children(`${ROOT}/${service}`, () => void list());
    const present = new Set(names);
    for (const name of weights.keys()) if (!present.has(name)) weights.delete(name);
    await Promise.all(names.filter((name) => !weights.has(name)).map(read));
    tell();
  };
  await list();
  return () => session.close();
};

function weightIn(data: Buffer): number {
  return (JSON.parse(data.toString('utf8')) as { readonly weight: number }).weight;
}
