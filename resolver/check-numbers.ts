/** Options of policies that are numbers, checked all at once. */
import { BadInputError, describe } from '../runtime/expected.js';

export interface NumberRange {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** Throws BAD_INPUT that names every value which is outside of its range, by its key. */
export function checkNumbers(ranges: Readonly<Record<string, NumberRange>>): void {
  const problems = Object.entries(ranges)
    .filter(([, { value, min, max }]) => !(value >= min && value <= max))
    .map(([path, { value, min, max }]) => ({
      path,
      expected: `a number from ${min} to ${max}`,
      got: describe(value),
    }));
  if (problems.length > 0) throw new BadInputError(problems);
}
