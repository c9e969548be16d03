/**
 * One service of the sidecar. Its probes, its orders and a drain decide together how it is to be listed, and one announcer
 * per registry makes it so. The registries are independent of each other; one that is away holds no other back.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Endpoint, Instance, Registry } from '../registry/contract.js';
import type { Clock } from '../runtime/clock.js';
import { isPilotfishError, messageOf } from '../runtime/errors.js';
import { formatHostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import type { Announcer } from './announcer.js';
import { type DrainStage, desiredInstance } from './desired.js';
import type { DrainPhase, DrainSettings, DrainSubject } from './drain.js';
import { isListed } from './health.js';
import { InFlight } from './in-flight.js';
import type { Neighbours } from './mass-failure.js';
import type { OrderBook } from './operator/order-book.js';
import type { Orders } from './operator/orders.js';
import type { ServicePlan } from './plan.js';
import type { BeatStatus } from './probes/ttl.js';
import { type HoldStatus, ProtectedHealth, type Protections } from './protected-health.js';
import { RunningDrain } from './running-drain.js';
import type { ServiceHealth, ServiceHealthStatus } from './service-health.js';

/** What `/v1/status` says of one service in one registry. */
export interface RegistrationStatus {
  readonly registry: string;
  readonly state: string;
  readonly desired: boolean;
  readonly registered: boolean;
  /** Milliseconds since the epoch. */
  readonly registeredAt: number | undefined;
  /** Milliseconds since the registry last confirmed the entry. */
  readonly confirmedAgoMs: number | undefined;
  readonly error: string | undefined;
}

export interface DrainStatus {
  readonly service: string;
  readonly id: string;
  readonly phase: DrainPhase;
  /** Whether everything had its end; false while it goes on, and when the cap was reached before. */
  readonly complete: boolean;
  readonly cause: string;
  /** Requests in flight as last known; null when nobody has said it. */
  readonly inFlight: number | null;
  /** The registries that have not confirmed yet what is desired. */
  readonly unconfirmed: readonly string[];
  readonly elapsedMs: number;
}

export interface OperatorStatus extends Orders {
  /** Whether it survives a restart. */
  readonly kept: boolean;
}

export interface ServiceStatus {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  /** Why the registries do not hold what is desired, one sentence each; empty when they do. */
  readonly reasons: readonly string[];
  /** As it is to be listed now; undefined when it is not. */
  readonly weight: number | undefined;
  readonly health: ServiceHealthStatus;
  /** What keeps it from being listed as its health says; undefined when nothing does. */
  readonly hold: HoldStatus | undefined;
  readonly operator: OperatorStatus;
  readonly drain: DrainStatus | undefined;
  readonly registrations: readonly RegistrationStatus[];
}

export interface ServiceParts {
  readonly health: ServiceHealth;
  /** The services of this sidecar; undefined where a mass failure is to be believed. */
  readonly neighbours: Neighbours | undefined;
  readonly orders: OrderBook;
  readonly announcers: readonly Announcer[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Service {
  readonly #orders: OrderBook;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #plan: ServicePlan;
  #health: ServiceHealth;
  #neighbours: Neighbours | undefined;
  /** The health as it may be announced. */
  readonly protection: ProtectedHealth;
  #announcers: readonly Announcer[];
  readonly #inFlight: InFlight;
  #drain: RunningDrain | undefined;
  #stage: DrainStage = 'none';
  /** What stays listed after a reload until the new address has answered. */
  #oldEndpoint: Endpoint | undefined;

  /** Owns the health, the orders and the announcers. */
  constructor(plan: ServicePlan, { health, neighbours, orders, announcers, clock, logger }: ServiceParts) {
    this.#plan = plan;
    this.#health = health;
    this.#orders = orders;
    this.#announcers = announcers;
    this.#clock = clock;
    this.#logger = logger;
    this.#inFlight = new InFlight(plan.config.inFlight, clock);
    this.#neighbours = neighbours;
    const { instance } = plan;
    this.protection = new ProtectedHealth(health, this.#protections(), { clock, logger, instance });
    this.protection.onChange(({ to, cause }) => {
      if (!isListed(to)) this.#oldEndpoint = undefined;
      this.#announce(cause);
    });
    this.#follow(health);
    orders.onChange(({ cause }) => this.#announce(cause));
    this.#announce('the orders that were kept');
  }

  get plan(): ServicePlan {
    return this.#plan;
  }

  get name(): string {
    return this.#plan.instance.service;
  }

  get id(): string {
    return this.#plan.instance.id;
  }

  get health(): ServiceHealth {
    return this.#health;
  }

  get orders(): OrderBook {
    return this.#orders;
  }

  get registries(): readonly Registry[] {
    return this.#announcers.map(({ registry }) => registry);
  }

  get isDraining(): boolean {
    return this.#drain !== undefined;
  }

  /** Hands a heartbeat on. False when the service has no TTL probe. */
  beat(status: BeatStatus, note: string, inFlight: number | undefined): boolean {
    if (inFlight !== undefined) this.#inFlight.report(inFlight);
    return this.#health.beat(status, note);
  }

  /**
   * Why the instance is not where its configuration and its operators want it: it is not healthy, or a registry does not
   * hold yet what is desired. Empty when it is.
   */
  unreadyReasons(): readonly string[] {
    const unsettled = this.#unsettled().map((announcer) => this.#whyUnsettled(announcer));
    const unhealthy = this.#whyUnhealthy();
    return unhealthy === undefined ? unsettled : [unhealthy, ...unsettled];
  }

  /** As it is to be listed now; undefined for not at all. */
  desired(): Instance | undefined {
    const { instance } = this.#plan;
    return desiredInstance({
      instance: { ...instance, endpoint: this.#oldEndpoint ?? instance.endpoint },
      health: this.protection.state,
      orders: this.#orders.orders,
      drain: this.#stage,
      warningWeight: this.#plan.config.warningWeight,
    });
  }

  status(): ServiceStatus {
    const { service, id, endpoint } = this.#plan.instance;
    return {
      name: service,
      id,
      address: formatHostPort(endpoint),
      reasons: this.unreadyReasons(),
      weight: this.desired()?.weight,
      health: this.#health.status(),
      hold: this.protection.hold,
      operator: { ...this.#orders.orders, kept: this.#orders.isKept },
      drain: this.drainStatus(),
      registrations: this.#announcers.map((announcer) => this.#registrationStatus(announcer)),
    };
  }

  /** Undefined when nothing drains. */
  drainStatus(): DrainStatus | undefined {
    if (this.#drain === undefined) return undefined;
    const { phase, isComplete, cause, inFlight, elapsedMs } = this.#drain;
    return {
      service: this.name,
      id: this.id,
      phase,
      complete: isComplete,
      cause,
      inFlight: inFlight ?? null,
      unconfirmed: this.#unsettled().map(({ registry }) => registry.url),
      elapsedMs,
    };
  }

  /**
   * Takes the instance out without losing a request; see `drain.ts`. One that drains already goes on as it is, and is
   * waited for no longer than one of these settings. Resolves when it is over; false when the cap was reached first, or
   * when it was taken back.
   */
  drain(cause: string, settings: DrainSettings): Promise<boolean> {
    if (this.#drain !== undefined) return this.#drain.endedWithin(settings.timeoutMs);
    this.#drain = this.#startDrain(cause, settings);
    return this.#drain.ended;
  }

  /** Takes a drain back: the instance is listed again as its health and its orders say. */
  undrain(): void {
    if (this.#drain === undefined) return;
    this.#drain.stop('the drain was taken back');
    this.#drain = undefined;
    this.#stage = 'none';
    this.#announce('the drain was taken back');
  }

  /**
   * Goes over to another plan of the same instance, in place. What is listed goes over to another address only when the
   * probes have had an answer there.
   *
   * @param health Where the probes are others.
   */
  async change(
    plan: ServicePlan,
    neighbours: Neighbours | undefined,
    health: ServiceHealth = this.#health,
  ): Promise<void> {
    const before = this.#health;
    this.#oldEndpoint = this.#endpointToKeep(plan, health);
    this.#plan = plan;
    this.#inFlight.change(plan.config.inFlight);
    if (health !== before) {
      this.#health = health;
      this.#follow(health);
    }
    this.#neighbours = neighbours;
    this.protection.follow(health, this.#protections());
    this.#announce('the configuration changed');
    if (health !== before) await before.close();
  }

  /** Registers in another registry as well. */
  join(announcer: Announcer): void {
    this.#announcers = [...this.#announcers, announcer];
    this.#announce('the configuration changed');
  }

  /** Deregisters from one of the registries; resolves when that is confirmed or `signal` aborts. */
  async leave(registry: Registry, cause: string, signal: AbortSignal): Promise<void> {
    const leaving = this.#announcers.filter((announcer) => announcer.registry === registry);
    this.#announcers = this.#announcers.filter((announcer) => announcer.registry !== registry);
    await withdrawn(leaving, cause, signal);
  }

  /** Deregisters everywhere at once, resolves when every registry has confirmed that or `signal` aborts, and ends. */
  async withdraw(cause: string, signal: AbortSignal): Promise<{ readonly unconfirmed: readonly string[] }> {
    this.#drain?.stop(cause);
    this.#orders.close();
    this.protection.close();
    await this.#health.close();
    const unconfirmed = await withdrawn(this.#announcers, cause, signal);
    return { unconfirmed: unconfirmed.map(({ registry }) => `${this.name} in ${registry.url}`) };
  }

  #protections(): Protections {
    return { flapHoldDown: this.#plan.config.flapHoldDown, neighbours: this.#neighbours };
  }

  #endpointToKeep({ instance }: ServicePlan, health: ServiceHealth): Endpoint | undefined {
    const present = this.#oldEndpoint ?? this.#plan.instance.endpoint;
    const isSame = isDeepStrictEqual(present, instance.endpoint);
    return isSame || health.hasAnswered || !isListed(this.protection.state) ? undefined : present;
  }

  #goOver(): void {
    if (this.#oldEndpoint === undefined || !this.#health.hasAnswered) return;
    this.#oldEndpoint = undefined;
    this.#announce('the new address answers');
  }

  #follow(health: ServiceHealth): void {
    const { service, id } = this.#plan.instance;
    health.onChange(({ from, to, cause }) => {
      const level = to === 'failing' ? 'warn' : 'info';
      this.#logger[level]({ service, id, from, to, cause }, 'health changed');
    });
    for (const prober of health.probers) prober.onResult(() => this.#goOver());
    health.onAdvice(({ from, to, cause }) => {
      this.#logger.info({ service, id, from, to, cause }, 'an advisory probe changed');
    });
  }

  #announce(cause: string): void {
    const instance = this.desired();
    for (const announcer of this.#announcers) announcer.announce(instance, cause);
  }

  #unsettled(): readonly Announcer[] {
    return this.#announcers.filter((announcer) => !announcer.settled);
  }

  /** Undefined when it may be listed, and when it is an operator or a drain that keeps it off. */
  #whyUnhealthy(): string | undefined {
    if (this.desired() !== undefined || this.isDraining || this.#orders.orders.forced !== undefined)
      return undefined;
    const { state, cause } = this.#health.status();
    if (state === 'starting') return `${this.name} is starting: not enough checks have passed yet`;
    if (this.#health.listed) return `${this.name} is ${state} and held back: ${this.protection.hold?.reason}`;
    return `${this.name} is ${state}: ${cause}`;
  }

  #whyUnsettled({ registry, desired, error }: Announcer): string {
    const wanted = desired === undefined ? 'deregistered from' : 'registered in';
    const trouble = registry.trouble === undefined ? '' : `: ${registry.trouble}`;
    const cause = error === undefined ? `the registry is ${registry.state}${trouble}` : messageOf(error);
    return `${this.name} is not yet ${wanted} ${registry.url}: ${printable(cause)}`;
  }

  #startDrain(cause: string, settings: DrainSettings): RunningDrain {
    const fields = { service: this.name, id: this.id };
    this.#logger.info({ ...fields, cause }, 'draining');
    const running = new RunningDrain(this.#drainSubject(cause), {
      cause,
      settings,
      clock: this.#clock,
    });
    void running.ended.then((isOver) => {
      if (this.#drain !== running) return;
      const { elapsedMs } = running;
      const unconfirmed = this.#unsettled().map(({ registry }) => registry.url);
      this.#logger[isOver ? 'info' : 'error']({ ...fields, elapsedMs, unconfirmed }, 'drained');
    });
    return running;
  }

  #drainSubject(cause: string): DrainSubject {
    const isListed = ({ mayBeListed }: Announcer): boolean => mayBeListed;
    return {
      isListed: () => this.#announcers.some(isListed),
      works: () => this.#health.state !== 'failing' || this.#orders.orders.forced?.to === 'up',
      mark: (signal) => {
        const listed = this.#announcers.filter(isListed);
        this.#stage = 'marked';
        this.#announce(cause);
        return settled(listed, signal);
      },
      withdraw: (signal) => {
        this.#stage = 'withdrawn';
        this.#announce(cause);
        return settled(this.#announcers, signal);
      },
      inFlight: (signal, since) => this.#inFlight.read(signal, since),
    };
  }

  #registrationStatus(announcer: Announcer): RegistrationStatus {
    const { registry, desired, confirmed, confirmedAt, registeredAt, error } = announcer;
    return {
      registry: registry.url,
      state: isPilotfishError(error, 'CONFLICT') ? 'conflict' : registry.state,
      desired: desired !== undefined,
      registered: confirmed !== undefined,
      registeredAt,
      confirmedAgoMs: confirmedAt === undefined ? undefined : Math.round(this.#clock.now() - confirmedAt),
      error: error === undefined ? undefined : printable(messageOf(error)),
    };
  }
}

async function settled(announcers: readonly Announcer[], signal: AbortSignal): Promise<void> {
  await Promise.all(announcers.map((announcer) => announcer.untilSettled(signal)));
}

/** Deregisters and ends the announcers. Returns those that were not confirmed before `signal` aborted. */
async function withdrawn(
  announcers: readonly Announcer[],
  cause: string,
  signal: AbortSignal,
): Promise<readonly Announcer[]> {
  for (const announcer of announcers) announcer.announce(undefined, cause);
  const ends = await Promise.allSettled(announcers.map((announcer) => announcer.untilSettled(signal)));
  await Promise.all(announcers.map((announcer) => announcer.close()));
  return announcers.filter((_, i) => ends[i]?.status === 'rejected');
}
