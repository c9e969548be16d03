/** Weights as the policies see them. */
import type { Instance } from '../../registry/contract.js';

/** True when no weight differs from another, so that the plain form of a policy is exact. */
export function haveEqualWeights(candidates: readonly Instance[]): boolean {
  return candidates.every(({ weight }) => weight === candidates[0]?.weight);
}

/** The candidates of each weight, in the order in which the weights first appear. */
export function byWeight(candidates: readonly Instance[]): ReadonlyMap<number, readonly Instance[]> {
  const groups = new Map<number, Instance[]>();
  for (const instance of candidates) {
    const group = groups.get(instance.weight);
    if (group === undefined) groups.set(instance.weight, [instance]);
    else group.push(instance);
  }
  return groups;
}

/**
 * Weight 0 and `draining` mean no new traffic. Where nothing else is left they are ignored: an endpoint that asks for
 * rest is better than none (the same reasoning as a panic threshold). One in `maintenance` is never used.
 */
export function eligible(instances: readonly Instance[]): readonly Instance[] {
  const inService = instances.filter(({ status }) => status !== 'maintenance');
  const willing = inService.filter(({ status, weight }) => weight > 0 && status !== 'draining');
  return willing.length > 0 ? willing : inService;
}
