/** What a long list takes of memory beyond a short one, for each endpoint: on the heap and in typed arrays. */
import { setFlagsFromString } from 'node:v8';
import { exposedGc } from './garbage.js';
import type { ListRegistry } from './list-registry.js';
import { isPeer, listOf, openOurs, openPeer } from './updates-balanced.js';
import type { MemoryRound, UpdatesContender } from './updates-experiments.js';

const FEW = 10;
/** Of garbage: what one frees may let the next free more. */
const COLLECTIONS = 5;
const collect = exposedGc();
// Otherwise each collection also frees what code was compiled to that has not run for a while.
setFlagsFromString('--no-flush-bytecode');

export async function memoryRound(name: UpdatesContender, size: number): Promise<MemoryRound> {
  const held: unknown[] = [];
  const few = await memoryOf(name, FEW, held);
  const many = await memoryOf(name, size, held);
  const perEndpoint = (short: number, long: number): number => (long - short) / (size - FEW);
  return {
    bytesPerEndpoint: perEndpoint(few.all, many.all),
    ofThemListed: isPeer(name) ? undefined : perEndpoint(few.listed, many.listed),
  };
}

interface Memory {
  /** The list as a registry sends it, by itself. */
  readonly listed: number;
  readonly all: number;
}

/** @param held Where all that is built stays, so that none of it is collected. */
async function memoryOf(name: UpdatesContender, size: number, held: unknown[]): Promise<Memory> {
  const before = await settledBytes();
  if (isPeer(name)) {
    held.push(await openPeer(name, size));
    return { listed: 0, all: (await settledBytes()) - before };
  }
  const registry: ListRegistry = listOf(size);
  const listed = (await settledBytes()) - before;
  held.push(registry, await openOurs(name, registry));
  return { listed, all: (await settledBytes()) - before };
}

async function settledBytes(): Promise<number> {
  for (let time = 0; time < COLLECTIONS; time++) {
    collect();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
