/** What follows a list in the benchmarks of lists: pilotfish's watch, on whatever registry. */
import { open } from '../registry/open.js';
import type { Closer } from '../runtime/close-stack.js';

/** A list as the benchmarks look at it. */
export interface SeenList {
  readonly size: number;
  /** The weight of an instance; undefined when it is not in the list. */
  readonly weightOf: (id: string) => number | undefined;
}

/** Of a list that is kept as a weight for each id. */
export function seen(weights: ReadonlyMap<string, number>): SeenList {
  return { size: weights.size, weightOf: (id) => weights.get(id) };
}

/** Connects and tells every list from then on. The result ends it. */
export type Follow = (address: string, service: string, onList: (list: SeenList) => void) => Promise<Closer>;

/** @param urlOf the registry at an address */
export function followWithPilotfish(urlOf: (address: string) => string): Follow {
  return async (address, service, onList) => {
    const registry = await open(urlOf(address));
    const stop = new AbortController();
    const follow = async (): Promise<void> => {
      for await (const { instances } of registry.watch(service, { signal: stop.signal })) {
        const weightOf: SeenList['weightOf'] = (id) => instances.find((one) => one.id === id)?.weight;
        onList({ size: instances.length, weightOf });
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
