/**
 * Health from results: `rise` successes in a row make a probe healthy, counted from zero at the start, and
 * `fall` failures in a row make it unhealthy. Everything here is a pure function.
 */
import type { Requirement } from './config/config.js';
import type { CheckStatus, Verdict } from './probes/verdict.js';

/**
 * - `starting`: not decided yet; not listed.
 * - `passing`, `warning`: listed. Which of the two, the last success says.
 * - `failing`: not listed.
 */
export const HEALTH_STATES = ['starting', 'passing', 'warning', 'failing'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

export interface Health {
  readonly state: HealthState;
  /**
   * Results of one kind in a row that speak against the state, or for leaving `starting`. One of them is 0.
   */
  readonly successes: number;
  readonly failures: number;
}

export interface HealthLimits {
  /** Successes in a row that make it healthy, at least 1. */
  readonly rise: number;
  /** Failures in a row that make it unhealthy, at least 1. */
  readonly fall: number;
}

export const STARTING: Health = { state: 'starting', successes: 0, failures: 0 };

export function isListed(state: HealthState): state is 'passing' | 'warning' {
  return state === 'passing' || state === 'warning';
}

/**
 * Nobody listens where somebody did: that is the whole row of failures at once. A service that is still starting
 * does not listen yet, which proves nothing.
 */
export function limitsFor(health: Health, verdict: Verdict, limits: HealthLimits): HealthLimits {
  const isConclusive = verdict.failure === 'nobody-listens' && isListed(health.state);
  return isConclusive ? { rise: limits.rise, fall: 1 } : limits;
}

/** Whether results are being counted towards another state: the moment to look more often. */
export function isCounting({ successes, failures }: Health): boolean {
  return successes + failures > 0;
}

/**
 * The health after one more result. `unknown` changes nothing. `inGrace` is true while failures of a service
 * that is still starting are expected: they end a row of successes and are not counted.
 */
export function step(health: Health, status: CheckStatus, limits: HealthLimits, inGrace = false): Health {
  if (status === 'unknown') return health;
  if (status === 'failing') return afterFailure(health, limits.fall, inGrace);
  return afterSuccess(health, status, limits.rise);
}

function afterSuccess(health: Health, status: 'passing' | 'warning', rise: number): Health {
  if (isListed(health.state)) return { state: status, successes: 0, failures: 0 };
  const successes = health.successes + 1;
  if (successes >= rise) return { state: status, successes: 0, failures: 0 };
  return { state: health.state, successes, failures: 0 };
}

function afterFailure(health: Health, fall: number, inGrace: boolean): Health {
  if (health.state === 'failing' || (health.state === 'starting' && inGrace)) {
    return { state: health.state, successes: 0, failures: 0 };
  }
  const failures = health.failures + 1;
  if (failures >= fall) return { state: 'failing', successes: 0, failures: 0 };
  return { state: health.state, successes: 0, failures };
}

/**
 * The health of a service from that of the probes that decide. It is listed while as many as required are;
 * `passing` when so many say so without a warning. It fails when no probe that is still starting could change
 * that. A service without any stays `starting`, since nothing ever said that it works.
 */
export function combine(states: readonly HealthState[], requirement: Requirement = 'all'): HealthState {
  const count = (...of: readonly HealthState[]): number =>
    states.filter((state) => of.includes(state)).length;
  const required = requiredOf(requirement, states.length);
  if (states.length > 0 && count('passing') >= required) return 'passing';
  if (states.length > 0 && count('passing', 'warning') >= required) return 'warning';
  return count('passing', 'warning', 'starting') >= required ? 'starting' : 'failing';
}

/** How many of so many probes have to be listed. */
export function requiredOf(requirement: Requirement, probes: number): number {
  if (requirement === 'all') return probes;
  return requirement === 'any' ? Math.min(1, probes) : requirement.atLeast;
}
