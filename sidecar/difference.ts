/** What a reload has to do: which instances come, go, or stay with another plan. A pure function. */
import { isDeepStrictEqual } from 'node:util';
import { sameInstance } from '../registry/instance.js';
import type { ServicePlan } from './plan.js';

export interface Difference {
  readonly added: readonly ServicePlan[];
  /** The keys of those that are planned no more. */
  readonly removed: readonly string[];
  readonly changed: readonly ServicePlan[];
  readonly unchanged: readonly string[];
}

/** What an instance is, across all plans: its service and its id. */
export function keyOf({ instance }: Pick<ServicePlan, 'instance'>): string {
  return `${instance.service}/${instance.id}`;
}

export function differenceOf(present: readonly ServicePlan[], next: readonly ServicePlan[]): Difference {
  const before = new Map(present.map((plan) => [keyOf(plan), plan]));
  const after = new Set(next.map(keyOf));
  const isKnown = (plan: ServicePlan): boolean => before.has(keyOf(plan));
  const isSame = (plan: ServicePlan): boolean => samePlan(before.get(keyOf(plan)) as ServicePlan, plan);
  return {
    added: next.filter((plan) => !isKnown(plan)),
    removed: [...before.keys()].filter((key) => !after.has(key)),
    changed: next.filter((plan) => isKnown(plan) && !isSame(plan)),
    unchanged: next.filter((plan) => isKnown(plan) && isSame(plan)).map(keyOf),
  };
}

/** Whether the probes of one do for the other. Their authorities may have been replaced in a file of the same name. */
export function sameProbes(a: ServicePlan, b: ServicePlan): boolean {
  const whole = ({ config, probes }: ServicePlan) => [
    ...[config.probes, config.require],
    probes.map(({ probe }) => probe.authorities),
  ];
  return isDeepStrictEqual(whole(a), whole(b));
}

/** The address of an instance may be a detected one, so that the configuration alone does not tell. */
function samePlan(a: ServicePlan, b: ServicePlan): boolean {
  return (
    sameInstance(a.instance, b.instance) &&
    a.heartbeatSecret === b.heartbeatSecret &&
    sameProbes(a, b) &&
    isDeepStrictEqual(a.config, b.config)
  );
}
