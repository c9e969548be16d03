/**
 * What callers found out about one endpoint. An outlier is away for a time that grows with each relapse; then one request
 * is let through, and its outcome alone decides. An outcome counts only while the endpoint stands as it did when the
 * request was picked: what began before an ejection, or before the return, says nothing about now.
 */
import type { Instance } from '../../registry/contract.js';
import type { Clock } from '../../runtime/clock.js';
import { fraction, type Random } from '../../runtime/random.js';
import type { EjectionRules } from './rules.js';
import { Sample } from './sample.js';

/**
 * Why an endpoint is an outlier. `connect`: it refused a connection. `consecutive`: failures in a row. `success-rate`,
 * `latency`: compared with the others. `retry-after`: it asked for it. `probe`: the request let through at the end of an ejection
 * failed.
 */
export const EJECTION_REASONS = [
  'connect',
  'consecutive',
  'success-rate',
  'latency',
  'retry-after',
  'probe',
] as const;
export type EjectionReason = (typeof EJECTION_REASONS)[number];

/** Times are those of the monotonic clock. */
export interface Outlier {
  readonly reason: EjectionReason;
  /** When it was trusted last. */
  readonly sinceMs: number;
  /** From then on one request may find out whether it is back. */
  readonly untilMs: number;
}

export type Standing =
  | { readonly kind: 'trusted' }
  | { readonly kind: 'outlier'; readonly outlier: Outlier }
  /** One request is on its way; at `endsMs` it is given up, and another may be. */
  | { readonly kind: 'probing'; readonly outlier: Outlier; readonly endsMs: number };

/** A probe that nobody ever reports blocks the return of its endpoint no longer than this. */
export const PROBE_PATIENCE_MS = 30_000;

/** So long in good standing makes up for one ejection. */
export const FORGIVEN_AFTER_MS = 30_000;

const TRUSTED: Standing = { kind: 'trusted' };

export class EndpointHealth {
  readonly instance: Instance;
  readonly sample = new Sample();
  /** Grows whenever the standing changes. */
  epoch = 0;
  #standing: Standing = TRUSTED;
  #failuresInRow = 0;
  /** How often it was ejected lately. */
  #relapses = 0;
  #trustedSinceMs = 0;

  constructor(instance: Instance) {
    this.instance = instance;
  }

  get standing(): Standing {
    return this.#standing;
  }

  get outlier(): Outlier | undefined {
    return this.#standing.kind === 'trusted' ? undefined : this.#standing.outlier;
  }

  /**
   * @param clock Not the time: nearly every request succeeds at an endpoint in good standing, and needs no look at it.
   * @returns Whether the standing changed.
   */
  succeeded(clock: Clock): boolean {
    this.#failuresInRow = 0;
    if (this.#standing.kind === 'trusted') return false;
    this.#trustedSinceMs = clock.now();
    return this.#become(TRUSTED);
  }

  /** @returns Whether the standing changed. */
  failed(isFatal: boolean, nowMs: number, rules: EjectionRules, random: Random): boolean {
    this.#failuresInRow++;
    if (this.#standing.kind === 'probing') return this.condemn('probe', nowMs, rules, random);
    const enough = isFatal || this.#failuresInRow >= rules.consecutiveFailures;
    return enough && this.condemn(isFatal ? 'connect' : 'consecutive', nowMs, rules, random);
  }

  /** The one request ended without telling anything, so the next may. @returns Whether the standing changed. */
  probeWasted(): boolean {
    if (this.#standing.kind !== 'probing') return false;
    return this.#become({ kind: 'outlier', outlier: this.#standing.outlier });
  }

  /** The one request goes out; another where the one before was given up. */
  probe(nowMs: number): void {
    const standing = this.#standing;
    if (standing.kind === 'trusted' || (standing.kind === 'probing' && nowMs < standing.endsMs)) return;
    const { outlier } = standing;
    this.#become({ kind: 'probing', outlier, endsMs: nowMs + PROBE_PATIENCE_MS });
  }

  /**
   * One that is an outlier already stays what it is. It may have requests all the same, in a panic or because too many are
   * outliers, and their failures would only keep it away for long after everything works again.
   *
   * @returns Whether the standing changed.
   */
  condemn(reason: EjectionReason, nowMs: number, rules: EjectionRules, random: Random): boolean {
    if (this.#standing.kind === 'outlier') return false;
    const relapses = this.#relapsesAt(nowMs);
    this.#relapses = relapses + 1;
    const baseMs = reason === 'connect' ? rules.connectBaseMs : rules.baseMs;
    const untilMs = nowMs + ejectionMs(relapses, baseMs, rules.maxMs, random);
    return this.#condemned(reason, nowMs, untilMs);
  }

  /** The endpoint asked to be left alone for so long. That is no relapse. @returns Whether the standing changed. */
  rest(forMs: number, nowMs: number, { maxMs }: EjectionRules, random: Random): boolean {
    const untilMs = nowMs + Math.min(forMs * (1 + RETURN_SPREAD * fraction(random)), maxMs);
    if (untilMs <= (this.outlier?.untilMs ?? 0)) return false;
    return this.#condemned('retry-after', nowMs, untilMs);
  }

  #condemned(reason: EjectionReason, nowMs: number, untilMs: number): true {
    const sinceMs = this.outlier?.sinceMs ?? nowMs;
    return this.#become({ kind: 'outlier', outlier: { reason, sinceMs, untilMs } });
  }

  /** What was forgiven in the time since the last return is left out. */
  #relapsesAt(nowMs: number): number {
    if (this.#standing.kind !== 'trusted') return this.#relapses;
    return Math.max(0, this.#relapses - Math.floor((nowMs - this.#trustedSinceMs) / FORGIVEN_AFTER_MS));
  }

  #become(standing: Standing): true {
    this.#standing = standing;
    this.#failuresInRow = 0;
    this.sample.clear();
    this.epoch++;
    return true;
  }
}

/** Callers that were asked to come back at the same moment come a little later than that, and not together. */
const RETURN_SPREAD = 0.1;

/** Equal jitter (Brooker, AWS 2015): half is certain, half is chance; doubles with each relapse. */
export function ejectionMs(relapses: number, baseMs: number, maxMs: number, random: Random): number {
  const longest = Math.min(maxMs, baseMs * 2 ** Math.min(relapses, 30));
  return longest * (0.5 + fraction(random) / 2);
}
