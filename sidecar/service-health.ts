/**
 * One service's health, made of its probes' as its configuration requires. Each change comes with its cause in a sentence,
 * so that a log line or a status page never has to guess.
 */
import { Emitter, type Event } from '../runtime/events.js';
import type { Requirement } from './config/config.js';
import { combine, type HealthState, isListed, requiredOf } from './health.js';
import type { ProbeReport, Prober, ProbeStatus, RecentResult } from './prober.js';
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
  readonly #requirement: Requirement;
  readonly #deciding: readonly Prober[];
  readonly #changes = new Emitter<HealthChange>();
  readonly #advice = new Emitter<HealthChange>();
  #state: HealthState;
  #cause: string | undefined;

  /** Owns the probers: `close()` ends them. */
  constructor(service: string, probers: readonly Prober[], requirement: Requirement = 'all') {
    this.service = service;
    this.probers = probers;
    this.#requirement = requirement;
    this.#deciding = probers.filter(({ advisory }) => !advisory);
    this.#state = this.#combined();
    for (const prober of probers) {
      prober.onResult((report) => (prober.advisory ? this.#advise(report) : this.#update(report)));
    }
  }

  /** Fires after each change of `state`. */
  readonly onChange: Event<HealthChange> = this.#changes.event;

  /** Fires after each change of an advisory probe, which does not change `state`. */
  readonly onAdvice: Event<HealthChange> = this.#advice.event;

  get state(): HealthState {
    return this.#state;
  }

  /** Whether the service may be listed. */
  get listed(): boolean {
    return isListed(this.#state);
  }

  /**
   * Whether as many of the probes that ask the service have had a good answer as have to. A health that was taken over may
   * be listed before that. Heartbeats are not asked for, and not waited for.
   */
  get hasAnswered(): boolean {
    const asking = this.#deciding.filter(({ probe }) => probe.pace === 'interval');
    const answered = asking.filter(({ lastResult }) => isGood(lastResult));
    const required = requiredOf(this.#requirement, this.#deciding.length);
    return answered.length >= Math.min(required, asking.length);
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
    this.#suspectHolds(report);
    const from = this.#state;
    const to = this.#combined();
    if (from === to) return;
    this.#state = to;
    this.#cause = this.#explain(to, report);
    this.#changes.emit({ from, to, cause: this.#cause });
  }

  #advise(report: ProbeReport): void {
    this.#suspectHolds(report);
    const { transition, probe, result } = report;
    if (transition === undefined) return;
    this.#advice.emit({ ...transition, cause: sentence(probe, transition.to, result.reason) });
  }

  /** The connection that one probe holds may keep another from its answer. */
  #suspectHolds({ result }: ProbeReport): void {
    if (result.failure === 'timeout') for (const { probe } of this.probers) probe.hold?.suspect();
  }

  /**
   * Names a probe that is in the new state itself: the one that just reported, or else the one that holds it
   * there.
   */
  #explain(to: HealthState, report: ProbeReport): string {
    if (report.health.state === to) return sentence(report.probe, to, report.result.reason);
    const holding = this.#deciding.find(({ health }) => health.state === to) as Prober;
    return sentence(holding.probe.name, to, holding.lastResult?.reason ?? 'no result yet');
  }

  #combined(): HealthState {
    return combine(
      this.#deciding.map(({ health }) => health.state),
      this.#requirement,
    );
  }
}

function isGood(result: RecentResult | undefined): boolean {
  return result?.status === 'passing' || result?.status === 'warning';
}

function sentence(probe: string, state: HealthState, reason: string): string {
  return `probe ${probe} is ${state}: ${reason}`;
}
