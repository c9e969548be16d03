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

/** `policy` on what `narrow` leaves; undefined is picked where that is nothing. */
export function narrowed(narrow: Narrow, policy: Policy): Policy {
  return {
    build(candidates, previous, context) {
      const former = previous instanceof PicksNothing ? previous.previous : previous;
      const left = narrow(candidates);
      return left.length === 0 ? new PicksNothing(former) : policy.build(left, former, context);
    },
  };
}

/** The same endpoint with another weight. */
export function withWeight(instance: Instance, weight: number): Instance {
  return weight === instance.weight ? instance : Object.freeze({ ...instance, weight });
}
