/** What became of the requests of one service: plain integers, because every request that is watched increments some. */
import type { Outcome } from '../policy.js';
import { EJECTION_REASONS, type EjectionReason } from './endpoint-health.js';

/** Upper bounds of the latency buckets, in milliseconds; one more bucket has what is above all of them. */
export const LATENCY_BOUNDS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const;

export interface LatencyCounts {
  /** How many requests are in each bucket and in no lower one. */
  readonly buckets: readonly number[];
  readonly sumMs: number;
}

/** The counts of one moment. */
export interface OutcomeStatus {
  /** Picks that are not done. */
  readonly inFlight: number;
  readonly ended: Readonly<Record<Outcome, number>>;
  readonly ejections: Readonly<Record<EjectionReason, number>>;
  /** Times a panic began. */
  readonly panics: number;
  /** Of requests that were not cancelled. */
  readonly latency: LatencyCounts;
}

export class OutcomeCounts {
  inFlight = 0;
  panics = 0;
  readonly ejections = zeroOfEach(EJECTION_REASONS);
  readonly #ended: Record<Outcome, number> = { ok: 0, error: 0, cancelled: 0 };
  readonly #buckets: number[] = Array(LATENCY_BOUNDS_MS.length + 1).fill(0);
  #latencySumMs = 0;

  end(outcome: Outcome, latencyMs: number): void {
    this.inFlight--;
    this.#ended[outcome]++;
    if (outcome === 'cancelled') return;
    this.#latencySumMs += latencyMs;
    const at = bucketOf(latencyMs);
    this.#buckets[at] = (this.#buckets[at] as number) + 1;
  }

  read(): OutcomeStatus {
    return {
      inFlight: this.inFlight,
      ended: { ...this.#ended },
      ejections: { ...this.ejections },
      panics: this.panics,
      latency: { buckets: [...this.#buckets], sumMs: this.#latencySumMs },
    };
  }
}

function bucketOf(latencyMs: number): number {
  let at = 0;
  while (at < LATENCY_BOUNDS_MS.length && latencyMs > (LATENCY_BOUNDS_MS[at] as number)) at++;
  return at;
}

function zeroOfEach(reasons: readonly EjectionReason[]): Record<EjectionReason, number> {
  return Object.fromEntries(reasons.map((reason) => [reason, 0])) as Record<EjectionReason, number>;
}
