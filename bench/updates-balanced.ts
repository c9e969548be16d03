/** The contenders of `updates.ts`: a list, whoever balances over it, and how it is changed. */
import {
  consistentHash,
  leastLoaded,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  subset,
} from '../resolver/index.js';
import { equal, instances } from './endpoints.js';
import { ListRegistry, openHandle } from './list-registry.js';
import { OPEN_PEER, PEERS, type PeerName } from './peer.js';
import { handleLoop, keyedLoop, type Loop } from './pick-loops.js';
import type { UpdatesContender, UpdatesPolicy } from './updates-experiments.js';

export interface Balanced {
  readonly loop: Loop;
  /** Prepares a change of the list, as a registry does. @returns Sends it. */
  change(joining: readonly number[], leaving: readonly number[]): () => void;
  /** Whether picks know of all changes. */
  isCurrent(): boolean;
  /** The indexes that join and leave next, so that all joins are new and the list stays as long as it is. */
  joins: number;
  leaves: number;
}

const POLICIES: Readonly<Record<UpdatesPolicy, Policy>> = {
  'round-robin': roundRobin(),
  random: random(),
  'least loaded': leastLoaded(),
  'peak EWMA': peakEwma(),
  'consistent hash': consistentHash(),
  'subset of 20, round-robin': subset({ size: 20, clientId: 'bench' }, roundRobin()),
};

export function isPeer(name: UpdatesContender): name is PeerName {
  return (PEERS as readonly string[]).includes(name);
}

export async function openBalanced(name: UpdatesContender, size: number): Promise<Balanced> {
  return isPeer(name) ? openPeer(name, size) : openOurs(name, listOf(size));
}

/** As a registry sends it. */
export function listOf(size: number): ListRegistry {
  return new ListRegistry(instances(size));
}

export async function openOurs(name: UpdatesPolicy, registry: ListRegistry): Promise<Balanced> {
  const handle = await openHandle(registry, POLICIES[name]);
  return {
    loop: name === 'consistent hash' ? keyedLoop(handle) : handleLoop(handle),
    change(joining, leaving) {
      const snapshot = registry.next(joining, leaving);
      return () => registry.send(snapshot);
    },
    isCurrent: () => handle.snapshot?.revision === registry.revision,
    joins: registry.size,
    leaves: 0,
  };
}

export async function openPeer(name: PeerName, size: number): Promise<Balanced> {
  const { loop, change } = (await OPEN_PEER[name]())(size, equal);
  return {
    loop,
    change: (joining, leaving) => () => change(joining, leaving),
    isCurrent: () => true,
    joins: size,
    leaves: 0,
  };
}
