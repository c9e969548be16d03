/**
 * A few endpoints for each client, so that a large fleet of callers does not hold a connection to every instance. Chosen
 * by rendezvous (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998): each client ranks all
 * endpoints by a hash of both, and keeps the best. When one leaves, only its place is filled anew; when one joins, it
 * takes one place at most. Weights do not matter to the ranking, so that they may change without any reconnection.
 */
import { randomUUID } from 'node:crypto';
import type { Instance } from '../../registry/contract.js';
import { checkNumbers } from '../check-numbers.js';
import { hashText } from '../policies/hash.js';
import type { Policy } from '../policy.js';
import { narrowed } from './narrowed.js';

const LEADING_BITS = 12;

export interface SubsetOptions {
  /** How many endpoints. All of them while there are no more than that. */
  readonly size: number;
  /** What tells this client from the others; the same one chooses the same endpoints. Default: a random one. */
  readonly clientId?: string;
}

/**
 * `policy` on the client's own subset; never leaves nothing. Over many clients each endpoint is in about equally many
 * subsets, by chance: with c clients it is in c * size / n of them, give or take the root of that. Throws BAD_INPUT for
 * a size below 1.
 */
export function subset({ size, clientId = randomUUID() }: SubsetOptions, policy: Policy): Policy {
  checkNumbers({ size: { value: size, min: 1, max: Number.MAX_SAFE_INTEGER } });
  const client = hashText(clientId);
  return narrowed(
    (candidates) => {
      if (candidates.length <= size) return candidates;
      const ranks = ranksOf(candidates, client);
      const last = smallest(ranks, Math.floor(size));
      const chosen: Instance[] = [];
      for (let at = 0; at < ranks.length; at++) {
        if ((ranks[at] as number) <= last) chosen.push(candidates[at] as Instance);
      }
      return chosen;
    },
    policy,
    'subset',
  );
}

function ranksOf(candidates: readonly Instance[], client: number): Uint32Array {
  const ranks = new Uint32Array(candidates.length);
  for (let at = 0; at < ranks.length; at++) ranks[at] = hashText((candidates[at] as Instance).id, client);
  return ranks;
}

/** The rank that so many do not exceed. Linear: only those with the same leading bits as it are sorted, which are few. */
function smallest(ranks: Uint32Array, count: number): number {
  const counts = new Uint32Array(2 ** LEADING_BITS);
  for (const rank of ranks) counts[leading(rank)] = (counts[leading(rank)] as number) + 1;
  let bits = 0;
  let below = 0;
  while (below + (counts[bits] as number) < count) below += counts[bits++] as number;
  const near = ranks.filter((rank) => leading(rank) === bits).sort();
  return near[count - below - 1] as number;
}

function leading(rank: number): number {
  return rank >>> (32 - LEADING_BITS);
}
