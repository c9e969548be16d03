/** Pickers in words. See `PickerDescription`. */
import type { Instance } from '../../registry/contract.js';
import type { PickerDescription } from '../policy.js';
import type { Load } from './load.js';

type Facts = Readonly<Record<string, number>>;

export function described(
  policy: string,
  rule: string,
  members: readonly Instance[],
  factsOf: (instance: Instance, at: number) => Facts = () => ({}),
): PickerDescription {
  const facts = members.map((instance, at) => [instance.id, factsOf(instance, at)] as const);
  return { policy, rule, members: Object.fromEntries(facts) };
}

/** @param more Facts beside what every counted load has. */
export function describedLoads<L extends Load>(
  policy: string,
  rule: string,
  loads: readonly L[],
  more: (load: L) => Facts = () => ({}),
): PickerDescription {
  const members = loads.map(({ instance }) => instance);
  return described(policy, rule, members, (_, at) => {
    const load = loads[at] as L;
    return { weight: load.weight, inFlight: load.inFlight, ...more(load) };
  });
}
