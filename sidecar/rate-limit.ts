/**
 * A token bucket per key: so many at once, then so many a second. A key that was never charged costs nothing.
 */
import type { Clock } from '../runtime/clock.js';

export interface Rate {
  readonly perSecond: number;
  /** How many at once after a pause. */
  readonly burst: number;
}

interface Bucket {
  readonly tokens: number;
  /** The clock's `now()` when it held that many. */
  readonly at: number;
}

export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  allows(key: string): boolean {
    return this.#tokens(key) >= 1;
  }

  charge(key: string): void {
    this.#buckets.set(key, { tokens: this.#tokens(key) - 1, at: this.#clock.now() });
  }

  #tokens(key: string): number {
    const { perSecond, burst } = this.#rate;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.tokens + ((this.#clock.now() - bucket.at) / 1000) * perSecond);
  }
}
