/**
 * A policy of your own: one endpoint does all the work until it fails, then the next one does. For a service whose
 * instances are one leader and its standbys. Give it to `connect` or `service` like any other, with filters round it:
 *
 *     const discovery = await connect('local:', { policy: slowStart({}, activeStandby()) });
 */
import type { Instance, Pick, Picker, Policy } from 'pilotfish';
import { sameEndpoint } from 'pilotfish';

class ActiveStandby implements Picker {
  readonly #picks: readonly Pick[];
  #active: number;

  constructor(candidates: readonly Instance[], former: Instance | undefined) {
    this.#picks = candidates.map((instance, at) => ({
      instance,
      endpoint: instance.endpoint,
      done: (outcome) => {
        if (outcome === 'error' && at === this.#active) this.#active = (at + 1) % candidates.length;
      },
    }));
    const stayed = candidates.findIndex((each) => former !== undefined && sameEndpoint(each, former));
    this.#active = Math.max(stayed, 0);
  }

  pick(): Pick {
    return this.#picks[this.#active] as Pick;
  }
}

export function activeStandby(): Policy {
  return {
    build: (candidates, previous) =>
      new ActiveStandby(candidates, previous instanceof ActiveStandby ? previous.pick().instance : undefined),
  };
}
