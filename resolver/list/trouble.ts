/**
 * Whether a registry's word that somebody is gone is worth less than usual. One that was away comes back with what it has
 * left: a wiped server is filled again by sessions that have to end first, a restored one lists what was true once.
 */
import type { Clock } from '../../runtime/clock.js';

/** For how long after it came back a registry is in trouble: longer than a session takes to end and be made anew. */
export const TROUBLE_MS = 30_000;

export class Trouble {
  readonly #clock: Clock;
  #lastMs = -Infinity;
  #revision = -Infinity;
  #wasStale = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be told of every list and every break. @param isStale Whether a list in use cannot be confirmed now. */
  noteUpdate(isStale: boolean): void {
    if (isStale || this.#wasStale) this.#lastMs = this.#clock.now();
    this.#wasStale = isStale;
  }

  /** To be told of every change. A revision that goes back begins another life of the data. */
  noteRevision(revision: number): void {
    if (revision < this.#revision) this.#lastMs = this.#clock.now();
    this.#revision = revision;
  }

  get isThere(): boolean {
    return this.#wasStale || this.#clock.now() - this.#lastMs < TROUBLE_MS;
  }
}
