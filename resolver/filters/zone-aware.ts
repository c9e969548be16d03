/**
 * The callers' own zone first, as far as it has the capacity (the idea of Envoy's zone-aware routing). A filter by zone
 * alone would send all callers of a zone to the one endpoint that is left in it; here what the zone cannot take spills
 * to the others, in proportion to what is missing.
 *
 * How much it can take follows from the list: a zone whose share of all weights equals its share of all callers can
 * serve its own callers as well as the whole fleet serves everybody.
 */
import type { Instance } from '../../registry/contract.js';
import { checkNumbers } from '../check-numbers.js';
import { effectiveWeight } from '../policies/weights.js';
import type { Policy } from '../policy.js';
import { narrowed, withWeight } from './narrowed.js';

export interface ZoneOptions {
  /** Where this caller runs, as instances name it. */
  readonly zone: string;
  /** Share of all callers that run in this zone, above 0. Default: as if every listed zone had equally many. */
  readonly callers?: number;
  /**
   * The share of the needed capacity that is enough to keep all requests in the zone, above 0 to 1. Default 0.7: its
   * endpoints then have at most 1 / 0.7 of the average load. Below it the rest spills.
   */
  readonly spillBelow?: number;
}

/**
 * `policy` on the endpoints of the zone, and on all others with what spills. Without an endpoint in the zone the others
 * take everything: never leaves nothing. An instance that names no zone is in none. Throws BAD_INPUT for shares outside
 * of their ranges.
 */
export function zoneAware({ zone, callers, spillBelow = 0.7 }: ZoneOptions, policy: Policy): Policy {
  checkNumbers({
    callers: { value: callers ?? 1, min: 0.001, max: 1 },
    spillBelow: { value: spillBelow, min: 0.001, max: 1 },
  });
  return narrowed(
    (candidates) => {
      const local = candidates.filter((instance) => instance.zone === zone);
      if (local.length === 0) return candidates;
      const need = callers ?? 1 / zonesOf(candidates);
      const kept = Math.min(1, capacityOf(local) / (need * capacityOf(candidates)) / spillBelow);
      return kept === 1 ? local : spilling(candidates, zone, kept);
    },
    policy,
    'zone-aware',
  );
}

/** At least one; all that name no zone count as one more. */
function zonesOf(candidates: readonly Instance[]): number {
  return new Set(candidates.map(({ zone }) => zone)).size;
}

/** Gives the zone the share `kept` of the whole weight, by weights of the others that are scaled to the rest. */
function spilling(candidates: readonly Instance[], zone: string, kept: number): readonly Instance[] {
  const isLocal = (instance: Instance): boolean => instance.zone === zone;
  const local = capacityOf(candidates.filter(isLocal));
  const others = capacityOf(candidates) - local;
  const factor = (local * (1 - kept)) / kept / others;
  return candidates.map((instance) =>
    withWeight(instance, effectiveWeight(instance) * (isLocal(instance) ? 1 : factor)),
  );
}

function capacityOf(instances: readonly Instance[]): number {
  return instances.reduce((sum, instance) => sum + effectiveWeight(instance), 0);
}
