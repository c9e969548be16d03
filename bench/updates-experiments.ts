/** What `updates.ts` asks of a contender, and what it gets. */
import type { PeerName } from './peer.js';

export type UpdatesPolicy =
  | 'round-robin'
  | 'random'
  | 'least loaded'
  | 'peak EWMA'
  | 'consistent hash'
  | 'subset of 20, round-robin';
export type UpdatesContender = UpdatesPolicy | PeerName;

export type UpdatesExperiment = 'change' | 'burst' | 'memory';

/** One endpoint joins. */
export interface ChangeRound {
  readonly milliseconds: number;
  readonly processorMs: number;
}

/** Many join and leave in a second, while picks go on. */
export interface BurstRound {
  /** Between two turns of the event loop. */
  readonly longestStallMs: number;
  /** The same in processor time, which leaves out when the process waited for a core. */
  readonly longestTurnMs: number;
  /** Of each pick by itself, the clock included. */
  readonly pickP99Us: number;
  /** From the last change to the first pick that knows of it. */
  readonly lastKnownMs: number;
  /** Of one core, in %. */
  readonly processor: number;
}

export interface MemoryRound {
  /** Heap and typed arrays. */
  readonly bytesPerEndpoint: number;
  /** Of these the list itself: instances as a registry sends them. Undefined for peers, which have no list apart. */
  readonly ofThemListed: number | undefined;
}

export interface UpdatesRounds {
  readonly change: ChangeRound;
  readonly burst: BurstRound;
  readonly memory: MemoryRound;
}
