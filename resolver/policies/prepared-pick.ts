/** A pick made once per endpoint and handed out again and again, for policies that learn nothing from `done`. */
import type { Endpoint, Instance } from '../../registry/contract.js';
import type { Pick } from '../policy.js';

class PreparedPick implements Pick {
  readonly instance: Instance;
  readonly endpoint: Endpoint;

  constructor(instance: Instance) {
    this.instance = instance;
    this.endpoint = instance.endpoint;
    Object.freeze(this);
  }

  done(): void {}
}

/** @param former Those of the list before, of which the ones for the same instances are taken over. */
export function preparedPicks(
  candidates: readonly Instance[],
  former: readonly Pick[] = [],
): readonly Pick[] {
  let old = 0;
  return candidates.map((instance) => {
    while (old < former.length && isBefore((former[old] as Pick).instance, instance)) old++;
    const pick = former[old];
    return pick?.instance === instance ? pick : new PreparedPick(instance);
  });
}

function isBefore(former: Instance, instance: Instance): boolean {
  return former !== instance && former.id < instance.id;
}
