/** The words that `zookeeper.ts` and its contenders share: who is compared, in what, with which result. */
import type { Traffic } from './zookeeper-wire.js';

/** Bare is the npm package `zookeeper` by itself; the native driver is pilotfish's on the same package. */
export const CONTENDERS = ['bare', 'pilotfish, native driver', 'pilotfish'] as const;
export type ZkContender = (typeof CONTENDERS)[number];

/** `list`: time to the first list. `change`: time until a change is known. `count`: the operations of both. */
export type Experiment = 'list' | 'change' | 'count';

export const CHANGES = ['create', 'set', 'delete'] as const;
export type Change = (typeof CHANGES)[number];

export interface ListRound {
  readonly ms: number;
  /** The longest time between two turns of the event loop. */
  readonly stallMs: number;
}

/** The latency of each change, in milliseconds. */
export type ChangeRound = Readonly<Record<Change, readonly number[]>>;

export type CountRound = Readonly<Record<Change | 'first', Traffic>>;
