/**
 * A policy among those endpoints that callers found well. The inner picker is built anew when that changes, not before the
 * next pick needs it: however many outcomes come in between, it is built once.
 */
import type { Endpoint, Instance } from '../../registry/contract.js';
import type { Others } from '../call/others.js';
import type { Outcome, OutcomeDetails, Pick, Picker, PickRequest, Policy, PolicyContext } from '../policy.js';
import type { EndpointHealth } from './endpoint-health.js';
import type { PassiveHealth } from './passive-health.js';

export class HealthyPicker implements Picker {
  readonly health: PassiveHealth;
  readonly #policy: Policy;
  readonly #context: PolicyContext;
  #candidates: readonly Instance[] = [];
  #inner: Picker | undefined;
  /** The revision of the health that the inner picker was built for. */
  #revision = 0;
  /** Whether the inner picker sees less than all candidates. */
  #isNarrowed = false;

  constructor(health: PassiveHealth, policy: Policy, context: PolicyContext) {
    this.health = health;
    this.#policy = policy;
    this.#context = context;
  }

  /** @param candidates At least one. */
  list(candidates: readonly Instance[]): void {
    this.#candidates = candidates;
    this.health.list(candidates);
  }

  /** The policy's picker for the endpoints that may be picked now. */
  get inner(): Picker {
    return this.#innerAt(this.#context.clock.now());
  }

  pick(request?: PickRequest): Pick | undefined {
    const nowMs = this.#context.clock.now();
    return this.#watched(this.#innerAt(nowMs).pick(request) ?? this.lastResort(request), nowMs);
  }

  /** One of those that may be picked now, but none of these; undefined when there is no other. */
  pickOther(
    others: Others,
    avoided: ReadonlySet<string>,
    request: PickRequest | undefined,
  ): Pick | undefined {
    const nowMs = this.#context.clock.now();
    this.health.review(nowMs);
    return this.#watched(others.pick(this.health.pickable, avoided, request), nowMs);
  }

  #innerAt(nowMs: number): Picker {
    const revision = this.health.review(nowMs);
    if (this.#inner !== undefined && revision === this.#revision) return this.#inner;
    this.#revision = revision;
    return this.#build(this.health.pickable);
  }

  #watched(pick: Pick | undefined, nowMs: number): Pick | undefined {
    const health = pick && this.health.healthOf(pick.instance);
    return health && new WatchedPick(pick, health, this.health, nowMs);
  }

  /**
   * The policy may want only some endpoints, such as one version. If all of those are ejected, they are used. A pick of it
   * says nothing to their health.
   */
  lastResort(request: PickRequest | undefined): Pick | undefined {
    return this.#isNarrowed ? this.#build(this.#candidates).pick(request) : undefined;
  }

  #build(pickable: readonly Instance[]): Picker {
    this.#isNarrowed = pickable.length < this.#candidates.length;
    this.#inner = this.#policy.build(pickable, this.#inner, this.#context);
    return this.#inner;
  }
}

class WatchedPick implements Pick {
  readonly instance: Instance;
  readonly endpoint: Endpoint;
  readonly #pick: Pick;
  readonly #health: EndpointHealth;
  readonly #startedMs: number;
  readonly #epoch: number;
  /** Undefined once it is done. */
  #all: PassiveHealth | undefined;

  constructor(pick: Pick, health: EndpointHealth, all: PassiveHealth, nowMs: number) {
    this.instance = pick.instance;
    this.endpoint = pick.endpoint;
    this.#pick = pick;
    this.#health = health;
    this.#startedMs = nowMs;
    this.#all = all;
    all.began(health, nowMs);
    this.#epoch = health.epoch;
  }

  answered(latencyMs?: number): void {
    this.#pick.answered?.(latencyMs);
    this.#all?.answered(this.#health, this.#epoch, latencyMs);
  }

  done(outcome: Outcome, details?: OutcomeDetails): void {
    const all = this.#all;
    if (all === undefined) return;
    this.#all = undefined;
    this.#pick.done(outcome, details);
    all.ended(this.#health, this.#epoch, this.#startedMs, outcome, details);
  }
}
