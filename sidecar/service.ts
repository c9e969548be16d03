/**
 * One service of the sidecar: its health decides what is desired, and one announcer per registry makes it so. The
 * registries are independent of each other; one that is away holds no other back.
 */

import type { Instance, InstanceStatus } from '../registry/contract.js';
import type { Clock } from '../runtime/clock.js';
import { isPilotfishError, messageOf } from '../runtime/errors.js';
import { formatHostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import type { Announcer } from './announcer.js';
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

export interface ServiceStatus {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly health: ServiceHealthStatus;
  readonly registrations: readonly RegistrationStatus[];
}

export class Service {
  readonly #instance: Instance;
  readonly #health: ServiceHealth;
  readonly #announcers: readonly Announcer[];
  readonly #clock: Clock;

  /** Owns the health and the announcers. `instance` is how it is listed while passing. */
  constructor(
    instance: Instance,
    health: ServiceHealth,
    announcers: readonly Announcer[],
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#instance = instance;
    this.#health = health;
    this.#announcers = announcers;
    this.#clock = clock;
    health.onChange(({ from, to, cause }) => {
      const level = to === 'failing' ? 'warn' : 'info';
      logger[level]({ service: instance.service, id: instance.id, from, to, cause }, 'health changed');
      this.#announce(cause);
    });
    health.onAdvice(({ from, to, cause }) => {
      logger.info(
        { service: instance.service, id: instance.id, from, to, cause },
        'an advisory probe changed',
      );
    });
  }

  get name(): string {
    return this.#instance.service;
  }

  beat: ServiceHealth['beat'] = (status, note) => this.#health.beat(status, note);

  /** Why the registries do not hold what is desired; empty when they do. */
  unreadyReasons(): readonly string[] {
    if (this.#health.state === 'starting')
      return [`${this.name} is starting: not enough checks have passed yet`];
    return this.#announcers
      .filter((announcer) => !announcer.settled)
      .map(({ registry, desired, error }) => {
        const wanted = desired === undefined ? 'deregistered from' : 'registered in';
        const cause = error === undefined ? `the registry is ${registry.state}` : messageOf(error);
        return `${this.name} is not yet ${wanted} ${registry.url}: ${printable(cause)}`;
      });
  }

  status(): ServiceStatus {
    const { service, id, endpoint } = this.#instance;
    return {
      name: service,
      id,
      address: formatHostPort(endpoint),
      health: this.#health.status(),
      registrations: this.#announcers.map((announcer) => this.#registrationStatus(announcer)),
    };
  }

  /** Stops probing, deregisters everywhere, and resolves when every registry has confirmed that or `signal` aborts. */
  async withdraw(cause: string, signal: AbortSignal): Promise<{ readonly unconfirmed: readonly string[] }> {
    await this.#health.close();
    for (const announcer of this.#announcers) announcer.announce(undefined, cause);
    const ends = await Promise.allSettled(
      this.#announcers.map((announcer) => announcer.untilSettled(signal)),
    );
    await Promise.all(this.#announcers.map((announcer) => announcer.close()));
    return { unconfirmed: this.#announcers.filter((_, i) => ends[i]?.status === 'rejected').map(nameOf) };
  }

  #announce(cause: string): void {
    const { state, listed } = this.#health;
    const instance = listed ? { ...this.#instance, status: state as InstanceStatus } : undefined;
    for (const announcer of this.#announcers) announcer.announce(instance, cause);
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

function nameOf({ service, registry }: Announcer): string {
  return `${service} in ${registry.url}`;
}
