/** The words that the ZooKeeper topic and its contenders share: who is compared, in what, with which result. */

/** What people use today: the two npm packages. */
export const PACKAGES = ['zookeeper', 'node-zookeeper-client'] as const;
export type Package = (typeof PACKAGES)[number];

/** Clients by themselves; the last is pilotfish's own. */
export const CLIENTS = [...PACKAGES, 'pilotfish client'] as const;
export type ClientName = (typeof CLIENTS)[number];

/** The last is the whole of pilotfish: `open(url).watch()`. */
export const LISTERS = [...CLIENTS, 'pilotfish'] as const;
export type Lister = (typeof LISTERS)[number];

export const CHANGES = ['create', 'set', 'delete'] as const;
export type Change = (typeof CHANGES)[number];

/** `gets`: reads in a second. `cycles` and `watches`: memory over many of them. */
export type ClientExperiment = 'gets' | 'cycles' | 'watches';

export interface GetsRound {
  /** Reads in a second, each sent when the one before was answered. */
  readonly sequential: number;
  /** The same, all sent at once. */
  readonly pipelined: number;
}

export interface Memory {
  /** Of the JavaScript heap, garbage collected. */
  readonly heapMiB: number;
  readonly residentMiB: number;
}

/** How far the work of a memory experiment is each time that memory is looked at. */
export const MEMORY_AFTER = [0.1, 0.5, 1] as const;

export interface MemoryRound {
  /** One for each of `MEMORY_AFTER`. */
  readonly memory: readonly Memory[];
  /** Of one piece of the work. */
  readonly ms: number;
}
