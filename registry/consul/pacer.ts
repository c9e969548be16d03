/**
 * Keeps blocking queries from becoming a hot loop when the server does not block: a wrong index, a proxy that
 * answers at once, a service that does not exist (which wakes on every change of the catalog). A token bucket: two
 * queries in a row are free, then one a second, and one in two seconds while the answers bring nothing new.
 */

const BURST = 2;
const INTERVAL_MS = 1000;
const SLOWEST_INTERVAL_MS = 2000;

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
    this.#intervalMs = news ? INTERVAL_MS : Math.min(this.#intervalMs * 1.25, SLOWEST_INTERVAL_MS);
  }
}
