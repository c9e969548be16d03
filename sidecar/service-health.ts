/**
 * One service's health, made of its probes': all must pass. Each change comes with its cause in a sentence,
 * so that a log line or a status page never has to guess.
 */
import { Emitter, type Event } from '../runtime/events.js';
import { combine, type HealthState, isListed } from './health.js';
import type { ProbeReport, Prober, ProbeStatus } from './prober.js';
import { type BeatStatus, isTtlProbe } from './probes/ttl.js';

export interface HealthChange {
  readonly from: HealthState;
  readonly to: HealthState;
  /** Which probe put the service into this state, and why. Printable, one line. */
  readonly cause: string;
}

export interface ServiceHealthStatus {
  readonly state: HealthState;
  /** Why the state is what it is; undefined before the first change. */
  readonly cause: string | undefined;
  readonly probes: readonly ProbeStatus[];
}

export class ServiceHealth {
  readonly service: string;
  readonly probers: readonly Prober[];
  readonly #changes = new Emitter<HealthChange>();
  #state: HealthState;
  #cause: string | undefined;

  /** Owns the probers: `close()` ends them. */
  constructor(service: string, probers: readonly Prober[]) {
    this.service = service;
    this.probers = probers;
    this.#state = this.#combined();
    for (const prober of probers) prober.onResult((report) => this.#update(report));
  }

  /** Fires after each change of `state`. */
  readonly onChange: Event<HealthChange> = this.#changes.event;

  get state(): HealthState {
    return this.#state;
  }

  /** Whether the service may be listed. */
  get listed(): boolean {
    return isListed(this.#state);
  }

  /** Hands a heartbeat to the service's TTL probes. False when it has none. */
  beat(status: BeatStatus, note?: string): boolean {
    const waiting = this.probers.map(({ probe }) => probe).filter(isTtlProbe);
    for (const probe of waiting) probe.beat(status, note);
    return waiting.length > 0;
  }

  status(): ServiceHealthStatus {
    return { state: this.#state, cause: this.#cause, probes: this.probers.map((prober) => prober.status()) };
  }

  /** Ends every probe; no change is reported after this call. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.probers.map((prober) => prober.close()));
  }

  #update(report: ProbeReport): void {
    const from = this.#state;
    const to = this.#combined();
    if (from === to) return;
    this.#state = to;
    this.#cause = this.#explain(to, report);
    this.#changes.emit({ from, to, cause: this.#cause });
  }

  /**
   * Names a probe that is in the new state itself: the one that just reported, or else the one that holds it
   * there.
   */
  #explain(to: HealthState, report: ProbeReport): string {
    if (report.health.state === to) return sentence(report.probe, to, report.result.reason);
    const holding = this.probers.find(({ health }) => health.state === to) as Prober;
    return sentence(holding.probe.name, to, holding.lastResult?.reason ?? 'no result yet');
  }

  #combined(): HealthState {
    return combine(this.probers.map(({ health }) => health.state));
  }
}

function sentence(probe: string, state: HealthState, reason: string): string {
  return `probe ${probe} is ${state}: ${reason}`;
}
