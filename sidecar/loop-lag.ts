/**
 * How long this process's event loop stood still: a probe must not fail a service for a stall of our own
 * (garbage collection, a starved CPU, a stopped process). One slow tick serves all probes; what the tick is
 * late by is the lag.
 *
 * A stall is seen short by at most one tick, never long. A stall that has not let the tick run yet is counted
 * too, which matters because the timers of the checks are due at the same moment.
 */
import type { Clock } from '../runtime/clock.js';

/** What a prober asks. Times are the clock's `now()`. */
export interface Lag {
  /**
   * The sum of all stalls since `time`, in milliseconds: many short ones starve a check as well as a long
   * one.
   */
  stalledSince(time: number): number;
}

export const LAG_TICK_MS = 100;

/** Timers are late by this much on a quiet machine. */
const NOISE_MS = 5;

/** Longer ago than any check can have started. */
const REMEMBERED_MS = 120_000;

interface Stall {
  readonly endedAt: number;
  readonly ms: number;
}

export class LoopLag implements Lag {
  readonly #clock: Clock;
  #stalls: Stall[] = [];
  #tickDueAt = 0;
  #cancel: () => void = () => {};

  /** Starts at once. `close()` ends it. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#schedule();
  }

  stalledSince(time: number): number {
    return this.#since(time).reduce((sum, stall) => sum + stall.ms, 0);
  }

  /** The longest single stall since `time`, in milliseconds. */
  maxSince(time: number): number {
    return this.#since(time).reduce((max, stall) => Math.max(max, stall.ms), 0);
  }

  close(): void {
    this.#cancel();
  }

  #schedule(): void {
    this.#tickDueAt = this.#clock.now() + LAG_TICK_MS;
    this.#cancel = this.#clock.after(LAG_TICK_MS, () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#stalls = this.#stalls.filter((stall) => now - stall.endedAt < REMEMBERED_MS);
    const late = this.#late(now);
    if (late > 0) this.#stalls.push({ endedAt: now, ms: late });
    this.#schedule();
  }

  /** A stall that began before `time` counts only from there. */
  #since(time: number): Stall[] {
    const now = this.#clock.now();
    return [...this.#stalls, { endedAt: now, ms: this.#late(now) }]
      .filter((stall) => stall.endedAt > time)
      .map(({ endedAt, ms }) => ({ endedAt, ms: Math.min(ms, endedAt - time) }));
  }

  #late(now: number): number {
    const late = now - this.#tickDueAt;
    return late > NOISE_MS ? late : 0;
  }
}
