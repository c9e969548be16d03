/** One policy at work on one list: holds the picker of the moment and replaces it when the list changes. */
import type { Instance } from '../registry/contract.js';
import { Others } from './call/others.js';
import { tellPick, toldPicker } from './channels.js';
import { HealthyPicker } from './ejection/healthy-picker.js';
import { OutcomeCounts } from './ejection/outcome-counts.js';
import { PassiveHealth } from './ejection/passive-health.js';
import type { EjectionRules } from './ejection/rules.js';
import { leftOutBy } from './filters/narrowed.js';
import type { Pick, Picker, PickRequest, Policy, PolicyContext } from './policy.js';
import { type Lease, Shared } from './shared.js';

const PICKS_NOTHING: Picker = { pick: () => undefined };

export class Balancer {
  /** The picker for the current list. Public and plain, because every pick reads it. */
  picker: Picker = PICKS_NOTHING;
  /** The same without telling `pilotfish:pick`. */
  #plain: Picker = PICKS_NOTHING;
  /** Undefined where ejection is off: a pick then is the policy's own, and costs nothing more. */
  readonly healthy: HealthyPicker | undefined;
  readonly #policy: Policy;
  readonly #context: PolicyContext;
  readonly #others: Others;
  #candidates: readonly Instance[] = [];
  /** Kept while the list is empty, so that what it knows survives a flap. */
  #previous: Picker | undefined;

  /** @param health Where ejection is on. */
  constructor(policy: Policy, context: PolicyContext, health?: PassiveHealth) {
    this.#policy = policy;
    this.#context = context;
    this.#others = new Others(policy, context);
    this.healthy = health && new HealthyPicker(health, policy, context);
  }

  /** @param candidates Those that may be picked, see `eligible`. */
  rebuild(candidates: readonly Instance[]): void {
    this.#candidates = candidates;
    this.#plain = candidates.length === 0 ? PICKS_NOTHING : this.#build(candidates);
    this.picker = toldPicker(this.#plain);
  }

  /** One that is none of these instances; undefined when there is no other. See `Others`. */
  pickOther(avoided: ReadonlySet<string>, request?: PickRequest): Pick | undefined {
    const pick =
      this.healthy !== undefined && this.#plain === this.healthy
        ? this.healthy.pickOther(this.#others, avoided, request)
        : this.#others.pick(this.#candidates, avoided, request);
    tellPick(pick);
    return pick;
  }

  /** What a pick comes from at last: a pick of it says nothing to the health of endpoints. */
  get settledPicker(): Picker {
    return this.healthy !== undefined && this.#plain === this.healthy ? this.healthy.inner : this.#plain;
  }

  /** What a pick gives where `settledPicker` gives nothing, as a filter leaves only those that are ejected. */
  lastResort(request?: PickRequest): Pick | undefined {
    return this.#plain === this.healthy ? this.healthy.lastResort(request) : undefined;
  }

  /** Who of those that may be picked now a filter leaves out, by id, and which one does. */
  get leftOut(): Readonly<Record<string, string>> {
    return leftOutBy(this.#policy, this.healthy?.health.pickable ?? this.#candidates);
  }

  #build(candidates: readonly Instance[]): Picker {
    if (this.healthy !== undefined) {
      this.healthy.list(candidates);
      return this.healthy;
    }
    this.#previous = this.#policy.build(candidates, this.#previous, this.#context);
    return this.#previous;
  }
}

/** All balancers of one service: one for each policy in use, with each set of ejection rules. */
export class Balancers {
  readonly #service: string;
  readonly #counts: { outcomes?: OutcomeCounts };
  readonly #context: PolicyContext;
  readonly #shared = new Shared<EjectionRules | undefined, Shared<Policy, Balancer>>(() => {});

  /** @param counts Where the counts of calls are kept, from the first balancer that ejects on. */
  constructor(service: string, counts: { outcomes?: OutcomeCounts }, context: PolicyContext) {
    this.#service = service;
    this.#counts = counts;
    this.#context = context;
  }

  /** The balancer that everybody with this policy and these rules shares; a new one begins with the candidates. */
  acquire(
    policy: Policy,
    rules: EjectionRules | undefined,
    candidates: readonly Instance[],
  ): Lease<Balancer> {
    const group = this.#shared.acquire(rules, () => new Shared<Policy, Balancer>(() => {}));
    const lease = group.value.acquire(policy, () => {
      const balancer = new Balancer(policy, this.#context, rules && this.#health(rules));
      balancer.rebuild(candidates);
      return balancer;
    });
    const release = async (): Promise<void> => {
      await lease.release();
      await group.release();
    };
    return { value: lease.value, release };
  }

  /** @param candidates Those that may be picked, see `eligible`. */
  rebuild(candidates: readonly Instance[]): void {
    for (const balancer of this.#all()) balancer.rebuild(candidates);
  }

  /** How many endpoints are ejected now, at the balancer that ejected most; undefined where none ejects. */
  get ejected(): number | undefined {
    const counts = [...this.#all()].flatMap(({ healthy }) =>
      healthy === undefined ? [] : [healthy.health.now().ejected.size],
    );
    return counts.length === 0 ? undefined : Math.max(...counts);
  }

  *#all(): IterableIterator<Balancer> {
    for (const group of this.#shared.values()) yield* group.values();
  }

  #health(rules: EjectionRules): PassiveHealth {
    this.#counts.outcomes ??= new OutcomeCounts();
    return new PassiveHealth(this.#service, rules, this.#counts.outcomes, this.#context);
  }
}
