/**
 * Keeps one registration equal to what is desired: the part of the sidecar that writes. Probes and operators only set
 * *desired*; one serial loop makes *confirmed* equal to it, moves its state only after the registry has answered, and
 * looks again from time to time, because others write there too. One announcer per service and registry.
 */

import type { Instance, LostReason, Registration, Registry } from '../registry/contract.js';
import { sameInstance } from '../registry/instance.js';
import { abortable, linkedAbort } from '../runtime/abort.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { Doorbell } from '../runtime/doorbell.js';
import { isPilotfishError, messageOf, PilotfishError } from '../runtime/errors.js';
import { Emitter, type Event } from '../runtime/events.js';
import { formatHostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { fraction, jittered, type Random } from '../runtime/random.js';
import { TokenBucket } from './rate-limit.js';
import { untilVacant } from './vacancy.js';

/** How often a registration is read back: 30 s ± 30 %. */
const RECONCILE_MS = 30_000;
const RECONCILE_JITTER = 0.3;
/** After a failure. The first try is soon, and a fleet spreads. */
const RETRY = { baseMs: 200, capMs: 10_000 };
/**
 * A session or lease that ended may have taken a whole fleet's entries, which all come back at once: the moment is
 * shared out, so that a registry sees about so many registrations a second.
 */
const FLEET_WRITES_PER_SECOND = 1_000;
const FLEET_SIZE = 500;
/** Somebody deletes our entry again and again: one write a second, no more. */
const AFTER_DELETION_MS = 1_000;
/** Another process uses the same id: do not fight over it. */
const AFTER_CONFLICT = { baseMs: 20_000, capMs: 300_000 };
/** An entry that was ours for so long is not contested any more. */
const UNCONTESTED_MS = 2 * AFTER_CONFLICT.capMs;
/** An outage whose every attempt fails in another way is not told without end. */
const MAX_TOLD_CAUSES = 5;
/** Registering and updating. Deregistering is charged as well and never waits. */
const WRITES = { perSecond: 1, burst: 5 };

export interface AnnouncerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How many sidecars may lose their session together. Default 500. */
  readonly fleetSize?: number;
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
  readonly #losses = new Emitter<LostReason>();
  readonly #delays = new Emitter<void>();
  readonly #writes: TokenBucket;
  /** Causes of the present outage that are in the log. */
  readonly #told = new Set<string>();
  readonly #ended: Promise<void>;
  #desired: { readonly instance: Instance | undefined; readonly cause: string };
  #effect = linkedAbort();
  /** Ends the wait for the other process to go. */
  #vacancy = linkedAbort();
  #isDelayed = false;
  #registration: Registration | undefined;
  /** Whether it was asked to close: then nothing renews its entry any more, whatever the registry has answered. */
  #isClosing = false;
  #isRegistering = false;
  /** Of which a register that did not succeed may have left something. */
  #unfinished: Instance | undefined;
  #confirmedAt: number | undefined;
  #registeredAt: number | undefined;
  #ownedSince = 0;
  #error: unknown;
  #failures = 0;
  #conflicts = 0;
  #notBefore = 0;

  /** Starts at once with nothing desired. */
  constructor(registry: Registry, service: string, options: AnnouncerOptions) {
    this.service = service;
    this.registry = registry;
    this.#options = options;
    this.#writes = new TokenBucket(WRITES, options.clock);
    this.#desired = { instance: undefined, cause: 'not healthy yet' };
    this.#ended = this.#run();
  }

  /** Fires after each change of `confirmed`, `error` or `settled`. */
  readonly onChange: Event<void> = this.#changes.event;
  readonly onOperation: Event<OperationReport> = this.#operations.event;
  /** Fires when the entry is gone without having been deregistered. */
  readonly onLost: Event<LostReason> = this.#losses.event;
  /** Fires when a write has to wait because there were too many. */
  readonly onDelay: Event<void> = this.#delays.event;

  get desired(): Instance | undefined {
    return this.#desired.instance;
  }

  /** As the registry has last confirmed it; undefined when nothing of ours is there. */
  get confirmed(): Instance | undefined {
    return this.#registration?.instance;
  }

  /** Whether readers may see an entry of ours: a confirmed one, or one that is or was on its way. */
  get mayBeListed(): boolean {
    return this.confirmed !== undefined || this.#isRegistering || this.#unfinished !== undefined;
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

  /** Whether another process has the entry of our id. */
  get inConflict(): boolean {
    return isPilotfishError(this.#error, 'CONFLICT');
  }

  /** True when the registry holds what is desired. */
  get settled(): boolean {
    const { desired, confirmed } = this;
    if (desired === undefined) return !this.mayBeListed;
    if (confirmed === undefined || this.#isClosing) return false;
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
      const held = this.#heldMs();
      const wait = held > 0 ? held : await this.#reconcile();
      if (wait > 0) await this.#bell.wait(clock, wait, signal);
    }
  }

  /** How long the next step must wait, in ms. What is not to be listed never waits. */
  #heldMs(): number {
    if (this.desired === undefined) return 0;
    const heldMs = this.#notBefore - this.#options.clock.now();
    return heldMs > 0 || this.settled ? heldMs : this.#delayMs();
  }

  #delayMs(): number {
    const { waitMs } = this.#writes;
    if (waitMs > 0 && !this.#isDelayed) this.#delays.emit();
    this.#isDelayed = waitMs > 0;
    return waitMs;
  }

  /** One step towards what is desired. Returns how long to wait for the next one, in ms. */
  async #reconcile(): Promise<number> {
    const { random } = this.#options;
    const desired = this.#desired;
    this.#effect = linkedAbort();
    try {
      await this.#step(desired.instance, desired.cause, this.#effect.signal);
      this.#succeeded(desired.instance);
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
      else await this.#finish(signal);
    } else if (registration === undefined || this.#isClosing) {
      // What a handle that was asked to close has left is taken over in place.
      await this.#register(desired, cause, signal);
    } else if (!sameInstance(desired, registration.instance)) {
      await this.#call('update', () => registration.update(desired, { signal }));
      this.#log(desired, cause, 'updated');
    } else {
      await this.#confirm(registration, signal);
    }
  }

  async #register(instance: Instance, cause: string, signal: AbortSignal): Promise<void> {
    this.#vacancy.abort('the wait is over');
    this.#isRegistering = true;
    try {
      this.#own(await this.#call('register', () => this.registry.register(instance, { signal })));
    } catch (error) {
      if (this.registry.leftovers?.(instance) !== undefined) this.#unfinished = instance;
      throw error;
    } finally {
      this.#isRegistering = false;
      this.#changes.emit();
    }
    this.#log(instance, cause, 'registered');
  }

  #own(registration: Registration): void {
    const { clock } = this.#options;
    this.#registration = registration;
    this.#isClosing = false;
    this.#unfinished = undefined;
    this.#ownedSince = clock.now();
    this.#registeredAt = clock.wallNow();
    void registration.lost.then((reason) => this.#lost(registration, reason));
  }

  /** Waits until what an unfinished register may have left is known to be gone. */
  async #finish(signal: AbortSignal): Promise<void> {
    const leftovers = this.#unfinished && this.registry.leftovers?.(this.#unfinished);
    if (leftovers !== undefined) await abortable(leftovers, signal);
    this.#unfinished = undefined;
  }

  async #deregister(registration: Registration, cause: string): Promise<void> {
    this.#isClosing = true;
    await this.#call('deregister', () => registration.close({ signal: this.#stop.signal }));
    this.#forget();
    this.#log(registration.instance, cause, 'deregistered');
  }

  async #confirm(registration: Registration, signal: AbortSignal): Promise<void> {
    const found = await this.#call('confirm', () => registration.confirm({ signal }));
    if (found === 'changed') {
      this.#log(registration.instance, 'somebody changed the entry', 'repairing');
      await this.#call('update', () => registration.update(registration.instance, { signal }));
    }
    // The handle tells of it as well; where it does not, nothing else would.
    if (found === 'absent') this.#lost(registration, 'deleted');
  }

  #lost(registration: Registration, reason: LostReason): void {
    if (this.#registration !== registration) return;
    const { clock } = this.#options;
    const wait = this.#waitAfter(reason);
    this.#forget();
    this.#notBefore = clock.now() + wait;
    if (reason === 'taken') void this.#awaitVacancy(registration.instance);
    this.#error = new PilotfishError(reason === 'taken' ? 'CONFLICT' : 'UNAVAILABLE', LOST_TEXT[reason]);
    const fields = {
      ...this.#fields(registration.instance),
      cause: LOST_TEXT[reason],
      retryInMs: Math.round(wait),
    };
    this.#options.logger[reason === 'taken' ? 'error' : 'warn'](fields, 'lost the registration');
    this.#losses.emit(reason);
    this.#changes.emit();
    this.#bell.ring();
  }

  #waitAfter(reason: LostReason): number {
    const { clock, random, fleetSize = FLEET_SIZE } = this.#options;
    if (reason === 'expired') return (fraction(random) * fleetSize * 1000) / FLEET_WRITES_PER_SECOND;
    if (reason === 'deleted') return Math.max(0, this.#lastThereAt + AFTER_DELETION_MS - clock.now());
    if (clock.now() - this.#ownedSince > UNCONTESTED_MS) this.#conflicts = 0;
    return this.#conflictMs();
  }

  /** One that was deleted while it was being registered has not been confirmed yet. */
  get #lastThereAt(): number {
    return Math.max(this.#ownedSince, this.#confirmedAt ?? 0);
  }

  #conflictMs(): number {
    return AFTER_CONFLICT.baseMs / 2 + backoffMs(this.#conflicts++, AFTER_CONFLICT, this.#options.random);
  }

  /** The other process may go at any time: then there is nothing left to wait for. */
  async #awaitVacancy({ id }: Instance): Promise<void> {
    this.#vacancy = linkedAbort(this.#stop.signal);
    if (!(await untilVacant(this.registry, this.service, id, this.#vacancy.signal))) return;
    this.#notBefore = 0;
    this.#bell.ring();
  }

  #forget(): void {
    this.#registration = undefined;
    this.#isClosing = false;
    this.#registeredAt = undefined;
  }

  /** The registry answered. What it answered may be that the entry is lost, which has an error and a wait of its own. */
  #succeeded(desired: Instance | undefined): void {
    this.#failures = 0;
    this.#told.clear();
    const isLost = desired !== undefined && this.#registration === undefined;
    if (!isLost) this.#error = undefined;
    if (this.#registration !== undefined) this.#confirmedAt = this.#options.clock.now();
    this.#changes.emit();
  }

  #failed(error: unknown): number {
    const { random } = this.#options;
    const isHeld = this.#registration !== undefined && !this.#isClosing;
    const isContested = isPilotfishError(error, 'CONFLICT') && !isHeld;
    const wait = isContested ? this.#conflictMs() : backoffMs(this.#failures++, RETRY, random);
    this.#tell(messageOf(error));
    this.#error = error;
    this.#changes.emit();
    return wait;
  }

  /** Each cause once in an outage, however often they take turns. */
  #tell(cause: string): void {
    if (this.#told.has(cause) || this.#told.size === MAX_TOLD_CAUSES) return;
    this.#told.add(cause);
    const fields = { service: this.service, registry: this.registry.url, cause };
    this.#options.logger.warn(fields, 'the registry did not do what is desired, trying again');
  }

  async #call<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    if (operation !== 'confirm') this.#writes.take();
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
