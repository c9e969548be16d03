/**
 * Least loaded of two: draws two endpoints and takes the one with fewer requests in flight for its weight
 * (Mitzenmacher 2001; the default of Finagle). Needs no measurement of time, so it cannot be fooled by one. An endpoint
 * that hangs keeps its requests in flight and so loses every comparison; one that answers fast has room again at once.
 */
import type { Instance } from '../../registry/contract.js';
import type { Random } from '../../runtime/random.js';
import type { Pick, Picker, PickerDescription, Policy } from '../policy.js';
import { describedLoads } from './described.js';
import type { EndpointStates } from './endpoint-states.js';
import { Load, loadsOf, TrackedPick } from './load.js';
import { TwoDraws } from './two-draws.js';

export class LeastLoaded implements Picker {
  readonly states: EndpointStates<Load>;
  readonly #loads: readonly Load[];
  readonly #draws: TwoDraws;
  readonly #random: Random;

  constructor(states: EndpointStates<Load>, random: Random) {
    this.states = states;
    this.#loads = states.current;
    this.#draws = new TwoDraws(states.current);
    this.#random = random;
  }

  pick(): Pick {
    return new TrackedPick(this.#choose());
  }

  describe(): PickerDescription {
    const rule = 'of two by chance, by weight, the one with less in flight for its weight';
    return describedLoads('least-loaded', rule, this.#loads);
  }

  #choose(): Load {
    const loads = this.#loads;
    if (loads.length === 1) return loads[0] as Load;
    const place = this.#draws.place(this.#random);
    const first = this.#draws.first(place);
    const second = this.#draws.second(place, first, this.#random);
    return preferred(loads[first] as Load, loads[second] as Load);
  }
}

/** The second only when it is freer: ties go to the first, which was drawn by weight. */
function preferred(first: Load, second: Load): Load {
  if (second.isOnTrial) return first;
  return first.isOnTrial || second.isFreerThan(first) ? second : first;
}

const policy: Policy = {
  build(candidates, previous, { clock, random }) {
    const former = previous instanceof LeastLoaded ? previous.states : undefined;
    const isFirstList = former === undefined;
    const create = (instance: Instance): Load => new Load(instance, isFirstList);
    return new LeastLoaded(loadsOf(candidates, former, clock.now(), create), random);
  },
};

/**
 * O(1), one small object per pick. `done` must be called for every pick, whatever became of the request: it is what
 * ends it here. An endpoint that joins later gets at most 4 requests at a time until it answered one.
 */
export function leastLoaded(): Policy {
  return policy;
}
