/** Priorities: primaries while there are enough of them, then backups as well (Envoy's priority levels, by count). */
import type { Instance } from '../../registry/contract.js';
import { checkNumbers } from '../check-numbers.js';
import type { Policy } from '../policy.js';
import { type Match, matches } from './match.js';
import { narrowed } from './narrowed.js';

export interface TierOptions {
  /** The tiers in order, the best one first. What matches none of them is one more tier at the end. */
  readonly order: readonly Match[];
  /** How many endpoints are enough: with fewer the next tier joins in. Default 1. */
  readonly minEndpoints?: number;
}

/**
 * `policy` among the best tiers that together have enough endpoints. Never leaves nothing. Throws BAD_INPUT for a
 * `minEndpoints` below 1.
 */
export function tiers({ order, minEndpoints = 1 }: TierOptions, policy: Policy): Policy {
  checkNumbers({ minEndpoints: { value: minEndpoints, min: 1, max: Number.MAX_SAFE_INTEGER } });
  const tierOf = (instance: Instance): number => {
    const tier = order.findIndex((match) => matches(instance, match));
    return tier === -1 ? order.length : tier;
  };
  return narrowed(
    (candidates) => {
      const ranks = candidates.map(tierOf);
      const worst = ranks.toSorted((a, b) => a - b)[Math.min(minEndpoints, ranks.length) - 1] as number;
      return candidates.filter((_, at) => (ranks[at] as number) <= worst);
    },
    policy,
    'tiers',
  );
}
