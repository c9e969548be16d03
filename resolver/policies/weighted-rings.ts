/**
 * Weighted round-robin: one ring for each weight that occurs, and smooth turns among the rings by their total weight.
 * An endpoint is thereby always less than one pick away from its exact share, and the cost grows with the logarithm of
 * the number of different weights, of which a fleet has few, not with the number of endpoints.
 */
import type { Instance } from '../../registry/contract.js';
import { below, type Random } from '../../runtime/random.js';
import { type Pick, type Picker, sameEndpoint } from '../policy.js';
import { continueRing, type Ring } from './ring.js';
import { SmoothShares } from './smooth-shares.js';
import { byWeight } from './weights.js';

/** A new client skips up to so many turns, so that a fleet of clients does not begin with the heaviest endpoint. */
const START_SPREAD = 4096;

export class WeightedRings implements Picker {
  readonly rings: readonly Ring[];
  readonly #shares: SmoothShares;

  constructor(rings: readonly Ring[], shares: SmoothShares) {
    this.rings = rings;
    this.#shares = shares;
  }

  pick(): Pick {
    return (this.rings[this.#shares.next()] as Ring).pick();
  }

  /** How many picks each member of a ring is behind its share, on average. */
  lagOfMember(ring: number): number {
    return this.#shares.lag(ring) / (this.rings[ring] as Ring).size;
  }
}

/** @param previous The rings that picked before, and the weighted form they had, if they had one. */
export function weightedRings(
  candidates: readonly Instance[],
  previous: { readonly rings: readonly Ring[]; readonly weighted: WeightedRings | undefined },
  random: Random,
): WeightedRings {
  const rings = [...byWeight(candidates)].map(([weight, members]) =>
    continueRing(
      members,
      previous.rings.find((ring) => ring.weight === weight),
      random,
    ),
  );
  const weights = rings.map((ring) => ring.weight * ring.size);
  if (previous.weighted !== undefined) {
    return new WeightedRings(rings, new SmoothShares(weights, inheritedLags(rings, previous.weighted)));
  }
  const shares = new SmoothShares(weights);
  for (let skip = below(random, START_SPREAD + 2 * rings.length); skip > 0; skip--) shares.next();
  return new WeightedRings(rings, shares);
}

/** What each new ring is owed: the sum of what its members were owed wherever they were before. */
function inheritedLags(rings: readonly Ring[], previous: WeightedRings): number[] {
  const known = new Map<string, { readonly instance: Instance; readonly lag: number }>();
  previous.rings.forEach((ring, index) => {
    const lag = previous.lagOfMember(index);
    for (const instance of ring.upcoming()) known.set(instance.id, { instance, lag });
  });
  return rings.map((ring) =>
    ring.upcoming().reduce((total, instance) => {
      const before = known.get(instance.id);
      return before !== undefined && sameEndpoint(before.instance, instance) ? total + before.lag : total;
    }, 0),
  );
}
