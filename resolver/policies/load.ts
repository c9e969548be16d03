/**
 * The requests in flight at one endpoint, as far as this client knows: counted at the pick, given back at `done`.
 * There is no finalizer behind it. A caller that never calls `done` leaves its request in flight for good, and the
 * endpoint looks busier than it is from then on.
 */
import type { Endpoint, Instance } from '../../registry/contract.js';
import type { Outcome, Pick } from '../policy.js';
import { EndpointStates } from './endpoint-states.js';
import { effectiveWeight } from './weights.js';

/** What an endpoint that has not answered yet may have in flight before others are preferred. */
const FIRST_IN_FLIGHT = 4;

export class Load {
  instance: Instance;
  /** That of the instance. Kept here, so that a pick reads nothing else in a list that no cache holds. */
  endpoint: Endpoint;
  inFlight = 0;
  weight = 1;
  #trusted: boolean;

  /** @param trusted False for a newcomer, which looks idle whether it answers or not. */
  constructor(instance: Instance, trusted: boolean) {
    this.instance = instance;
    this.endpoint = instance.endpoint;
    this.#trusted = trusted;
  }

  /** The same endpoint as a newer list describes it. */
  update(instance: Instance): void {
    this.instance = instance;
    this.endpoint = instance.endpoint;
    this.weight = effectiveWeight(instance);
  }

  /**
   * Whether it has fewer requests in flight for each unit of weight, and would not have more by one more. Without the second
   * half a light endpoint beside heavy ones had one request nearly all the time, since none is always less than some,
   * and one is more than its share.
   */
  isFreerThan(other: Load): boolean {
    return (
      this.inFlight * other.weight < other.inFlight * this.weight &&
      (this.inFlight + 1) * other.weight <= (other.inFlight + 1) * this.weight
    );
  }

  /** True for a newcomer that has as much to do as it may before its first answer. */
  get isOnTrial(): boolean {
    return !this.#trusted && this.inFlight >= FIRST_IN_FLIGHT;
  }

  begin(): void {
    this.inFlight++;
  }

  /** It has answered a request well, or begun to. */
  trust(): void {
    this.#trusted = true;
  }

  end(outcome: Outcome): void {
    this.inFlight--;
    if (outcome === 'ok') this.trust();
  }
}

/** The loads of a list, each as the list describes its endpoint; those that are remembered go on with what they count. */
export function loadsOf<L extends Load>(
  candidates: readonly Instance[],
  previous: EndpointStates<L> | undefined,
  nowMs: number,
  create: (instance: Instance) => L,
): EndpointStates<L> {
  const states = new EndpointStates(candidates, previous, nowMs, create);
  states.current.forEach((load, at) => {
    load.update(candidates[at] as Instance);
  });
  return states;
}

/** One request at an endpoint whose load is counted. */
export class TrackedPick implements Pick {
  readonly instance: Instance;
  readonly endpoint: Endpoint;
  /** Undefined once it is done. */
  #load: Load | undefined;

  constructor(load: Load) {
    this.instance = load.instance;
    this.endpoint = load.endpoint;
    this.#load = load;
    load.begin();
  }

  answered(): void {
    this.#load?.trust();
  }

  done(outcome: Outcome): void {
    const load = this.#load;
    this.#load = undefined;
    load?.end(outcome);
  }
}
