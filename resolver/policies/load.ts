/**
 * The requests in flight at one endpoint, as far as this client knows: counted at the pick, given back at `done`.
 * There is no finalizer behind it. A caller that never calls `done` leaves its request in flight for good, and the
 * endpoint looks busier than it is from then on.
 */
import type { Endpoint, Instance } from '../../registry/contract.js';
import type { Outcome, OutcomeDetails, Pick } from '../policy.js';
import { EndpointStates } from './endpoint-states.js';
import { effectiveWeight } from './weights.js';

/** What an endpoint that has not answered yet may have in flight before others are preferred. */
const FIRST_IN_FLIGHT = 4;

export class Load {
  instance: Instance;
  inFlight = 0;
  weight = 1;
  #trusted: boolean;

  /** @param trusted False for a newcomer, which looks idle whether it answers or not. */
  constructor(instance: Instance, trusted: boolean) {
    this.instance = instance;
    this.#trusted = trusted;
  }

  /** The same endpoint as a newer list describes it. */
  update(instance: Instance): void {
    this.instance = instance;
    this.weight = effectiveWeight(instance);
  }

  /** Requests in flight for each unit of weight. */
  get relative(): number {
    return this.inFlight / this.weight;
  }

  /** The same with one request more. */
  get relativeNext(): number {
    return (this.inFlight + 1) / this.weight;
  }

  /** True for a newcomer that has as much to do as it may before its first answer. */
  get isOnTrial(): boolean {
    return !this.#trusted && this.inFlight >= FIRST_IN_FLIGHT;
  }

  begin(): void {
    this.inFlight++;
  }

  /** @param _startedMs When the request was picked; 0 where nobody measures. */
  end(outcome: Outcome, _startedMs: number, _details: OutcomeDetails | undefined): void {
    this.inFlight--;
    if (outcome === 'ok') this.#trusted = true;
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
  readonly #startedMs: number;
  #load: Load | undefined;

  constructor(load: Load, startedMs = 0) {
    this.instance = load.instance;
    this.endpoint = load.instance.endpoint;
    this.#startedMs = startedMs;
    this.#load = load;
    load.begin();
  }

  done(outcome: Outcome, details?: OutcomeDetails): void {
    const load = this.#load;
    this.#load = undefined;
    load?.end(outcome, this.#startedMs, details);
  }
}
