/** One policy at work on one list: holds the picker of the moment and replaces it when the list changes. */
import type { Instance } from '../registry/contract.js';
import type { Picker, Policy, PolicyContext } from './policy.js';

const PICKS_NOTHING: Picker = { pick: () => undefined };

export class Balancer {
  /** The picker for the current list. Public and plain, because every pick reads it. */
  picker: Picker = PICKS_NOTHING;
  readonly #policy: Policy;
  readonly #context: PolicyContext;
  /** Kept while the list is empty, so that what it knows survives a flap. */
  #previous: Picker | undefined;

  constructor(policy: Policy, context: PolicyContext) {
    this.#policy = policy;
    this.#context = context;
  }

  /** @param candidates Those that may be picked, see `eligible`. */
  rebuild(candidates: readonly Instance[]): void {
    if (candidates.length === 0) {
      this.picker = PICKS_NOTHING;
      return;
    }
    this.picker = this.#policy.build(candidates, this.#previous, this.#context);
    this.#previous = this.picker;
  }
}
