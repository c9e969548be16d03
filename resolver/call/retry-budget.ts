/**
 * How many requests may be sent on top of those that were asked for. When everything fails, retries multiply the load
 * that made it fail; a budget that grows with the requests keeps that factor near 1.
 *
 * Within any `ttlMs`, at most `ratio` of the requests plus `perSecond` for each second may be retries or hedges (the
 * budget of Finagle, `RetryBudget`). The second part lets a quiet service retry at all; one that was quiet may spend it
 * in one burst. Three are always allowed (Envoy's `min_retry_concurrency`), counted within the window and not as retries
 * at a time: three at a time that each fail within a millisecond are thousands a second.
 */
import { checkNumbers } from '../check-numbers.js';
import { WindowCount } from './window-count.js';

export interface RetryBudgetOptions {
  /** Retries for each request. 0 to 1, default 0.2. */
  readonly ratio?: number;
  /** Retries a second that are allowed however few requests there are. Default 10. */
  readonly perSecond?: number;
  /** How long a request counts, in milliseconds. 1000 to 60000, default 10000. */
  readonly ttlMs?: number;
}

/** Fewer in a window would mean that a quiet service never retries. */
const LEAST_PER_WINDOW = 3;

export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  readonly #requests: WindowCount;
  readonly #spent: WindowCount;

  /** Throws BAD_INPUT for numbers that are out of range. */
  constructor({ ratio = 0.2, perSecond = 10, ttlMs = 10_000 }: RetryBudgetOptions = {}) {
    checkNumbers({
      ratio: { value: ratio, min: 0, max: 1 },
      perSecond: { value: perSecond, min: 0, max: 1_000_000 },
      ttlMs: { value: ttlMs, min: 1000, max: 60_000 },
    });
    this.#ratio = ratio;
    this.#reserve = (perSecond * ttlMs) / 1000;
    this.#requests = new WindowCount(ttlMs);
    this.#spent = new WindowCount(ttlMs);
  }

  /** A request was asked for. @param nowMs Monotonic, in milliseconds. */
  deposit(nowMs: number): void {
    this.#requests.add(nowMs);
  }

  /** True when one more may be sent now; it is then spent. */
  withdraw(nowMs: number): boolean {
    const earned = this.#reserve + this.#ratio * this.#requests.total(nowMs);
    if (this.#spent.total(nowMs) + 1 > Math.max(earned, LEAST_PER_WINDOW)) return false;
    this.#spent.add(nowMs);
    return true;
  }
}
