import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Requirement } from '../../sidecar/config/config.js';
import {
  combine,
  HEALTH_STATES,
  type Health,
  type HealthState,
  STARTING,
  step,
} from '../../sidecar/health.js';
import { CHECK_STATUSES, type CheckStatus } from '../../sidecar/probes/verdict.js';

const LETTERS: Readonly<Record<string, CheckStatus>> = {
  P: 'passing',
  W: 'warning',
  F: 'failing',
  u: 'unknown',
};

/** The state after each result of a string such as `PPF`. */
function states(results: string, rise: number, fall: number): string {
  let health = STARTING;
  return [...results]
    .map((letter) => {
      health = step(health, LETTERS[letter] as CheckStatus, { rise, fall });
      return health.state[0];
    })
    .join('');
}

// States by their first letter: starting, passing, warning, failing.
describe('health by rise and fall', () => {
  test.each([
    ['counts from zero before it first passes', 'PPP', 3, 3, 'ssp'],
    ['passes at once with rise 1', 'P', 1, 1, 'p'],
    ['fails at once with fall 1', 'PF', 1, 1, 'pf'],
    ['fails from the start after fall failures', 'FFF', 2, 3, 'ssf'],
    ['needs the failures in a row', 'PFFPFFPFFF', 1, 3, 'pppppppppf'],
    ['needs the successes in a row', 'FPPFPPP', 3, 1, 'ffffffp'],
    ['a failure ends a row of successes at the start', 'PPFPPP', 3, 3, 'sssssp'],
    ['starts the count anew after a flip', 'PPFFPFPP', 2, 2, 'sppffffp'],
    ['takes a warning for a success and shows it', 'WWPW', 2, 1, 'swpw'],
    ['stays warning while failures are few', 'WFFP', 1, 3, 'wwwp'],
    ['lets unknown neither count nor interrupt', 'PuPFuuFuF', 2, 3, 'ssppppppf'],
  ])('%s', (_name, results, rise, fall, expected) => {
    expect(states(results, rise, fall)).toBe(expected);
  });

  test('in the start grace failures keep it starting, and end a row of successes', () => {
    const limits = { rise: 2, fall: 1 };
    const once = step(STARTING, 'passing', limits, true);
    const failed = step(once, 'failing', limits, true);
    expect(failed).toEqual(STARTING);
    expect(step(failed, 'passing', limits, true).state).toBe('starting');
    expect(step(failed, 'failing', limits, false).state).toBe('failing');
  });

  test('the start grace does not protect what has passed already', () => {
    const passing = step(STARTING, 'passing', { rise: 1, fall: 1 }, true);
    expect(step(passing, 'failing', { rise: 1, fall: 1 }, true).state).toBe('failing');
  });
});

/**
 * An independent model: it looks back over the whole history instead of counting along. The state flips at a result
 * that completes a run of `rise` successes or `fall` failures, unknowns left out, all of it since the last flip.
 */
function model(history: readonly CheckStatus[], rise: number, fall: number): HealthState {
  let listed: boolean | undefined;
  let sinceFlip: CheckStatus[] = [];
  let lastSuccess: HealthState = 'passing';
  for (const status of history.filter((each) => each !== 'unknown')) {
    sinceFlip = [...sinceFlip, status];
    if (status !== 'failing') lastSuccess = status as HealthState;
    const up = listed !== true && endsWith(sinceFlip, rise, (each) => each !== 'failing');
    const down = listed !== false && endsWith(sinceFlip, fall, (each) => each === 'failing');
    if (up || down) {
      listed = up;
      sinceFlip = [];
    }
  }
  if (listed === undefined) return 'starting';
  return listed ? lastSuccess : 'failing';
}

function endsWith(history: readonly CheckStatus[], n: number, is: (status: CheckStatus) => boolean): boolean {
  return history.length >= n && history.slice(-n).every(is);
}

const limitsArbitrary = fc.record({
  rise: fc.integer({ min: 1, max: 5 }),
  fall: fc.integer({ min: 1, max: 5 }),
});
const historyArbitrary = fc.array(fc.constantFrom(...CHECK_STATUSES), { maxLength: 60 });

describe('for any results', () => {
  test('health is what the model says after each of them', () => {
    fc.assert(
      fc.property(historyArbitrary, limitsArbitrary, (history, limits) => {
        let health: Health = STARTING;
        for (const [i, status] of history.entries()) {
          health = step(health, status, limits);
          expect(health.state).toBe(model(history.slice(0, i + 1), limits.rise, limits.fall));
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  test('at most one counter runs, below its limit', () => {
    fc.assert(
      fc.property(historyArbitrary, limitsArbitrary, fc.boolean(), (history, limits, inGrace) => {
        let health: Health = STARTING;
        for (const status of history) {
          health = step(health, status, limits, inGrace);
          expect(health.successes * health.failures).toBe(0);
          expect(health.successes).toBeLessThan(limits.rise);
          expect(health.failures).toBeLessThan(limits.fall);
        }
      }),
      { numRuns: 300, seed: 2 },
    );
  });
});

describe('the health of several probes', () => {
  test.each<[HealthState[], HealthState]>([
    [[], 'starting'],
    [['passing'], 'passing'],
    [['passing', 'passing'], 'passing'],
    [['passing', 'warning'], 'warning'],
    [['passing', 'starting'], 'starting'],
    [['warning', 'starting'], 'starting'],
    [['passing', 'warning', 'failing'], 'failing'],
    [['starting', 'failing'], 'failing'],
  ])('%j together are %s', (parts, whole) => {
    expect(combine(parts)).toBe(whole);
    expect(combine([...parts].reverse())).toBe(whole);
  });

  test.each<[HealthState[], Requirement, HealthState]>([
    [['passing', 'failing'], 'any', 'passing'],
    [['warning', 'failing'], 'any', 'warning'],
    [['starting', 'failing'], 'any', 'starting'],
    [['failing', 'failing'], 'any', 'failing'],
    [[], 'any', 'starting'],
    [['passing', 'passing', 'failing'], { atLeast: 2 }, 'passing'],
    [['passing', 'warning', 'failing'], { atLeast: 2 }, 'warning'],
    [['passing', 'starting', 'failing'], { atLeast: 2 }, 'starting'],
    [['passing', 'failing', 'failing'], { atLeast: 2 }, 'failing'],
  ])('%j, of which %j is required, are %s', (parts, requirement, whole) => {
    expect(combine(parts, requirement)).toBe(whole);
    expect(combine([...parts].reverse(), requirement)).toBe(whole);
  });

  test.each(HEALTH_STATES)('one that is %s decides alone', (state) => {
    expect(combine([state])).toBe(state);
  });
});
