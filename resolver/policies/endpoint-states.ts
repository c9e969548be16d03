/**
 * What a policy knows of each endpoint, by identity. A picker is built anew at every list change and takes these over
 * from the one before, so an update of the list forgets nothing. An endpoint that left is remembered for a minute:
 * whoever comes back at the same address within it goes on where it was, and memory stays bounded by the churn of one
 * minute.
 */
import type { Instance } from '../../registry/contract.js';
import { type Places, placesIn } from '../../registry/snapshot.js';
import { sameEndpoint } from '../policy.js';

/** How long an endpoint that left is remembered. */
export const LINGER_MS = 60_000;

interface Entry<S> {
  readonly instance: Instance;
  readonly state: S;
}

interface Left<S> extends Entry<S> {
  /** When the endpoint was found missing. */
  readonly leftAt: number;
}

export class EndpointStates<S> {
  /** One for each candidate, in their order. */
  readonly current: readonly S[];
  readonly #candidates: readonly Instance[];
  /** In the order in which they left. One for all lists of a chain: each takes it over from the one before. */
  readonly #left: Map<string, Left<S>>;
  /** The listed ones by id, once somebody asked; then also taken over, so that a change costs what it changed. */
  #listed: Map<string, Entry<S>> | undefined;

  /**
   * One walk along both lists; everything else costs what has changed.
   *
   * @param candidates Sorted by id, as a policy gets them.
   * @param create The state of an endpoint that is not remembered.
   */
  constructor(
    candidates: readonly Instance[],
    previous: EndpointStates<S> | undefined,
    nowMs: number,
    create: (instance: Instance) => S,
  ) {
    this.#candidates = candidates;
    this.#left = previous === undefined ? new Map() : previous.#left;
    if (previous === undefined) {
      this.current = candidates.map(create);
      return;
    }
    const places = placesIn(previous.#candidates, candidates);
    this.current = candidates.map(
      (instance, at) => previous.#stateOf(instance, places.former[at] as number) ?? create(instance),
    );
    this.#follow(previous, places);
    this.#remember(previous, places, nowMs);
  }

  find(instance: Instance): S | undefined {
    this.#listed ??= this.#index();
    return stateIn(this.#listed, instance) ?? stateIn(this.#left, instance);
  }

  /** Listed endpoints and those that left lately. */
  get size(): number {
    return this.current.length + this.#left.size;
  }

  /** @param place Where an instance of the same id is among the candidates, or -1. */
  #stateOf(instance: Instance, place: number): S | undefined {
    if (place < 0) return stateIn(this.#left, instance);
    const known = this.#candidates[place] as Instance;
    return known === instance || sameEndpoint(known, instance) ? this.current[place] : undefined;
  }

  #index(): Map<string, Entry<S>> {
    return new Map(this.#candidates.map((instance, at) => [instance.id, this.#entryAt(at)]));
  }

  #entryAt(at: number): Entry<S> {
    return { instance: this.#candidates[at] as Instance, state: this.current[at] as S };
  }

  /** Takes the index over, if there is one, and brings it up to date. */
  #follow(previous: EndpointStates<S>, { former, gone }: Places): void {
    const listed = previous.#listed;
    if (listed === undefined) return;
    previous.#listed = undefined;
    this.#listed = listed;
    const before = previous.#candidates;
    for (const place of gone) listed.delete((before[place] as Instance).id);
    for (let at = 0; at < former.length; at++) {
      const instance = this.#candidates[at] as Instance;
      const place = former[at] as number;
      if (place < 0 || before[place] !== instance) listed.set(instance.id, this.#entryAt(at));
    }
  }

  #remember(previous: EndpointStates<S>, { joined, gone }: Places, nowMs: number): void {
    const left = this.#left;
    for (const at of joined) left.delete((this.#candidates[at] as Instance).id);
    for (const place of gone) {
      const entry = previous.#entryAt(place);
      left.set(entry.instance.id, { ...entry, leftAt: nowMs });
    }
    for (const [id, { leftAt }] of left) {
      if (nowMs - leftAt < LINGER_MS) break;
      left.delete(id);
    }
  }
}

function stateIn<S>(entries: ReadonlyMap<string, Entry<S>>, instance: Instance): S | undefined {
  const entry = entries.get(instance.id);
  return entry !== undefined && sameEndpoint(entry.instance, instance) ? entry.state : undefined;
}
