/**
 * The balancers that Node.js has besides ours, each over a list of its own making. They are called below their public
 * surface, because none offers a selection without a request; see docs/benchmarks.md for what is called of each.
 */
import type { Loop } from './pick-loops.js';

export const PEERS = [
  'grpc-js round_robin',
  'grpc-js weighted_round_robin',
  'undici BalancedPool',
  'moleculer RoundRobin',
  'moleculer Random',
] as const;
export type PeerName = (typeof PEERS)[number];

export interface Peer {
  /** Selections, and nothing of a request. */
  readonly loop: Loop;
  /** Endpoints more, and others less, by index. Selections after it know of it. */
  change(joining: readonly number[], leaving: readonly number[]): void;
}

/** @param weightOf For those that know weights. */
type Open = (count: number, weightOf: (index: number) => number) => Peer;

/** Each loads its package, and so does only the process that measures it. */
export const OPEN_PEER: Readonly<Record<PeerName, () => Promise<Open>>> = {
  'grpc-js round_robin': async () => (await import('./peer-grpc.js')).openRoundRobin,
  'grpc-js weighted_round_robin': async () => (await import('./peer-grpc.js')).openWeightedRoundRobin,
  'undici BalancedPool': async () => (await import('./peer-undici.js')).openBalancedPool,
  'moleculer RoundRobin': async () => (await import('./peer-moleculer.js')).openMoleculer('RoundRobin'),
  'moleculer Random': async () => (await import('./peer-moleculer.js')).openMoleculer('Random'),
};
