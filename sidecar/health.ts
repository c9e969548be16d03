/**
 * Health from results: `rise` successes in a row make a probe healthy, counted from zero at the start, and
 * `fall` failures in a row make it unhealthy. Everything here is a pure function.
 */
import type { CheckStatus } from './probes/verdict.js';

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
 * The health of a service from that of its probes: all must pass, and one that warns makes it warn. A service
 * without any stays `starting`, since nothing ever said that it works.
 */
export function combine(states: readonly HealthState[]): HealthState {
  if (states.includes('failing')) return 'failing';
  if (states.length === 0 || states.includes('starting')) return 'starting';
  return states.includes('warning') ? 'warning' : 'passing';
}
