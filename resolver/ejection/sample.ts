/**
 * What endpoints did in one interval, and who of them stands out. Compared with the median and not with mean and standard
 * deviation, as Envoy does: three bad endpoints of ten widen the deviation so far that none of them stands out any more.
 */
import type { EjectionRules } from './rules.js';

/** The requests of one endpoint in one interval. */
export class Sample {
  succeeded = 0;
  failed = 0;
  /** Of the successes. */
  latencySumMs = 0;

  get requests(): number {
    return this.succeeded + this.failed;
  }

  get successRate(): number {
    return this.succeeded / this.requests;
  }

  get latencyMs(): number {
    return this.latencySumMs / this.succeeded;
  }

  clear(): void {
    this.succeeded = 0;
    this.failed = 0;
    this.latencySumMs = 0;
  }
}

export interface Sampled {
  readonly sample: Sample;
}

/** Those that stand out, each with what it stands out by; O(n log n). */
export function outstanding<E extends Sampled>(
  endpoints: readonly E[],
  { sample: { minRequests, minEndpoints }, successRate, latency }: EjectionRules,
): ReadonlyMap<E, 'success-rate' | 'latency'> {
  const found = new Map<E, 'success-rate' | 'latency'>();
  const busy = endpoints.filter(({ sample }) => sample.requests >= minRequests);
  if (busy.length < minEndpoints) return found;
  if (latency !== false) {
    const answering = busy.filter(({ sample }) => sample.succeeded >= minRequests);
    const limitMs = Math.max(
      latency.minMs,
      latency.above * median(answering, ({ sample }) => sample.latencyMs),
    );
    for (const each of answering) if (each.sample.latencyMs > limitMs) found.set(each, 'latency');
  }
  if (successRate !== false) {
    const limit = successRate.below * median(busy, ({ sample }) => sample.successRate);
    for (const each of busy) if (each.sample.successRate < limit) found.set(each, 'success-rate');
  }
  return found;
}

/** The upper one of two; 0 of none. */
function median<E>(items: readonly E[], measure: (item: E) => number): number {
  const values = Float64Array.from(items, measure).sort();
  return values[values.length >> 1] ?? 0;
}
