/**
 * What callers found out about the endpoints of one service, and who of them may be picked now. Starts no timer: whatever
 * falls due is seen by the next pick, and without one it makes no difference.
 */
import type { Instance } from '../../registry/contract.js';
import { ejectionChannel, panicChannel } from '../channels.js';
import { EndpointStates } from '../policies/endpoint-states.js';
import type { Outcome, OutcomeDetails, PolicyContext } from '../policy.js';
import { EndpointHealth, type Outlier } from './endpoint-health.js';
import { type Exclusions, exclusions } from './exclusions.js';
import type { OutcomeCounts } from './outcome-counts.js';
import type { EjectionRules } from './rules.js';
import { outstanding } from './sample.js';

const NO_DETAILS: OutcomeDetails = {};
const NOBODY: Exclusions<EndpointHealth> = { ejected: new Set(), isPanic: false };

export class PassiveHealth {
  readonly #service: string;
  readonly #rules: EjectionRules;
  readonly #counts: OutcomeCounts;
  readonly #context: PolicyContext;
  #candidates: readonly Instance[] = [];
  #states: EndpointStates<EndpointHealth> | undefined;
  #exclusions = NOBODY;
  /** For each that is ejected what it was ejected for. */
  #known: ReadonlyMap<EndpointHealth, Outlier> = new Map();
  #pickable: readonly Instance[] = [];
  #revision = 0;
  #isOutdated = false;
  /** When somebody who is ejected may be let through; Infinity when nobody waits. */
  #dueAt = Number.POSITIVE_INFINITY;
  #sweepAt: number;

  constructor(service: string, rules: EjectionRules, counts: OutcomeCounts, context: PolicyContext) {
    this.#service = service;
    this.#rules = rules;
    this.#counts = counts;
    this.#context = context;
    this.#sweepAt = context.clock.now() + rules.sample.intervalMs;
  }

  /** The list changed. What is known of an endpoint survives that, and up to a minute of absence. */
  list(candidates: readonly Instance[]): void {
    const create = (instance: Instance): EndpointHealth => new EndpointHealth(instance);
    this.#candidates = candidates;
    this.#states = new EndpointStates(candidates, this.#states, this.#context.clock.now(), create);
    this.#isOutdated = true;
  }

  /** Takes in what changed or fell due. O(n) then, O(1) otherwise. @returns A number that grows when `pickable` changed. */
  review(nowMs: number): number {
    if (nowMs >= this.#sweepAt) this.#sweep(nowMs);
    if (this.#isOutdated || nowMs >= this.#dueAt) this.#review(nowMs);
    return this.#revision;
  }

  /**
   * As of the last review, those who may be picked: all but the ejected, and of these the ones that are due for a probe.
   * The same array for the same revision.
   */
  get pickable(): readonly Instance[] {
    return this.#pickable;
  }

  get isPanic(): boolean {
    return this.#exclusions.isPanic;
  }

  /** How the endpoints stand now; whoever asks sees what fell due since the last pick. */
  now(): Exclusions<EndpointHealth> {
    this.review(this.#context.clock.now());
    return this.#exclusions;
  }

  summary(): { readonly outliers: number; readonly ejected: number; readonly panic: boolean } {
    const { ejected, isPanic } = this.now();
    const outliers = this.#healths.filter(({ outlier }) => outlier !== undefined);
    return { outliers: outliers.length, ejected: ejected.size, panic: isPanic };
  }

  healthOf(instance: Instance): EndpointHealth | undefined {
    return this.#states?.find(instance);
  }

  /** Endpoints that something is known of: those listed, and those that left lately. */
  get size(): number {
    return this.#states?.size ?? 0;
  }

  /** A request was picked. One to an ejected endpoint is its probe. */
  began(health: EndpointHealth, nowMs: number): void {
    this.#counts.inFlight++;
    if (!this.#exclusions.ejected.has(health)) return;
    health.probe(nowMs);
    this.#isOutdated = true;
  }

  /** A probe that is answered well has shown what it was sent for, however long the answer goes on. */
  answered(health: EndpointHealth, epoch: number, latencyMs: number | undefined): void {
    if (epoch !== health.epoch || health.standing.kind !== 'probing') return;
    const details = latencyMs === undefined ? NO_DETAILS : { latencyMs };
    if (this.#rules.classify('ok', details) !== 'success') return;
    health.succeeded(this.#context.clock);
    this.#isOutdated = true;
  }

  /** @param epoch That of the endpoint after `began`. @param startedMs When it was picked. */
  ended(
    health: EndpointHealth,
    epoch: number,
    startedMs: number,
    outcome: Outcome,
    details: OutcomeDetails = NO_DETAILS,
  ): void {
    const latencyMs = details.latencyMs ?? this.#context.clock.now() - startedMs;
    this.#counts.end(outcome, latencyMs);
    if (epoch === health.epoch && this.#learn(health, outcome, details, latencyMs)) this.#isOutdated = true;
  }

  /** @returns Whether the endpoint's standing changed. */
  #learn(health: EndpointHealth, outcome: Outcome, details: OutcomeDetails, latencyMs: number): boolean {
    const { clock, random } = this.#context;
    const verdict = this.#rules.classify(outcome, details);
    if (verdict === 'neutral') return health.probeWasted();
    const restMs = details.retryAfterMs ?? 0;
    if (restMs > 0) return health.rest(restMs, clock.now(), this.#rules, random);
    if (verdict === 'success') {
      health.sample.succeeded++;
      health.sample.latencySumMs += latencyMs;
      return health.succeeded(clock);
    }
    health.sample.failed++;
    return health.failed(verdict === 'fatal', clock.now(), this.#rules, random);
  }

  #sweep(nowMs: number): void {
    this.#sweepAt = nowMs + this.#rules.sample.intervalMs;
    const trusted = this.#healths.filter(({ standing }) => standing.kind === 'trusted');
    for (const [health, reason] of outstanding(trusted, this.#rules)) {
      health.condemn(reason, nowMs, this.#rules, this.#context.random);
      this.#isOutdated = true;
    }
    for (const { sample } of this.#healths) sample.clear();
  }

  #review(nowMs: number): void {
    this.#isOutdated = false;
    this.#revision++;
    const outliers = this.#healths.filter(({ outlier }) => outlier !== undefined);
    const before = this.#exclusions;
    this.#exclusions = exclusions(this.#candidates.length, outliers, this.#rules);
    this.#dueAt = earliest([...this.#exclusions.ejected].map((health) => dueAt(health, nowMs)));
    this.#pickable = this.#usable(nowMs);
    if (before.isPanic !== this.#exclusions.isPanic) this.#tellPanic(outliers.length);
    this.#tellEjections(nowMs);
  }

  #usable(nowMs: number): readonly Instance[] {
    const { ejected } = this.#exclusions;
    if (ejected.size === 0) return this.#candidates;
    const healths = this.#healths;
    return this.#candidates.filter((_, at) => isUsable(healths[at] as EndpointHealth, ejected, nowMs));
  }

  get #healths(): readonly EndpointHealth[] {
    return this.#states?.current ?? [];
  }

  #tellPanic(outliers: number): void {
    const { isPanic } = this.#exclusions;
    if (isPanic) this.#counts.panics++;
    if (!panicChannel.hasSubscribers) return;
    const event = isPanic ? 'begins' : 'ends';
    panicChannel.publish({ service: this.#service, event, endpoints: this.#candidates.length, outliers });
  }

  #tellEjections(nowMs: number): void {
    const before = this.#known;
    const { ejected } = this.#exclusions;
    if (before.size === 0 && ejected.size === 0) return;
    const known = new Map([...ejected].map((health) => [health, health.outlier as Outlier]));
    this.#known = known;
    for (const [health, outlier] of known) {
      if (before.get(health) === outlier) continue;
      this.#counts.ejections[outlier.reason]++;
      this.#tell('ejected', health, outlier, Math.max(0, outlier.untilMs - nowMs));
    }
    const listed = new Set(this.#healths);
    for (const [health, outlier] of before) {
      if (!known.has(health) && listed.has(health)) this.#tell('returned', health, outlier, 0);
    }
  }

  #tell(
    event: 'ejected' | 'returned',
    { instance }: EndpointHealth,
    { reason }: Outlier,
    forMs: number,
  ): void {
    if (!ejectionChannel.hasSubscribers) return;
    ejectionChannel.publish({ service: this.#service, instance, event, reason, forMs });
  }
}

function earliest(times: readonly number[]): number {
  return times.reduce((first, time) => Math.min(first, time), Number.POSITIVE_INFINITY);
}

/** When the endpoint may get a request again. One that is due already waits for a pick, not for time. */
function dueAt({ standing }: EndpointHealth, nowMs: number): number {
  if (standing.kind === 'trusted') return Number.POSITIVE_INFINITY;
  const at = standing.kind === 'probing' ? standing.endsMs : standing.outlier.untilMs;
  return at > nowMs ? at : Number.POSITIVE_INFINITY;
}

function isUsable(health: EndpointHealth, ejected: ReadonlySet<EndpointHealth>, nowMs: number): boolean {
  return !ejected.has(health) || dueAt(health, nowMs) === Number.POSITIVE_INFINITY;
}
