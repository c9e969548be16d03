/**
 * Two different candidates by chance: the "two choices" of Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing" (2001). The first is drawn by weight, exactly; where nothing tells the two apart it is the one to take,
 * so that the weights hold.
 */
import { below, type Random } from '../../runtime/random.js';
import { AliasTable } from './alias-table.js';
import { haveEqualWeights, type Weighted } from './weights.js';

const TWO_TO_32 = 2 ** 32;

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

  /** A place among the candidates: at one of them, and so far along it. Uniform over all. */
  place(random: Random): number {
    return (random.next() * this.#count) / TWO_TO_32;
  }

  /** The index that a place leads to, with the chance of its weight. O(1). */
  first(place: number): number {
    return this.#table === undefined ? place >>> 0 : this.#table.at(place);
  }

  /**
   * Another index than `first`, with two candidates or more. Of equal weights, how far along the first one the place is
   * decides: one random number has enough bits for both. Of others it is drawn by weight, or evenly among the rest when
   * that drew the same; not drawn until it differs, which beside one heavy candidate could take for ever.
   */
  second(place: number, first: number, random: Random): number {
    if (this.#table === undefined) return skipping(first, ((place - first) * (this.#count - 1)) >>> 0);
    const drawn = this.#table.draw(random);
    return drawn === first ? skipping(first, below(random, this.#count - 1)) : drawn;
  }
}

/**
 * The index among all of one among the others. In signs and without a branch: which way it would go is chance, and a
 * processor that guesses wrong every other time loses more by it than all the rest of a draw costs.
 */
function skipping(left: number, other: number): number {
  return other + 1 + ((other - left) >> 31);
}
