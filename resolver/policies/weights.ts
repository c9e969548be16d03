/** Weights as the policies see them. */
import type { Instance } from '../../registry/contract.js';

export interface Weighted {
  readonly weight: number;
}

/** The weight to choose by. One of weight 0 is a candidate only where nothing better is left, and then counts as 1. */
export function effectiveWeight({ weight }: Weighted): number {
  return weight || 1;
}

/** True when no weight differs from another, so that the plain form of a policy is exact. */
export function haveEqualWeights(candidates: readonly Weighted[]): boolean {
  const [first] = candidates;
  if (first === undefined) return true;
  const weight = effectiveWeight(first);
  // A loop, here and below: `every` is five times as slow on an array that is frozen, and lists are long.
  for (const each of candidates) if (effectiveWeight(each) !== weight) return false;
  return true;
}

/** The candidates of each weight, in the order in which the weights first appear. */
export function byWeight(candidates: readonly Instance[]): ReadonlyMap<number, readonly Instance[]> {
  const groups = new Map<number, Instance[]>();
  for (const instance of candidates) {
    const weight = effectiveWeight(instance);
    const group = groups.get(weight);
    if (group === undefined) groups.set(weight, [instance]);
    else group.push(instance);
  }
  return groups;
}

/**
 * Weight 0 and `draining` mean no new traffic. Where nothing else is left they are ignored: an endpoint that asks for
 * rest is better than none (the same reasoning as a panic threshold). One in `maintenance` is never used.
 */
export function eligible(instances: readonly Instance[]): readonly Instance[] {
  if (areWilling(instances)) return instances;
  const inService = instances.filter(({ status }) => status !== 'maintenance');
  const willing = inService.filter(isWilling);
  return willing.length > 0 ? willing : inService;
}

function areWilling(instances: readonly Instance[]): boolean {
  for (const instance of instances) if (!isWilling(instance)) return false;
  return true;
}

/** Whether an instance wants new traffic, which one that is about to leave does not. */
export function isWilling({ status, weight }: Instance): boolean {
  return weight > 0 && status !== 'draining' && status !== 'maintenance';
}
