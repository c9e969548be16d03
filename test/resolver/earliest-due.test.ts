import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EarliestDue, randomPhases } from '../../resolver/policies/earliest-due.js';
import { seededRandom } from '../../runtime/random.js';

/** The definition itself: of all members the one that is due first. */
function* byDefinition(weights: readonly number[], phases: readonly number[]): Generator<number> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const due = phases.map((phase, member) => phase * (total / (weights[member] as number)));
  for (;;) {
    const member = due.indexOf(Math.min(...due));
    yield member;
    due[member] = (due[member] as number) + total / (weights[member] as number);
  }
}

const someWeights = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 65_535 }),
    fc.double({ min: 0.001, max: 65_535, noNaN: true }),
    fc.constant(0.001),
  ),
  { minLength: 1, maxLength: 50 },
);

describe('weighted turns', () => {
  it('fall to whoever is due first, always, for any weights and phases', () => {
    fc.assert(
      fc.property(someWeights, fc.nat(), (weights, seed) => {
        const phases = randomPhases(weights, seededRandom(seed + 1));
        const turns = new EarliestDue(weights, phases);
        const expected = byDefinition(weights, phases);
        for (let turn = 0; turn < 500; turn++) expect(turns.next()).toBe(expected.next().value);
      }),
    );
  });

  it('are not taken early when they are due in billions of turns (T3)', () => {
    const weights = [65_535, 65_535, 0.00002];
    for (const share of [0.2, 0.4, 0.6, 0.8, 1]) {
      const turns = new EarliestDue(weights, [0, 0.5, share]);
      expect(Array.from({ length: 1000 }, () => turns.next())).not.toContain(2);
      expect(turns.phases()[2]).toBeCloseTo(share, 6);
    }
  });

  it('go on where they stopped when they begin with the phases of the ones before', () => {
    const weights = [7, 3, 2.5, 0.1];
    const turns = new EarliestDue(weights, randomPhases(weights, seededRandom(3)));
    for (let turn = 0; turn < 1234; turn++) turns.next();
    const again = new EarliestDue(weights, turns.phases());
    for (let turn = 0; turn < 200; turn++) expect(again.next()).toBe(turns.next());
  });

  it('are exact for 10,000 members of different weights: each has its weight, give or take one', () => {
    const weights = Array.from({ length: 10_000 }, (_, n) => 1 + (n % 5) + n / 10_000);
    const turns = new EarliestDue(weights, randomPhases(weights, seededRandom(5)));
    const counts = new Int32Array(weights.length);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let turn = 0; turn < Math.round(total) * 20; turn++) {
      const member = turns.next();
      counts[member] = (counts[member] as number) + 1;
    }
    const off = weights.map((weight, member) => Math.abs((counts[member] as number) - 20 * weight));
    expect(Math.max(...off)).toBeLessThan(2);
  });
});
