/**
 * How long to wait before trying again: full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015), which
 * spreads a fleet that lost the same registry at the same moment. For endless loops; bounded calls use p-retry.
 */
import { fraction, type Random } from './random.js';

export interface BackoffLimits {
  /** The ceiling of the first wait, in milliseconds. */
  readonly baseMs: number;
  /** No wait is ever longer, in milliseconds. */
  readonly capMs: number;
}

/** A wait in [0, min(capMs, baseMs * 2^attempt)); `attempt` counts failures in a row, the first is 0. */
export function backoffMs(attempt: number, limits: BackoffLimits, random: Random): number {
  return fraction(random) * Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(attempt, 30));
}
