/** The latest response times of a service, for hedging at its 95th percentile. */
const REMEMBERED = 200;
/** Fewer say nothing about a tail. */
const LEAST = 20;
/** Sorting is not for every request: the percentile is computed anew after so many answers. */
const REFRESHED_AFTER = 20;
const SHARE = 0.95;

export class Latencies {
  readonly #ring: number[] = [];
  #added = 0;
  #p95: number | undefined;

  add(latencyMs: number): void {
    this.#ring[this.#added % REMEMBERED] = latencyMs;
    this.#added++;
    if (this.#added >= LEAST && this.#added % REFRESHED_AFTER === 0)
      this.#p95 = percentile(this.#ring, SHARE);
  }

  /** In milliseconds; undefined until 20 requests were answered. */
  get p95(): number | undefined {
    return this.#p95;
  }
}

/** The smallest value that `share` of all values do not exceed (nearest rank). */
function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1];
}
