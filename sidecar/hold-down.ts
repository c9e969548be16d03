/**
 * A service that goes up and down would drag its entry along, and every caller's list with it. Each return after a
 * fall costs it a point of penalty, and the penalty decays with time: route-flap damping, as of RFC 2439. Above a limit
 * its return is held back until the penalty has decayed, and at least for a time that doubles with each hold. A fall is
 * never held back. Pure functions of (state, event, now).
 */

export interface HoldDownSettings {
  /** The penalty halves in this time. */
  readonly halfLifeMs: number;
  /** A return that lifts the penalty above this is held back. */
  readonly suppressAbove: number;
  /** The penalty has to decay to this before the hold ends. */
  readonly reuseAt: number;
  /** The least first hold. The least doubles with each further one. */
  readonly firstHoldMs: number;
  /** No hold lasts longer after the last return. After as long a calm the doubling begins anew. */
  readonly maxHoldMs: number;
}

/**
 * Three returns within moments are a bad deployment and pass at once; the fourth within about 15 s is held back for
 * half a minute. One that flaps every two seconds for a minute comes back about 100 s after it has stopped.
 */
export const HOLD_DOWN: HoldDownSettings = {
  halfLifeMs: 30_000,
  suppressAbove: 3,
  reuseAt: 2,
  firstHoldMs: 10_000,
  maxHoldMs: 300_000,
};

/** Times are the clock's `now()`. */
export interface FlapState {
  /** As of `at`. */
  readonly penalty: number;
  readonly at: number;
  /** Holds since the last long calm. */
  readonly holds: number;
  /** The end of the hold, or of the last one. */
  readonly heldUntil: number;
}

export const CALM: FlapState = { penalty: 0, at: 0, holds: 0, heldUntil: Number.NEGATIVE_INFINITY };

export function isHeld(state: FlapState, now: number): boolean {
  return now < state.heldUntil;
}

export function penaltyAt({ penalty, at }: FlapState, now: number, settings = HOLD_DOWN): number {
  return penalty * 2 ** ((at - now) / settings.halfLifeMs);
}

/** The state after a return from a fall. Whether that return is held back, `isHeld` says. */
export function afterReturn(state: FlapState, now: number, settings = HOLD_DOWN): FlapState {
  const penalty = penaltyAt(state, now, settings) + 1;
  const holds = now - state.heldUntil > settings.maxHoldMs ? 0 : state.holds;
  const next = { ...state, penalty, at: now, holds };
  if (isHeld(state, now)) return { ...next, heldUntil: endOf(next, state.heldUntil - now, settings) };
  if (penalty <= settings.suppressAbove) return next;
  return { ...next, holds: holds + 1, heldUntil: endOf(next, settings.firstHoldMs * 2 ** holds, settings) };
}

function endOf({ penalty, at }: FlapState, leastMs: number, settings: HoldDownSettings): number {
  const decayMs = settings.halfLifeMs * Math.log2(penalty / settings.reuseAt);
  return at + Math.min(Math.max(decayMs, leastMs), settings.maxHoldMs);
}
