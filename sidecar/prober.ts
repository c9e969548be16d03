/**
 * Runs one probe for as long as it is open: asks it on a fixed schedule, turns the results into health, and
 * says what came of each. Never two checks at once: a check that lasts too long makes the next ones fall out,
 * it does not shift them.
 */
import { linkedAbort } from '../runtime/abort.js';
import type { Clock } from '../runtime/clock.js';
import { Doorbell } from '../runtime/doorbell.js';
import { PilotfishError } from '../runtime/errors.js';
import { Emitter, type Event } from '../runtime/events.js';
import { fraction, type Random } from '../runtime/random.js';
import type { ProbeSchedule } from './config/config.js';
import { type Health, type HealthState, isCounting, limitsFor, STARTING, step } from './health.js';
import type { Lag } from './loop-lag.js';
import type { CheckResult, Probe } from './probes/probe.js';

export interface ProberContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly lag: Lag;
}

export interface ProbeReport {
  readonly probe: string;
  readonly result: CheckResult;
  /** With this result counted. */
  readonly health: Health;
  /** Present when the result changed the state. */
  readonly transition?: { readonly from: HealthState; readonly to: HealthState };
}

/** A result as `/v1/status` shows it. */
export interface RecentResult extends CheckResult {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface ProbeStatus {
  readonly name: string;
  readonly type: Probe['type'];
  /** Whether it only reports. */
  readonly advisory: boolean;
  readonly state: HealthState;
  readonly successes: number;
  readonly failures: number;
  /** Checks that fell out because the one before them lasted too long. */
  readonly overruns: number;
  /** The newest last. */
  readonly recent: readonly RecentResult[];
}

/** How many results `/v1/status` shows. */
export const RECENT_RESULTS = 20;

export class Prober {
  readonly probe: Probe;
  readonly #schedule: ProbeSchedule;
  readonly #context: ProberContext;
  readonly #startedAt: number;
  readonly #results = new Emitter<ProbeReport>();
  readonly #skips = new Emitter<number>();
  readonly #recent: RecentResult[] = [];
  readonly #bell = new Doorbell();
  readonly #stop = linkedAbort();
  readonly #ended: Promise<void>;
  #health: Health;
  #overruns = 0;
  #isUrgent = false;

  /**
   * Starts at once; the first result comes later, so that there is time to listen. `close()` ends it. `initial` is
   * what it takes over from the prober that it replaces.
   */
  constructor(probe: Probe, schedule: ProbeSchedule, context: ProberContext, initial: Health = STARTING) {
    this.probe = probe;
    this.#health = initial;
    this.#schedule = schedule;
    this.#context = context;
    this.#startedAt = context.clock.now();
    probe.hold?.onEnd(() => this.#lookAtOnce());
    this.#ended = probe.pace === 'interval' ? this.#runOnSchedule() : this.#runOnEvents();
  }

  /** Fires after each check. */
  readonly onResult: Event<ProbeReport> = this.#results.event;

  /** Fires with the number of checks that fell out, when some did. */
  readonly onOverrun: Event<number> = this.#skips.event;

  get advisory(): boolean {
    return this.#schedule.advisory;
  }

  get health(): Health {
    return this.#health;
  }

  /** How long `fall` failures in a row last when each of them takes all its time. */
  get fallMs(): number {
    const { fall, fastIntervalMs } = this.#schedule;
    return fall * (this.probe.deadlineMs + fastIntervalMs);
  }

  get lastResult(): RecentResult | undefined {
    return this.#recent.at(-1);
  }

  status(): ProbeStatus {
    const { name, type } = this.probe;
    return {
      name,
      type,
      advisory: this.advisory,
      ...this.#health,
      overruns: this.#overruns,
      recent: [...this.#recent],
    };
  }

  /** Ends the check that runs and drops its result. Resolves when nothing runs any more. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', `the probe ${this.probe.name} was closed`));
    this.probe.hold?.close();
    await this.#ended;
  }

  async #runOnSchedule(): Promise<void> {
    const { clock, random } = this.#context;
    const { intervalMs, fastIntervalMs, jitter } = this.#schedule;
    let tickAt = this.#startedAt;
    let stepMs = intervalMs;
    await this.#sleepUntil(tickAt);
    while (!this.#stop.signal.aborted) {
      const now = clock.now();
      // A sleep that lasted too long, as in a stopped process, lets no check fall out.
      tickAt = this.#isUrgent ? now : tickAt + ticksBetween(tickAt, now, stepMs) * stepMs;
      this.#isUrgent = false;
      await this.#check();
      const endedAt = clock.now();
      this.#countOverrun(ticksBetween(tickAt, endedAt, intervalMs));
      stepMs = isCounting(this.#health) ? fastIntervalMs : intervalMs;
      tickAt += (ticksBetween(tickAt, endedAt, stepMs) + 1) * stepMs;
      await this.#sleepUntil(tickAt + stepMs * jitter * (2 * fraction(random) - 1));
    }
  }

  async #runOnEvents(): Promise<void> {
    while (!this.#stop.signal.aborted) await this.#check();
  }

  async #sleepUntil(time: number): Promise<void> {
    const { clock } = this.#context;
    await this.#bell.wait(clock, time - clock.now(), this.#stop.signal);
  }

  /** During a check: right after it. */
  #lookAtOnce(): void {
    this.#isUrgent = true;
    this.#bell.ring();
  }

  async #check(): Promise<void> {
    const startedAt = this.#context.clock.now();
    const result = await this.probe.check(this.#stop.signal);
    if (!this.#stop.signal.aborted) this.#accept(this.#excused(result, startedAt));
  }

  /** A failure that this process may have caused itself by standing still is no failure of the service. */
  #excused(result: CheckResult, startedAt: number): CheckResult {
    const stalledMs = Math.round(this.#context.lag.stalledSince(startedAt));
    if (result.status !== 'failing' || result.failure === 'nobody-listens') return result;
    if (stalledMs <= this.probe.deadlineMs / 2) return result;
    const reason = `the sidecar itself stood still for ${stalledMs} ms during the check`;
    return { status: 'unknown', reason, durationMs: result.durationMs };
  }

  #accept(result: CheckResult): void {
    const { clock } = this.#context;
    const before = this.#health;
    const inGrace = clock.now() - this.#startedAt < this.#schedule.startGraceMs;
    const health = step(before, result.status, limitsFor(before, result, this.#schedule), inGrace);
    this.#health = health;
    if (result.status === 'passing' || result.status === 'warning') this.probe.hold?.keep();
    if (result.failure === 'nobody-listens') this.probe.hold?.release();
    this.#recent.push({ at: clock.wallNow(), ...result });
    if (this.#recent.length > RECENT_RESULTS) this.#recent.shift();
    const report = { probe: this.probe.name, result, health };
    const transition = { from: before.state, to: health.state };
    this.#results.emit(before.state === health.state ? report : { ...report, transition });
  }

  #countOverrun(ticks: number): void {
    if (ticks === 0) return;
    this.#overruns += ticks;
    this.#skips.emit(ticks);
  }
}

/** How many whole intervals lie between a tick and now. */
function ticksBetween(tickAt: number, now: number, intervalMs: number): number {
  return Math.max(0, Math.floor((now - tickAt) / intervalMs));
}
