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

export function preparedPicks(candidates: readonly Instance[]): readonly Pick[] {
  return candidates.map((instance) => new PreparedPick(instance));
}
