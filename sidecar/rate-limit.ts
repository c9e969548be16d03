/**
 * Token buckets: so many at once, then so many a second. Alone, or one per key; a key that was never charged costs
 * nothing.
 */
import type { Clock } from '../runtime/clock.js';

export interface Rate {
  readonly perSecond: number;
  /** How many at once after a pause. */
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  readonly #clock: Clock;
  #tokens: number;
  /** The clock's `now()` when it held that many. */
  #at: number;

  /** Full. */
  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
    this.#tokens = rate.burst;
    this.#at = clock.now();
  }

  /** Whole milliseconds until there is a token; 0 when there is one. */
  get waitMs(): number {
    return Math.max(0, Math.ceil(((1 - this.#level()) / this.#rate.perSecond) * 1000));
  }

  /** Takes a token, whether or not there is one: what must not wait makes the next one wait longer. */
  take(): void {
    this.#tokens = this.#level() - 1;
    this.#at = this.#clock.now();
  }

  #level(): number {
    const { perSecond, burst } = this.#rate;
    return Math.min(burst, this.#tokens + ((this.#clock.now() - this.#at) / 1000) * perSecond);
  }
}

export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  allows(key: string): boolean {
    return (this.#buckets.get(key)?.waitMs ?? 0) === 0;
  }

  charge(key: string): void {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rate, this.#clock);
    this.#buckets.set(key, bucket);
    bucket.take();
  }
}
