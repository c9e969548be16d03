/**
 * Keeps one registration equal to what is desired: the part of the sidecar that writes. Probes and operators only set
 * *desired*; one serial loop makes *confirmed* equal to it, moves its state only after the registry has answered, and
 * looks again from time to time, because others write there too. One announcer per service and registry.
 */

import type { Instance, LostReason, Registration, Registry } from '../registry/contract.js';
import { sameInstance } from '../registry/instance.js';
import { linkedAbort } from '../runtime/abort.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { Doorbell } from '../runtime/doorbell.js';
import { messageOf, PilotfishError } from '../runtime/errors.js';
import { Emitter, type Event } from '../runtime/events.js';
import { formatHostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { fraction, jittered, type Random } from '../runtime/random.js';

/** How often a registration is read back: 30 s ± 30 %. */
const RECONCILE_MS = 30_000;
const RECONCILE_JITTER = 0.3;
/** After a failure. The first try is soon, and a fleet spreads. */
const RETRY = { baseMs: 200, capMs: 10_000 };
/** A session or lease that ended took a whole fleet's entries: the first moment is shared out. */
const AFTER_EXPIRY_MS = 500;
/** Somebody deletes our entry again and again: one write a second, no more. */
const AFTER_DELETION_MS = 1_000;
/** Another process uses the same id: do not fight over it. */
const AFTER_CONFLICT = { baseMs: 20_000, capMs: 300_000 };

export interface AnnouncerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type Operation = 'register' | 'update' | 'confirm' | 'deregister';

/** One finished call of the registry. */
export interface OperationReport {
  readonly operation: Operation;
  readonly result: 'ok' | 'error';
}

export class Announcer {
  readonly service: string;
  readonly registry: Registry;
  readonly #options: AnnouncerOptions;
  readonly #bell = new Doorbell();
  readonly #stop = linkedAbort();
  readonly #changes = new Emitter<void>();
  readonly #operations = new Emitter<OperationReport>();
  readonly #ended: Promise<void>;
  #desired: { readonly instance: Instance | undefined; readonly cause: string };
  #effect = linkedAbort();
  #registration: Registration | undefined;
  #confirmedAt: number | undefined;
  #registeredAt: number | undefined;
  #error: unknown;
  #failures = 0;
  #conflicts = 0;
  #notBefore = 0;

  /** Starts at once with nothing desired. */
  constructor(registry: Registry, service: string, options: AnnouncerOptions) {
    this.service = service;
    this.registry = registry;
    this.#options = options;
    this.#desired = { instance: undefined, cause: 'not healthy yet' };
    this.#ended = this.#run();
  }

  /** Fires after each change of `confirmed`, `error` or `settled`. */
  readonly onChange: Event<void> = this.#changes.event;
  readonly onOperation: Event<OperationReport> = this.#operations.event;

  get desired(): Instance | undefined {
    return this.#desired.instance;
  }

  /** As the registry has confirmed it; undefined when nothing of ours is there. */
  get confirmed(): Instance | undefined {
    return this.#registration?.instance;
  }

  /** When the registry last confirmed the entry, on the monotonic clock. */
  get confirmedAt(): number | undefined {
    return this.#confirmedAt;
  }

  /** When the entry was put there, in ms since the epoch. */
  get registeredAt(): number | undefined {
    return this.#registeredAt;
  }

  /** Why the last call failed; undefined when it did not. */
  get error(): unknown {
    return this.#error;
  }

  /** True when the registry holds what is desired. */
  get settled(): boolean {
    const { desired, confirmed } = this;
    if (desired === undefined || confirmed === undefined) return desired === confirmed;
    return sameInstance(desired, confirmed);
  }

  /** Sets what is desired: the instance as it shall be listed, or undefined for not at all. Returns at once. */
  announce(instance: Instance | undefined, cause: string): void {
    const before = this.#desired.instance;
    this.#desired = { instance, cause };
    if (before !== undefined && instance !== undefined && sameInstance(before, instance)) return;
    this.#effect.abort(new PilotfishError('CLOSED', 'something else is desired now'));
    this.#bell.ring();
    this.#changes.emit();
  }

  /** Resolves when the registry holds what is desired; rejects when the signal aborts. */
  async untilSettled(signal: AbortSignal): Promise<void> {
    while (!this.settled) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          stop();
          reject(signal.reason);
        };
        const stop = this.onChange(() => {
          stop();
          signal.removeEventListener('abort', onAbort);
          resolve();
        });
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort, { once: true });
      });
    }
  }

  /** Ends the loop; whatever is registered stays. Withdraw first: `announce(undefined)` and `untilSettled`. */
  async close(): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', 'the announcer was closed'));
    this.#effect.abort(this.#stop.signal.reason);
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const held = this.desired === undefined ? 0 : this.#notBefore - clock.now();
      const wait = held > 0 ? held : await this.#reconcile();
      if (wait > 0) await this.#bell.wait(clock, wait, signal);
    }
  }

  /** One step towards what is desired. Returns how long to wait for the next one, in ms. */
  async #reconcile(): Promise<number> {
    const { random } = this.#options;
    const desired = this.#desired;
    this.#effect = linkedAbort();
    try {
      await this.#step(desired.instance, desired.cause, this.#effect.signal);
      this.#succeeded();
      return this.settled ? jittered(RECONCILE_MS, RECONCILE_JITTER, random) : 0;
    } catch (error) {
      if (desired !== this.#desired || this.#stop.signal.aborted) return 0;
      return this.#failed(error);
    }
  }

  async #step(desired: Instance | undefined, cause: string, signal: AbortSignal): Promise<void> {
    const registration = this.#registration;
    if (desired === undefined) {
      if (registration !== undefined) await this.#deregister(registration, cause);
    } else if (registration === undefined) {
      await this.#register(desired, cause, signal);
    } else if (!sameInstance(desired, registration.instance)) {
      await this.#call('update', () => registration.update(desired, { signal }));
      this.#log(desired, cause, 'updated');
    } else {
      await this.#confirm(registration, signal);
    }
  }

  async #register(instance: Instance, cause: string, signal: AbortSignal): Promise<void> {
    const registration = await this.#call('register', () => this.registry.register(instance, { signal }));
    this.#registration = registration;
    this.#registeredAt = this.#options.clock.wallNow();
    void registration.lost.then((reason) => this.#lost(registration, reason));
    this.#log(instance, cause, 'registered');
  }

  async #deregister(registration: Registration, cause: string): Promise<void> {
    await this.#call('deregister', () => registration.close({ signal: this.#stop.signal }));
    this.#forget();
    this.#log(registration.instance, cause, 'deregistered');
  }

  async #confirm(registration: Registration, signal: AbortSignal): Promise<void> {
    const found = await this.#call('confirm', () => registration.confirm({ signal }));
    if (found === 'present') this.#conflicts = 0;
    if (found === 'changed') {
      this.#log(registration.instance, 'somebody changed the entry', 'repairing');
      await this.#call('update', () => registration.update(registration.instance, { signal }));
    }
  }

  #lost(registration: Registration, reason: LostReason): void {
    if (this.#registration !== registration) return;
    const { clock, random } = this.#options;
    this.#forget();
    const waits: Readonly<Record<LostReason, () => number>> = {
      expired: () => fraction(random) * AFTER_EXPIRY_MS,
      deleted: () => Math.max(0, (this.#confirmedAt ?? 0) + AFTER_DELETION_MS - clock.now()),
      taken: () => AFTER_CONFLICT.baseMs / 2 + backoffMs(this.#conflicts++, AFTER_CONFLICT, random),
    };
    const wait = waits[reason]();
    this.#notBefore = clock.now() + wait;
    this.#error = new PilotfishError(reason === 'taken' ? 'CONFLICT' : 'UNAVAILABLE', LOST_TEXT[reason]);
    const fields = {
      ...this.#fields(registration.instance),
      cause: LOST_TEXT[reason],
      retryInMs: Math.round(wait),
    };
    this.#options.logger[reason === 'taken' ? 'error' : 'warn'](fields, 'lost the registration');
    this.#changes.emit();
    this.#bell.ring();
  }

  #forget(): void {
    this.#registration = undefined;
    this.#registeredAt = undefined;
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#error = undefined;
    if (this.#registration !== undefined) this.#confirmedAt = this.#options.clock.now();
    this.#changes.emit();
  }

  #failed(error: unknown): number {
    const { logger, random } = this.#options;
    const wait = backoffMs(this.#failures++, RETRY, random);
    if (messageOf(error) !== (this.#error === undefined ? '' : messageOf(this.#error))) {
      const fields = { service: this.service, registry: this.registry.url, cause: messageOf(error) };
      logger.warn(fields, 'the registry did not do what is desired, trying again');
    }
    this.#error = error;
    this.#changes.emit();
    return wait;
  }

  async #call<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.#operations.emit({ operation, result: 'ok' });
      return result;
    } catch (error) {
      this.#operations.emit({ operation, result: 'error' });
      throw error;
    }
  }

  #log(instance: Instance, cause: string, what: string): void {
    this.#options.logger.info({ ...this.#fields(instance), cause }, what);
  }

  #fields(instance: Instance): object {
    const { id, endpoint } = instance;
    return { service: this.service, id, address: formatHostPort(endpoint), registry: this.registry.url };
  }
}

const LOST_TEXT: Readonly<Record<LostReason, string>> = {
  expired: 'session, lease or TTL ended',
  deleted: 'somebody deleted the entry',
  taken: 'another process registered the same id',
};
