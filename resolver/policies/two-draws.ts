/**
 * Two different candidates by chance: the "two choices" of Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing" (2001). The first is drawn by weight, exactly; where nothing tells the two apart it is the one to take,
 * so that the weights hold.
 */
import { below, type Random } from '../../runtime/random.js';
import { AliasTable } from './alias-table.js';
import { haveEqualWeights, type Weighted } from './weights.js';

export class TwoDraws {
  readonly #count: number;
  /** Undefined when all weights are equal. */
  readonly #table: AliasTable | undefined;

  /** @param candidates Of weights above 0. */
  constructor(candidates: readonly Weighted[]) {
    this.#count = candidates.length;
    this.#table = haveEqualWeights(candidates)
      ? undefined
      : new AliasTable(candidates.map(({ weight }) => weight));
  }

  /** An index, with the chance of its weight. O(1). */
  first(random: Random): number {
    return this.#table === undefined ? below(random, this.#count) : this.#table.draw(random);
  }

  /**
   * Another index than `first`, with two candidates or more: drawn by weight, or evenly among the others when that
   * drew the same. Not drawn until it differs, which beside one heavy candidate could take for ever.
   */
  second(first: number, random: Random): number {
    if (this.#table !== undefined) {
      const drawn = this.#table.draw(random);
      if (drawn !== first) return drawn;
    }
    const other = below(random, this.#count - 1);
    return other < first ? other : other + 1;
  }
}
