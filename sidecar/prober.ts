/**
 * Runs one probe for as long as it is open: asks it on a fixed schedule, turns the results into health, and
 * says what came of each. Never two checks at once: a check that lasts too long makes the next ones fall out,
 * it does not shift them.
 */
import { linkedAbort } from '../runtime/abort.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { PilotfishError } from '../runtime/errors.js';
import { Emitter, type Event } from '../runtime/events.js';
import { fraction, type Random } from '../runtime/random.js';
import type { ProbeSchedule } from './config/config.js';
import { type Health, type HealthState, STARTING, step } from './health.js';
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
  readonly #stop = linkedAbort();
  readonly #ended: Promise<void>;
  #health = STARTING;
  #overruns = 0;

  /** Starts at once; the first result comes later, so that there is time to listen. `close()` ends it. */
  constructor(probe: Probe, schedule: ProbeSchedule, context: ProberContext) {
    this.probe = probe;
    this.#schedule = schedule;
    this.#context = context;
    this.#startedAt = context.clock.now();
    this.#ended = probe.pace === 'interval' ? this.#runOnSchedule() : this.#runOnEvents();
  }

  /** Fires after each check. */
  readonly onResult: Event<ProbeReport> = this.#results.event;

  /** Fires with the number of checks that fell out, when some did. */
  readonly onOverrun: Event<number> = this.#skips.event;

  get health(): Health {
    return this.#health;
  }

  get lastResult(): RecentResult | undefined {
    return this.#recent.at(-1);
  }

  status(): ProbeStatus {
    const { name, type } = this.probe;
    return { name, type, ...this.#health, overruns: this.#overruns, recent: [...this.#recent] };
  }

  /** Ends the check that runs and drops its result. Resolves when nothing runs any more. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', `the probe ${this.probe.name} was closed`));
    await this.#ended;
  }

  async #runOnSchedule(): Promise<void> {
    const { clock, random } = this.#context;
    const { intervalMs, jitter } = this.#schedule;
    const spreadMs = intervalMs * jitter;
    let tickAt = this.#startedAt + fraction(random) * spreadMs;
    await this.#sleepUntil(tickAt);
    while (!this.#stop.signal.aborted) {
      // A sleep that lasted too long, as in a stopped process, lets no check fall out.
      tickAt += ticksBetween(tickAt, clock.now(), intervalMs) * intervalMs;
      await this.#check();
      const overrun = ticksBetween(tickAt, clock.now(), intervalMs);
      this.#countOverrun(overrun);
      tickAt += (overrun + 1) * intervalMs;
      await this.#sleepUntil(tickAt + spreadMs * (2 * fraction(random) - 1));
    }
  }

  async #runOnEvents(): Promise<void> {
    while (!this.#stop.signal.aborted) await this.#check();
  }

  async #sleepUntil(time: number): Promise<void> {
    const { clock } = this.#context;
    await sleep(clock, time - clock.now(), this.#stop.signal).catch(() => {});
  }

  async #check(): Promise<void> {
    const startedAt = this.#context.clock.now();
    const result = await this.probe.check(this.#stop.signal);
    if (!this.#stop.signal.aborted) this.#accept(this.#excused(result, startedAt));
  }

  /** A failure that this process may have caused itself by standing still is no failure of the service. */
  #excused(result: CheckResult, startedAt: number): CheckResult {
    const stalledMs = Math.round(this.#context.lag.stalledSince(startedAt));
    if (result.status !== 'failing' || stalledMs <= this.probe.deadlineMs / 2) return result;
    const reason = `the sidecar itself stood still for ${stalledMs} ms during the check`;
    return { status: 'unknown', reason, durationMs: result.durationMs };
  }

  #accept(result: CheckResult): void {
    const { clock } = this.#context;
    const from = this.#health.state;
    const inGrace = clock.now() - this.#startedAt < this.#schedule.startGraceMs;
    const health = step(this.#health, result.status, this.#schedule, inGrace);
    this.#health = health;
    this.#recent.push({ at: clock.wallNow(), ...result });
    if (this.#recent.length > RECENT_RESULTS) this.#recent.shift();
    const report = { probe: this.probe.name, result, health };
    this.#results.emit(
      from === health.state ? report : { ...report, transition: { from, to: health.state } },
    );
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
