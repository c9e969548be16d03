/**
 * Weighted chance in constant time: the alias method (Walker 1977; Vose, "A Linear Algorithm for Generating Random
 * Numbers with a Given Distribution", 1991). Built in O(n). Each of n equal columns holds the chance of its own index
 * and gives the rest of itself to one other, so a draw looks at one column only.
 */
import type { Random } from '../../runtime/random.js';

const TWO_TO_32 = 2 ** 32;

/** What all of a column counts as. Its shares are whole numbers, so that a draw is decided by a sign. */
const FULL = 2 ** 30;

export class AliasTable {
  /** For each column the share that is its own, from 0 to FULL. */
  readonly #own: Int32Array;
  readonly #alias: Int32Array;

  /** @param weights At least one above 0, none below. */
  constructor(weights: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const own = Float64Array.from(weights, (weight) => (weight / total) * weights.length);
    this.#alias = Int32Array.from(weights.keys());
    this.#level(own);
    this.#own = Int32Array.from(own, (share) => Math.round(share * FULL));
  }

  /** An index, with the chance of its weight. */
  draw(random: Random): number {
    return this.at((random.next() * this.#own.length) / TWO_TO_32);
  }

  /**
   * The index that a place leads to, uniform from 0 to the number of columns. It serves both the column and the choice
   * within it, which is made without a branch: a processor cannot guess it, and would lose more by guessing than all the
   * rest costs.
   */
  at(place: number): number {
    const column = place >>> 0;
    const along = ((place - column) * FULL) >>> 0;
    const isOwn = (along - (this.#own[column] as number)) >> 31;
    const alias = this.#alias[column] as number;
    return alias ^ ((alias ^ column) & isOwn);
  }

  /** Fills every column that holds less than 1 from one that holds more, until all hold exactly 1. */
  #level(own: Float64Array): void {
    const low: number[] = [];
    const high: number[] = [];
    own.forEach((share, column) => {
      (share < 1 ? low : high).push(column);
    });
    while (low.length > 0 && high.length > 0) {
      const poor = low.pop() as number;
      const rich = high.at(-1) as number;
      this.#alias[poor] = rich;
      own[rich] = (own[rich] as number) - (1 - (own[poor] as number));
      if ((own[rich] as number) < 1) low.push(high.pop() as number);
    }
    // What rounding left over is a full column that was nearly 1.
    for (const column of [...low, ...high]) own[column] = 1;
  }
}
