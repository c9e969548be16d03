import { describe, expect, test } from 'vitest';
import { below, seededRandom } from '../../runtime/random.js';
import { afterReturn, CALM, type FlapState, HOLD_DOWN, isHeld, penaltyAt } from '../../sidecar/hold-down.js';

const SECOND = 1000;

/** The state after returns at these times, in seconds. */
function after(...seconds: readonly number[]): FlapState {
  return seconds.reduce((state, at) => afterReturn(state, at * SECOND), CALM);
}

/** How long the last of these returns is held back, in seconds. */
function holdOf(...seconds: readonly number[]): number {
  return Math.max(0, after(...seconds).heldUntil / SECOND - (seconds.at(-1) as number));
}

function every(seconds: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i * seconds);
}

describe('a return is not held back', () => {
  test.each<[string, number[]]>([
    ['the first', [0]],
    ['the third within a second', [0, 0.4, 0.8]],
    ['three deployments in three minutes, two restarts each', [0, 5, 60, 65, 120, 125]],
    ['a restart every 30 s for an hour', every(30, 120)],
  ])('%s', (_, times) => {
    for (let n = 1; n <= times.length; n++) expect(holdOf(...times.slice(0, n))).toBe(0);
  });
});

describe('a return is held back', () => {
  test.each<[string, number[], number, number]>([
    ['the fourth within 3 s, for half a minute', [0, 1, 2, 3], 25, 30],
    ['the fourth within 12 s', [0, 4, 8, 12], 20, 27],
    ['the thirtieth of one every 2 s, for about 100 s', every(2, 30), 85, 110],
    ['one of ten a second, for no more than five minutes', every(0.1, 36_000), 200, 300],
  ])('%s', (_, times, least, most) => {
    expect(holdOf(...times)).toBeGreaterThanOrEqual(least);
    expect(holdOf(...times)).toBeLessThanOrEqual(most);
  });
});

test('the penalty halves every half-life', () => {
  const state = after(0, 0, 0);
  expect(state.penalty).toBe(3);
  expect(penaltyAt(state, HOLD_DOWN.halfLifeMs)).toBe(1.5);
  expect(penaltyAt(state, 2 * HOLD_DOWN.halfLifeMs)).toBe(0.75);
});

test('the least hold doubles with each hold, up to the cap, and begins anew after a long calm', () => {
  const { firstHoldMs, maxHoldMs } = HOLD_DOWN;
  let state = CALM;
  let now = 0;
  const leasts: number[] = [];
  for (let round = 0; round < 8; round++) {
    while (!isHeld(state, now)) state = afterReturn(state, ++now);
    leasts.push(Math.round(state.heldUntil - now));
    now = state.heldUntil;
  }
  const expected = leasts.map((_, i) => Math.min(firstHoldMs * 2 ** i, maxHoldMs));
  for (const [i, least] of leasts.entries()) expect(least).toBeGreaterThanOrEqual(expected[i] as number);
  expect(leasts.slice(-3)).toEqual([maxHoldMs, maxHoldMs, maxHoldMs]);
  const calm = afterReturn(state, now + maxHoldMs + 1);
  expect(calm.holds).toBe(0);
});

test('returns during a hold may lengthen it and never shorten it', () => {
  let state = after(0, 1, 2, 3);
  for (let second = 5; second < 60; second += 2) {
    const next = afterReturn(state, second * SECOND);
    expect(next.heldUntil).toBeGreaterThanOrEqual(state.heldUntil);
    expect(next.holds).toBe(1);
    state = next;
  }
});

test('whatever the history, no hold lasts longer than the cap after the last return', () => {
  const random = seededRandom(11);
  let state = CALM;
  let now = 0;
  let held = 0;
  for (let i = 0; i < 20_000; i++) {
    now += below(random, 2) === 0 ? below(random, 3_000) : below(random, 200_000);
    state = afterReturn(state, now);
    if (isHeld(state, now)) held++;
    expect(state.heldUntil).toBeLessThanOrEqual(now + HOLD_DOWN.maxHoldMs);
    expect(Number.isFinite(state.penalty)).toBe(true);
  }
  expect(held).toBeGreaterThan(100);
});
