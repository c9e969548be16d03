/**
 * What a policy knows of each endpoint, by identity. A picker is built anew at every list change and takes these over
 * from the one before, so an update of the list forgets nothing. An endpoint that left is remembered for a minute:
 * whoever comes back at the same address within it goes on where it was, and memory stays bounded by the churn of one
 * minute.
 */
import type { Instance } from '../../registry/contract.js';
import { sameEndpoint } from '../policy.js';

/** How long an endpoint that left is remembered. */
export const LINGER_MS = 60_000;

interface Entry<S> {
  readonly instance: Instance;
  readonly state: S;
  /** When the endpoint was found missing; undefined while it is listed. */
  readonly leftAt: number | undefined;
}

export class EndpointStates<S> {
  /** One for each candidate, in their order. */
  readonly current: readonly S[];
  readonly #entries = new Map<string, Entry<S>>();

  /**
   * O(n) in both lists.
   *
   * @param create The state of an endpoint that is not remembered.
   */
  constructor(
    candidates: readonly Instance[],
    previous: EndpointStates<S> | undefined,
    nowMs: number,
    create: (instance: Instance) => S,
  ) {
    this.current = candidates.map((instance) => {
      const state = previous?.find(instance) ?? create(instance);
      this.#entries.set(instance.id, { instance, state, leftAt: undefined });
      return state;
    });
    if (previous !== undefined) this.#remember(previous, nowMs);
  }

  find(instance: Instance): S | undefined {
    const entry = this.#entries.get(instance.id);
    return entry !== undefined && sameEndpoint(entry.instance, instance) ? entry.state : undefined;
  }

  /** Listed endpoints and those that left lately. */
  get size(): number {
    return this.#entries.size;
  }

  #remember(previous: EndpointStates<S>, nowMs: number): void {
    for (const [id, entry] of previous.#entries) {
      const leftAt = entry.leftAt ?? nowMs;
      if (this.#entries.has(id) || nowMs - leftAt >= LINGER_MS) continue;
      this.#entries.set(id, { ...entry, leftAt });
    }
  }
}
