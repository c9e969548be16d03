/**
 * A filter is a policy round another policy: it decides which candidates that one sees, and with which weights. What it
 * builds *is* the inner policy's picker, so a filter costs nothing per pick and the inner state passes through it.
 */
import type { Instance } from '../../registry/contract.js';
import { described } from '../policies/described.js';
import type { Picker, PickerDescription, Policy } from '../policy.js';

/** What is left of the candidates, in their order. */
export type Narrow = (candidates: readonly Instance[]) => readonly Instance[];

/** Stands for an empty choice, and keeps what the inner policy knew for when there is something again. */
class PicksNothing implements Picker {
  readonly previous: Picker | undefined;

  constructor(previous: Picker | undefined) {
    this.previous = previous;
  }

  pick(): undefined {}

  describe(): PickerDescription {
    return described('nothing', 'the filter leaves nobody', []);
  }
}

/**
 * `policy` on what `narrow` leaves; undefined is picked where that is nothing.
 *
 * @param filter What it is called in explanations.
 */
export function narrowed(narrow: Narrow, policy: Policy, filter: string): Policy {
  return {
    leftOut(candidates) {
      const left = narrow(candidates);
      const ids = new Set(left.map(({ id }) => id));
      const out = candidates.filter(({ id }) => !ids.has(id)).map(({ id }) => [id, filter] as const);
      return { ...Object.fromEntries(out), ...leftOutBy(policy, left) };
    },
    build(candidates, previous, context) {
      const former = previous instanceof PicksNothing ? previous.previous : previous;
      const left = narrow(candidates);
      return left.length === 0 ? new PicksNothing(former) : policy.build(left, former, context);
    },
  };
}

/** Who of the candidates the filters of a policy leave out, by id; nobody where it is none. */
export function leftOutBy(policy: Policy, candidates: readonly Instance[]): Readonly<Record<string, string>> {
  return candidates.length === 0 ? {} : (policy.leftOut?.(candidates) ?? {});
}

/** The same endpoint with another weight. */
export function withWeight(instance: Instance, weight: number): Instance {
  return weight === instance.weight ? instance : Object.freeze({ ...instance, weight });
}
