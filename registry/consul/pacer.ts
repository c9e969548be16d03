/**
 * Keeps blocking queries from becoming a hot loop when the server does not block: a wrong index, a proxy that
 * answers at once, a service that does not exist (which wakes on every change of the catalog). A token bucket: two
 * queries in a row are free, then one a second, and one in two seconds while the answers bring nothing new.
 *
 * News is never late by more than a fraction of the time for which an instance that drains stays listed: whoever hears
 * of it later sends requests to an endpoint that is gone. In a rolling restart several such changes follow each other.
 */

const BURST = 2;
const INTERVAL_MS = 1000;
const SLOWEST_INTERVAL_MS = 2000;
/** After an answer that brought news. */
const NEWS_INTERVAL_MS = 50;

export class Pacer {
  #tokens = BURST;
  #intervalMs = INTERVAL_MS;
  #at: number | undefined;

  /** Takes the right to one query, and says how many milliseconds from `now` it has to wait. */
  take(now: number): number {
    const passedMs = now - (this.#at ?? now);
    this.#at = now;
    this.#tokens = Math.min(BURST, this.#tokens + passedMs / this.#intervalMs) - 1;
    return Math.max(0, -this.#tokens * this.#intervalMs);
  }

  /** Says whether the last answer brought anything. */
  answered(news: boolean): void {
    const slowerMs = Math.min(Math.max(this.#intervalMs * 1.25, INTERVAL_MS), SLOWEST_INTERVAL_MS);
    this.#intervalMs = news ? NEWS_INTERVAL_MS : slowerMs;
  }
}
