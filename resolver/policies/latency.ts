/** How fast endpoints answer: of each one a peak-sensitive moving average, of all together the mean. */
import type { Endpoint, Instance } from '../../registry/contract.js';
import type { Clock } from '../../runtime/clock.js';
import type { Outcome, OutcomeDetails, Pick } from '../policy.js';
import { Load } from './load.js';

export interface LatencyRules {
  readonly tauMs: number;
  readonly penaltyMs: number;
}

/** The latency of everybody before the first answer. Any would do: all are equal until then. */
const UNKNOWN_MS = 1;

/** No answer counts as faster: with a latency of 0 what is in flight would no longer matter. */
const SHORTEST_MS = 0.1;

/** Below this share of tau the exponential is a straight line to 1 in 20,000, which costs a busy endpoint less. */
const NEARLY_NEW = 0.01;

/** The mean latency of the answers of a cluster, with the same memory as the average of one endpoint. */
export class ClusterLatency {
  readonly rules: LatencyRules;
  readonly clock: Clock;
  /** NaN until somebody answered. A number always: V8 then keeps it in place instead of allocating each anew. */
  #meanMs = Number.NaN;
  #measuredAt = 0;

  constructor(rules: LatencyRules, clock: Clock) {
    this.rules = rules;
    this.clock = clock;
  }

  get meanMs(): number {
    return Number.isNaN(this.#meanMs) ? UNKNOWN_MS : this.#meanMs;
  }

  observe(latencyMs: number, nowMs: number): void {
    const memory = this.memory(nowMs - this.#measuredAt);
    const excessMs = Number.isNaN(this.#meanMs) ? 0 : this.#meanMs - latencyMs;
    this.#meanMs = latencyMs + excessMs * memory;
    this.#measuredAt = nowMs;
  }

  /** What is left of a measurement after so long, from 1 to 0. */
  memory(ageMs: number): number {
    const age = ageMs / this.rules.tauMs;
    return age < NEARLY_NEW ? 1 - age : Math.exp(-age);
  }
}

export class AnsweringLoad extends Load {
  readonly #cluster: ClusterLatency;
  /** NaN until it was measured; see `ClusterLatency`. */
  #averageMs = Number.NaN;
  #measuredAt = Number.NaN;

  /** @param seedMs What to take for its latency before it was measured. Default: the mean of the cluster. */
  constructor(instance: Instance, trusted: boolean, cluster: ClusterLatency, seedMs = Number.NaN) {
    super(instance, trusted);
    this.#cluster = cluster;
    this.#averageMs = seedMs;
    this.#measuredAt = cluster.clock.now();
  }

  get isMeasured(): boolean {
    return !Number.isNaN(this.#averageMs);
  }

  /** The average as it is worth now: the older it is, the nearer to the mean of the cluster. */
  latencyMs(nowMs: number): number {
    const meanMs = this.#cluster.meanMs;
    if (!this.isMeasured) return meanMs;
    return meanMs + (this.#averageMs - meanMs) * this.#cluster.memory(nowMs - this.#measuredAt);
  }

  /** Lower is better: the latency to expect with what is in flight. */
  score(nowMs: number): number {
    return this.latencyMs(nowMs) * (1 + this.inFlight / this.weight);
  }

  /** @param startedMs When the request was picked. */
  answer(outcome: Outcome, startedMs: number, details: OutcomeDetails | undefined): void {
    this.end(outcome);
    const nowMs = this.#cluster.clock.now();
    const tookMs = latencyOf(details, nowMs - startedMs);
    if (outcome === 'ok') this.#answered(tookMs, nowMs);
    if (outcome === 'error') this.#failed(tookMs, nowMs);
  }

  /** A peak is believed at once, an improvement slowly. Blends what was measured, not what it faded to meanwhile. */
  #answered(tookMs: number, nowMs: number): void {
    this.#cluster.observe(tookMs, nowMs);
    const excessMs = this.isMeasured ? Math.max(this.#averageMs - tookMs, 0) : 0;
    this.#averageMs = tookMs + excessMs * this.#cluster.memory(nowMs - this.#measuredAt);
    this.#measuredAt = nowMs;
  }

  #failed(tookMs: number, nowMs: number): void {
    this.#averageMs = Math.max(tookMs, this.#cluster.rules.penaltyMs, this.latencyMs(nowMs));
    this.#measuredAt = nowMs;
  }
}

/** One request at an endpoint whose answers are timed. */
export class TimedPick implements Pick {
  readonly instance: Instance;
  readonly endpoint: Endpoint;
  readonly #startedMs: number;
  /** Undefined once it is done. */
  #load: AnsweringLoad | undefined;

  constructor(load: AnsweringLoad, startedMs: number) {
    this.instance = load.instance;
    this.endpoint = load.endpoint;
    this.#startedMs = startedMs;
    this.#load = load;
    load.begin();
  }

  answered(): void {
    this.#load?.trust();
  }

  done(outcome: Outcome, details?: OutcomeDetails): void {
    const load = this.#load;
    this.#load = undefined;
    load?.answer(outcome, this.#startedMs, details);
  }
}

/** What the caller reports, unless that is no time at all. */
function latencyOf(details: OutcomeDetails | undefined, sincePickMs: number): number {
  const latencyMs = details?.latencyMs ?? sincePickMs;
  return Math.max(Number.isFinite(latencyMs) ? latencyMs : sincePickMs, SHORTEST_MS);
}
