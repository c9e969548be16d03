/**
 * Round-robin: every endpoint in turn, in proportion to its weight. The default: it needs no feedback and spreads
 * equal requests over equal endpoints perfectly. Where requests or endpoints differ much in cost, a policy that looks
 * at the load does better.
 */
import { fraction, type Random } from '../../runtime/random.js';
import type { Picker, Policy } from '../policy.js';
import { continueRing, Ring } from './ring.js';
import { type FormerRings, WeightedRings, weightedRings } from './weighted-rings.js';
import { haveEqualWeights } from './weights.js';

const policy: Policy = {
  build(candidates, previous, { random }) {
    const former = formerRings(previous, random);
    return haveEqualWeights(candidates)
      ? continueRing(candidates, largest(former.rings), random)
      : weightedRings(candidates, former, random);
  },
};

/**
 * Plain when all weights are equal, smoothly weighted otherwise and exact in every cycle: each endpoint then has its
 * weight in picks, give or take one. O(1), on average where it is weighted. Keeps its place by endpoint identity when
 * the list changes, starts at a random place in each client, and allocates nothing per pick.
 */
export function roundRobin(): Policy {
  return policy;
}

/** A plain ring knows no virtual time, so its next turn may be anywhere in its stride. */
function formerRings(previous: Picker | undefined, random: Random): FormerRings {
  if (previous instanceof WeightedRings) return { rings: previous.rings, phases: previous.phases() };
  if (previous instanceof Ring) return { rings: [previous], phases: [fraction(random)] };
  return { rings: [], phases: [] };
}

function largest([first, ...others]: readonly Ring[]): Ring | undefined {
  return others.reduce((best, ring) => (best !== undefined && best.size >= ring.size ? best : ring), first);
}
