/**
 * All services of the sidecar, and the one way to change which they are: a plan is applied as a difference, so that a
 * service that stays as it is sees nothing of it, one that changes is never gone, and one that goes drains first.
 */
import type { Registry } from '../registry/contract.js';
import { linkedAbort } from '../runtime/abort.js';
import type { Clock } from '../runtime/clock.js';
import { PilotfishError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Random } from '../runtime/random.js';
import { Announcer } from './announcer.js';
import { type Difference, differenceOf, keyOf, sameProbes } from './difference.js';
import type { DrainSettings } from './drain.js';
import { type Health, isListed, STARTING } from './health.js';
import type { LoopLag } from './loop-lag.js';
import { Neighbours } from './mass-failure.js';
import type { InstanceLabels, OperatedInstance, SidecarMetrics } from './metrics.js';
import { OrderBook } from './operator/order-book.js';
import type { ServicePlan } from './plan.js';
import { Prober } from './prober.js';
import { Service } from './service.js';
import { ServiceHealth } from './service-health.js';

/** How long a deregistration may take before it is given up. An entry that could not be removed ends with its TTL. */
const WITHDRAW_LIMIT_MS = 10_000;

/** The same once a drain has used up its time: what is reachable is still removed. */
const AFTER_CAP_LIMIT_MS = 1_000;

export interface FleetContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lag: LoopLag;
  readonly metrics: SidecarMetrics;
}

/** What holds for all services. */
export interface FleetPlan {
  readonly services: readonly ServicePlan[];
  /** Open ones. */
  readonly registries: readonly Registry[];
  readonly drain: DrainSettings;
  readonly stateDir: string;
  readonly protectMassFailure: boolean;
  readonly fleetSize: number;
}

interface Applied {
  readonly difference: Difference;
  readonly left: Promise<void>;
}

interface Member {
  readonly service: Service;
  /** Ends what the metrics follow of its health; replaced with the health. */
  unobserve: () => void;
  /** The same for its protection, which stays. */
  readonly unobserveProtection: () => void;
}

export class Fleet {
  readonly #context: FleetContext;
  readonly #neighbours = new Neighbours();
  readonly #members = new Map<string, Member>();
  /** Those that drain because they are planned no more, each until it is gone. */
  readonly #leaving = new Map<string, Promise<void>>();
  #withdrawLimitMs = WITHDRAW_LIMIT_MS;
  #isEnding = false;
  /** The plan that is being gone over to. */
  #applying: Promise<unknown> = Promise.resolve();

  constructor(context: FleetContext) {
    this.#context = context;
  }

  get services(): readonly Service[] {
    return [...this.#members.values()].map(({ service }) => service);
  }

  /** Whether the drain or the close that ends it has begun: nothing is applied any more. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** For the metrics. */
  operated(): readonly OperatedInstance[] {
    return this.services.map(({ plan, orders, isDraining }) => ({
      labels: labelsOf(plan),
      orders: orders.orders,
      isDraining,
    }));
  }

  /** The services of that name, or all; of that id, or all. */
  find(name?: string, id?: string): readonly Service[] {
    return this.services.filter(
      (service) => (name === undefined || service.name === name) && (id === undefined || service.id === id),
    );
  }

  /**
   * Goes over to the plan. Resolves when that has begun everywhere, with nothing waited for but the files with orders;
   * `left` resolves when what has to go is gone, from the registries that are no more in the plan as well. Rejects
   * CLOSED, with nothing changed, when it is ending.
   */
  async apply(plan: FleetPlan): Promise<Applied> {
    if (this.#isEnding) throw new PilotfishError('CLOSED', 'the sidecar is on its way out');
    const applied = this.#apply(plan);
    this.#applying = applied.catch(() => {});
    return applied;
  }

  async #apply(plan: FleetPlan): Promise<Applied> {
    const present = this.services.filter((service) => !this.#leaving.has(keyOf(service.plan)));
    const difference = differenceOf(
      present.map((service) => service.plan),
      plan.services,
    );
    for (const added of difference.added) await this.#add(added, plan);
    for (const changed of difference.changed) await this.#change(changed, plan);
    this.#protect(difference.unchanged, plan);
    const planned = this.services.filter((service) => !difference.removed.includes(keyOf(service.plan)));
    const departures = planned.map((service) => this.#changeRegistries(service, plan));
    const removals = difference.removed.map((key) => this.#remove(key, plan));
    const left = Promise.all([...departures, ...removals]).then(() => {});
    return { difference, left };
  }

  /** Drains every service at once, for good. False when the cap was reached by one; `close` then is short. */
  async drain(cause: string, settings: DrainSettings): Promise<boolean> {
    await this.#end();
    const ends = await Promise.all(this.services.map((service) => service.drain(cause, settings)));
    const isOver = ends.every((end) => end);
    if (!isOver) this.#withdrawLimitMs = AFTER_CAP_LIMIT_MS;
    return isOver;
  }

  /** Deregisters and ends everything. Rejects TIMEOUT, after it, when that was not confirmed within 10 s. */
  async close(): Promise<void> {
    await this.#end();
    const members = [...this.#members.values()];
    this.#members.clear();
    const results = await this.#limited((signal) =>
      Promise.all(members.map(({ service }) => service.withdraw('the sidecar stops', signal))),
    );
    for (const { unobserve, unobserveProtection } of members) {
      unobserve();
      unobserveProtection();
    }
    await Promise.all(this.#leaving.values());
    const late = results.flatMap(({ unconfirmed }) => unconfirmed);
    if (late.length === 0) return;
    const message = 'could not confirm that everything is deregistered; it ends with its TTL';
    this.#context.logger.error({ unconfirmed: late }, message);
    throw new PilotfishError('TIMEOUT', `not confirmed as deregistered: ${late.join(', ')}`);
  }

  /** What is half applied is applied whole, so that nothing starts behind the back of whoever ends it all. */
  async #end(): Promise<void> {
    this.#isEnding = true;
    await this.#applying;
  }

  /** One that is still leaving is taken back, and is there without a gap. */
  async #add(plan: ServicePlan, fleet: FleetPlan): Promise<void> {
    const key = keyOf(plan);
    const leaving = this.#members.get(key)?.service;
    if (leaving !== undefined) {
      this.#leaving.delete(key);
      leaving.undrain();
      return this.#change(plan, fleet);
    }
    const { registries, stateDir } = fleet;
    const { logger, clock } = this.#context;
    const orders = await OrderBook.open(plan.instance, { clock, logger, stateDir });
    const labels = labelsOf(plan);
    const health = this.#startHealth(plan, STARTING);
    const announcers = registries.map((registry) => this.#announcer(registry, labels, fleet));
    const neighbours = this.#neighboursIn(fleet);
    const service = new Service(plan, { health, neighbours, orders, announcers, clock, logger });
    const unobserveProtection = this.#context.metrics.observeProtection(labels, service.protection);
    const unobserve = this.#context.metrics.observeServiceHealth(labels, health);
    this.#members.set(key, { service, unobserve, unobserveProtection });
  }

  #neighboursIn({ protectMassFailure }: FleetPlan): Neighbours | undefined {
    return protectMassFailure ? this.#neighbours : undefined;
  }

  async #change(plan: ServicePlan, fleet: FleetPlan): Promise<void> {
    const member = this.#members.get(keyOf(plan)) as Member;
    const { service } = member;
    if (sameProbes(service.plan, plan)) return service.change(plan, this.#neighboursIn(fleet));
    const health = this.#startHealth(plan, handedOver(service.health));
    member.unobserve();
    member.unobserve = this.#context.metrics.observeServiceHealth(labelsOf(plan), health);
    await service.change(plan, this.#neighboursIn(fleet), health);
  }

  /** Those whose own plan is as before: what protects them may have been switched on or off all the same. */
  #protect(unchanged: readonly string[], fleet: FleetPlan): void {
    const neighbours = this.#neighboursIn(fleet);
    for (const { plan, protection, health } of this.services) {
      if (!unchanged.includes(keyOf(plan))) continue;
      protection.follow(health, { flapHoldDown: plan.config.flapHoldDown, neighbours });
    }
  }

  /** Registers in what is new before it leaves what is not wanted any more. */
  async #changeRegistries(service: Service, fleet: FleetPlan): Promise<void> {
    const { registries } = fleet;
    const before = service.registries;
    for (const registry of registries) {
      if (!before.includes(registry)) service.join(this.#announcer(registry, labelsOf(service.plan), fleet));
    }
    const leaving = before.filter((registry) => !registries.includes(registry));
    await Promise.all(
      leaving.map(async (registry) => {
        await this.#limited((signal) => service.leave(registry, 'the configuration changed', signal));
        this.#context.metrics.forgetRegistered(labelsOf(service.plan), registry.url);
      }),
    );
  }

  /** Drains; resolves when it is gone, or taken back by a later plan. */
  #remove(key: string, { drain }: FleetPlan): Promise<void> {
    const { service, unobserve, unobserveProtection } = this.#members.get(key) as Member;
    const left = service.drain('removed from the configuration', drain).then(async () => {
      if (this.#leaving.get(key) !== left || this.#members.get(key)?.service !== service) return;
      this.#members.delete(key);
      await this.#limited((signal) => service.withdraw('removed from the configuration', signal));
      this.#leaving.delete(key);
      unobserve();
      unobserveProtection();
      for (const { url } of service.registries) {
        this.#context.metrics.forgetRegistered(labelsOf(service.plan), url);
      }
    });
    this.#leaving.set(key, left);
    return left;
  }

  #startHealth(plan: ServicePlan, initial: Health): ServiceHealth {
    const probers = plan.probes.map(({ probe, config }) => new Prober(probe, config, this.#context, initial));
    return new ServiceHealth(plan.instance.service, probers, plan.config.require);
  }

  #announcer(registry: Registry, labels: InstanceLabels, { fleetSize }: FleetPlan): Announcer {
    const announcer = new Announcer(registry, labels.service, { ...this.#context, fleetSize });
    this.#context.metrics.observeAnnouncer(labels, announcer);
    return announcer;
  }

  async #limited<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = linkedAbort();
    const cancel = this.#context.clock.after(this.#withdrawLimitMs, () =>
      limit.abort(new PilotfishError('TIMEOUT', 'took too long')),
    );
    try {
      return await work(limit.signal);
    } finally {
      cancel();
    }
  }
}

function labelsOf({ instance: { service, id } }: ServicePlan): InstanceLabels {
  return { service, id };
}

/** What is listed goes on as listed, and needs `fall` failures to go; the rest proves itself anew. */
function handedOver({ state }: ServiceHealth): Health {
  return isListed(state) ? { state, successes: 0, failures: 0 } : STARTING;
}
