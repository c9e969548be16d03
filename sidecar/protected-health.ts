/**
 * A service's health as it may be announced: what its probes say, except while one of two protections holds it. One
 * that flaps is held down (`hold-down.ts`); one that fell silent together with all others is held up for one fall more
 * (`mass-failure.ts`). One log line when a hold begins and one when it ends.
 */
import type { Clock } from '../runtime/clock.js';
import { Emitter, type Event } from '../runtime/events.js';
import type { Logger } from '../runtime/logger.js';
import { type HealthState, isListed } from './health.js';
import { afterReturn, CALM, type FlapState, isHeld } from './hold-down.js';
import { fellSilent, isSilence, type LocalService, type Neighbours } from './mass-failure.js';
import type { ProbeReport } from './prober.js';
import type { HealthChange, ServiceHealth } from './service-health.js';

export interface ProtectionOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** For the log, and the port that tells the services of a sidecar apart. */
  readonly instance: {
    readonly service: string;
    readonly id: string;
    readonly endpoint: { readonly port: number };
  };
}

/** What a reload may change. */
export interface Protections {
  readonly flapHoldDown: boolean;
  /** The services of this sidecar; undefined where a mass failure is to be believed. */
  readonly neighbours: Neighbours | undefined;
}

/**
 * - `flapping`: not listed although its probes pass.
 * - `mass-failure`: still listed although its probes fail.
 */
export const HOLD_REASONS = ['flapping', 'mass-failure'] as const;
export type HoldReason = (typeof HOLD_REASONS)[number];

/** A hold as `/v1/status` shows it. */
export interface HoldStatus {
  readonly reason: HoldReason;
  /** Milliseconds until it ends; 0 when it only waits for the next result. */
  readonly endsInMs: number;
}

interface Hold {
  readonly reason: HoldReason;
  /** What it passes for meanwhile. */
  readonly as: HealthState;
  readonly until: number;
  readonly cancel: () => void;
}

export class ProtectedHealth {
  readonly #options: ProtectionOptions;
  readonly #changes = new Emitter<HealthChange>();
  readonly #holds = new Emitter<HoldReason | undefined>();
  #health: ServiceHealth;
  #protections: Protections;
  #ends: readonly (() => void)[] = [];
  #flaps: FlapState = CALM;
  #hold: Hold | undefined;
  #state: HealthState;

  /** Follows the health at once, which stays its owner's. `close()` ends that. */
  constructor(health: ServiceHealth, protections: Protections, options: ProtectionOptions) {
    this.#options = options;
    this.#health = health;
    this.#protections = protections;
    this.#state = health.state;
    this.follow(health, protections);
  }

  /** Goes over to another health of the same instance, or to other protections. What was learnt is kept. */
  follow(health: ServiceHealth, protections: Protections): void {
    for (const end of this.#ends) end();
    this.#health = health;
    this.#protections = protections;
    const leave = protections.neighbours?.join(() => this.#look());
    this.#ends = [
      health.onChange((change) => this.#moved(change)),
      ...health.probers.map((prober) => prober.onResult((report) => this.#heard(report))),
      ...(leave === undefined ? [] : [leave]),
    ];
    if (this.#isSwitchedOff()) this.#release('it was switched off', 'the configuration changed');
    else this.#report('the configuration changed');
  }

  /** Fires after each change of `state`. */
  readonly onChange: Event<HealthChange> = this.#changes.event;

  /** Fires when a hold begins, with its reason, and when it ends. */
  readonly onHold: Event<HoldReason | undefined> = this.#holds.event;

  /** The health to announce. */
  get state(): HealthState {
    return this.#state;
  }

  get hold(): HoldStatus | undefined {
    if (this.#hold === undefined) return undefined;
    const { reason, until } = this.#hold;
    return { reason, endsInMs: Math.max(0, Math.round(until - this.#options.clock.now())) };
  }

  /** No change is reported after this call. Idempotent. */
  close(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#hold?.cancel();
  }

  #isSwitchedOff(): boolean {
    const { flapHoldDown, neighbours } = this.#protections;
    if (this.#hold === undefined) return false;
    return this.#hold.reason === 'flapping' ? !flapHoldDown : neighbours === undefined;
  }

  #look(): LocalService {
    return {
      port: this.#options.instance.endpoint.port,
      isListed: isListed(this.#state),
      isSilent: fellSilent(this.#health.probers),
    };
  }

  #moved({ from, to, cause }: HealthChange): void {
    if (!isListed(to)) this.#wentDown(cause);
    else if (this.#hold?.reason === 'mass-failure') this.#release('it passes again', cause);
    else if (from === 'failing') this.#cameBack(cause);
    this.#report(cause);
  }

  #wentDown(cause: string): void {
    if (!isListed(this.#state) || !this.#protections.neighbours?.allFellSilent()) return;
    const windowMs = Math.max(...this.#health.probers.map(({ fallMs }) => fallMs));
    this.#begin('mass-failure', this.#state, this.#options.clock.now() + windowMs, cause);
  }

  #cameBack(cause: string): void {
    const { clock } = this.#options;
    if (!this.#protections.flapHoldDown) return;
    this.#flaps = afterReturn(this.#flaps, clock.now());
    if (isHeld(this.#flaps, clock.now())) this.#begin('flapping', 'failing', this.#flaps.heldUntil, cause);
  }

  /** Silence is doubted until the time is over, and a success until the next failure. Any other failure is the end. */
  #heard({ result }: ProbeReport): void {
    const hold = this.#hold;
    if (hold?.reason !== 'mass-failure' || result.status !== 'failing') return;
    if (!isSilence(result)) this.#release('the failure is certain', result.reason);
    else if (this.#options.clock.now() >= hold.until) this.#release('it still fails', result.reason);
  }

  /** Begins a hold, or extends the one that runs. */
  #begin(reason: HoldReason, as: HealthState, until: number, cause: string): void {
    const isNew = this.#hold === undefined;
    this.#hold?.cancel();
    const ms = until - this.#options.clock.now();
    this.#hold = { reason, as, until, cancel: this.#options.clock.after(ms, () => this.#timeIsOver()) };
    if (!isNew) return;
    const fields = { ...this.#fields(), cause, holdMs: Math.round(ms) };
    this.#options.logger[reason === 'flapping' ? 'warn' : 'error'](fields, BEGINS[reason]);
    this.#holds.emit(reason);
  }

  #timeIsOver(): void {
    const { reason } = this.#hold as Hold;
    const isRising = this.#health.probers.some(({ health }) => health.successes > 0);
    if (reason === 'mass-failure' && isRising) return;
    const { cause = 'no result yet' } = this.#health.status();
    this.#release('its time is over', cause);
  }

  #release(why: string, cause: string): void {
    const { reason, cancel } = this.#hold as Hold;
    cancel();
    this.#hold = undefined;
    this.#options.logger.info(
      { ...this.#fields(), reason, cause, state: this.#health.state },
      `the hold ends: ${why}`,
    );
    this.#holds.emit(undefined);
    this.#report(cause);
  }

  #report(cause: string): void {
    const from = this.#state;
    const to = this.#hold?.as ?? this.#health.state;
    if (from === to) return;
    this.#state = to;
    this.#changes.emit({ from, to, cause });
  }

  #fields(): object {
    const { service, id } = this.#options.instance;
    return { service, id };
  }
}

const BEGINS: Readonly<Record<HoldReason, string>> = {
  flapping: 'it goes up and down: held back from the registries',
  'mass-failure':
    'every service of this sidecar fell silent at once: nothing is deregistered for one fall more',
};
