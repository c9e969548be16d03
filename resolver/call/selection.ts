/** Which endpoint each request of one call goes to: one that was not tried, and that has room. */
import { PilotfishError } from '../../runtime/errors.js';
import type { Pick, PickRequest } from '../policy.js';
import type { CallOptions } from './options.js';
import type { ServiceCalls } from './service-calls.js';
import type { CallTarget } from './target.js';

export class Selection {
  readonly #target: CallTarget;
  readonly #calls: ServiceCalls;
  readonly #limit: number | undefined;
  readonly #request: PickRequest | undefined;
  readonly #tried = new Set<string>();

  constructor(target: CallTarget, { key, maxPerEndpoint }: CallOptions, calls: ServiceCalls) {
    this.#target = target;
    this.#calls = calls;
    this.#limit = maxPerEndpoint;
    this.#request = key === undefined ? undefined : { key };
  }

  /** A request goes to it. */
  tried({ instance }: Pick): void {
    this.#tried.add(instance.id);
  }

  /** One that was not tried and has room; undefined when there is none. */
  other(): Pick | undefined {
    return this.#target.pickOther(new Set([...this.#tried, ...this.#full()]), this.#request);
  }

  /** One that was not tried, or else any, that has room. Throws OVERLOADED when none has, and as `pick` does. */
  choose(): Pick {
    const full = this.#full();
    if (this.#tried.size + full.length === 0) return this.#target.pick(this.#request);
    return this.other() ?? (full.length === 0 ? this.#target.pick(this.#request) : this.#withRoom(full));
  }

  #withRoom(full: readonly string[]): Pick {
    const pick = this.#target.pickOther(new Set(full), this.#request);
    if (pick !== undefined) return pick;
    this.#target.pick(this.#request).done('cancelled');
    this.#calls.counters.overloads++;
    const service = this.#target.service;
    throw new PilotfishError(
      'OVERLOADED',
      `every endpoint of ${service} has ${this.#limit} requests or more in flight`,
    );
  }

  #full(): readonly string[] {
    return this.#limit === undefined ? [] : this.#calls.inFlight.full(this.#limit);
  }
}
