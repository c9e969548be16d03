/**
 * Consistent hash: the same key goes to the same endpoint, in every client, without any of them remembering it. When
 * an endpoint joins, only the keys that become its own move, about 1 / n of them; when one leaves, only its keys do.
 *
 * With bounded loads (Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018) no endpoint has
 * more than `bound` times its share of what this client has in flight: a key that is hotter than that overflows to the
 * next endpoints round the ring, always the same ones.
 */
import type { Instance } from '../../registry/contract.js';
import type { Random } from '../../runtime/random.js';
import { checkNumbers } from '../check-numbers.js';
import type { Outcome, Pick, Picker, PickerDescription, PickRequest, Policy } from '../policy.js';
import { described, describedLoads } from './described.js';
import type { EndpointStates } from './endpoint-states.js';
import { hashText } from './hash.js';
import { HashRing } from './hash-ring.js';
import { Load, loadsOf, TrackedPick } from './load.js';
import { preparedPicks } from './prepared-pick.js';

export interface ConsistentHashOptions {
  /**
   * How many times its share of the requests in flight an endpoint may have, above 1 (at least 1.01). Default 1.25.
   * With Infinity nothing is counted: a key never overflows, and a pick allocates nothing.
   */
  readonly bound?: number;
}

/** A share that is a whole number may come out a little above it, by rounding, and would let one request more through. */
const ALMOST = 1 - 1e-9;

/** Where on the ring a request belongs. Without a usable key anywhere: chance then decides, by weight. */
function placeOf(request: PickRequest | undefined, random: Random): number {
  const key = request?.key;
  if (typeof key === 'string') return hashText(key);
  return typeof key === 'number' || typeof key === 'bigint' ? hashText(`${key}`) : random.next();
}

class HashedPicks implements Picker {
  readonly ring: HashRing;
  readonly #picks: readonly Pick[];
  readonly #random: Random;

  constructor(candidates: readonly Instance[], former: HashedPicks | undefined, random: Random) {
    this.ring = new HashRing(candidates, former?.ring);
    this.#picks = preparedPicks(candidates, former === undefined ? [] : former.#picks);
    this.#random = random;
  }

  describe(): PickerDescription {
    const members = this.#picks.map(({ instance }) => instance);
    return described('sticky', 'the owner of the key, or one by chance without a key', members);
  }

  pick(request?: PickRequest): Pick {
    const { ring } = this;
    return this.#picks[ring.owner(ring.find(placeOf(request, this.#random)))] as Pick;
  }
}

/** What all endpoints of one list have in flight together. */
class Total {
  inFlight = 0;
}

/** Counts for its list as well. One that left goes on counting for the list that it was last in. */
export class SharedLoad extends Load {
  #total = new Total();

  join(total: Total): void {
    this.#total = total;
    total.inFlight += this.inFlight;
  }

  override begin(): void {
    super.begin();
    this.#total.inFlight++;
  }

  override end(outcome: Outcome): void {
    super.end(outcome);
    this.#total.inFlight--;
  }
}

export class BoundedHash implements Picker {
  readonly states: EndpointStates<SharedLoad>;
  readonly ring: HashRing;
  readonly #loads: readonly SharedLoad[];
  readonly #random: Random;
  readonly #total = new Total();
  /** Allowed in flight for each unit of weight and each request in flight. */
  readonly #allowance: number;

  constructor(states: EndpointStates<SharedLoad>, ring: HashRing, bound: number, random: Random) {
    this.states = states;
    this.ring = ring;
    this.#loads = states.current;
    for (const load of this.#loads) load.join(this.#total);
    this.#random = random;
    this.#allowance = bound / this.#loads.reduce((sum, { weight }) => sum + weight, 0);
  }

  pick(request?: PickRequest): Pick {
    const { ring } = this;
    const perWeight = this.#allowance * (this.#total.inFlight + 1);
    let point = ring.find(placeOf(request, this.#random));
    // Ends: were nobody below the bound, all together would have more in flight than they have.
    while (this.#isFull(ring.owner(point), perWeight)) point = ring.after(point);
    return new TrackedPick(this.#loads[ring.owner(point)] as SharedLoad);
  }

  describe(): PickerDescription {
    const rule = 'the owner of the key, or the next one on the ring while that is full';
    return describedLoads('consistent-hash', rule, this.#loads);
  }

  #isFull(owner: number, perWeight: number): boolean {
    const load = this.#loads[owner] as SharedLoad;
    return load.inFlight >= perWeight * load.weight * ALMOST;
  }
}

/**
 * For `pick({ key })`, where the key is a string or a number. O(1) on average. Without a key the choice is random by
 * weight. Bounded, each pick is one small object and `done` must be called for it; see `sticky` for the other form.
 *
 * Throws BAD_INPUT for a bound outside of its range.
 */
export function consistentHash({ bound = 1.25 }: ConsistentHashOptions = {}): Policy {
  checkNumbers({ bound: { value: bound, min: 1.01, max: Number.POSITIVE_INFINITY } });
  if (bound === Number.POSITIVE_INFINITY) {
    return {
      build(candidates, previous, { random }) {
        const former = previous instanceof HashedPicks ? previous : undefined;
        return new HashedPicks(candidates, former, random);
      },
    };
  }
  return {
    build(candidates, previous, { clock, random }) {
      const former = previous instanceof BoundedHash ? previous : undefined;
      const create = (instance: Instance): SharedLoad => new SharedLoad(instance, true);
      const states = loadsOf(candidates, former?.states, clock.now(), create);
      return new BoundedHash(states, new HashRing(candidates, former?.ring), bound, random);
    },
  };
}

/**
 * Sticky by key: a key stays at its endpoint for as long as that one is listed, whatever it has to do, except for the
 * share of the keys that an endpoint which joins takes over. By hash and not by a table: it needs no memory, and a
 * caller that restarts or runs beside others agrees with them.
 */
export function sticky(): Policy {
  return consistentHash({ bound: Number.POSITIVE_INFINITY });
}
