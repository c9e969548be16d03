/**
 * Random: each pick independent of all others, in proportion to the weights. Many clients cannot fall into step with
 * one another, at the price of a less even spread than round-robin over few picks.
 */
import type { Instance } from '../../registry/contract.js';
import { below, type Random } from '../../runtime/random.js';
import type { Pick, Picker, PickerDescription, Policy } from '../policy.js';
import { AliasTable } from './alias-table.js';
import { described } from './described.js';
import { preparedPicks } from './prepared-pick.js';
import { effectiveWeight, haveEqualWeights } from './weights.js';

class EvenChance implements Picker {
  readonly #picks: readonly Pick[];
  readonly #random: Random;

  constructor(candidates: readonly Instance[], random: Random) {
    this.#picks = preparedPicks(candidates);
    this.#random = random;
  }

  pick(): Pick {
    const picks = this.#picks;
    return picks[below(this.#random, picks.length)] as Pick;
  }

  describe(): PickerDescription {
    return describedChance(this.#picks);
  }
}

class WeightedChance implements Picker {
  readonly #picks: readonly Pick[];
  readonly #table: AliasTable;
  readonly #random: Random;

  constructor(candidates: readonly Instance[], random: Random) {
    this.#picks = preparedPicks(candidates);
    this.#table = new AliasTable(candidates.map(effectiveWeight));
    this.#random = random;
  }

  pick(): Pick {
    return this.#picks[this.#table.draw(this.#random)] as Pick;
  }

  describe(): PickerDescription {
    return describedChance(this.#picks);
  }
}

function describedChance(picks: readonly Pick[]): PickerDescription {
  const members = picks.map(({ instance }) => instance);
  return described('random', 'by chance, by weight', members, (instance) => ({
    weight: effectiveWeight(instance),
  }));
}

const policy: Policy = {
  build(candidates, _previous, { random }) {
    return haveEqualWeights(candidates)
      ? new EvenChance(candidates, random)
      : new WeightedChance(candidates, random);
  },
};

/** Plain when all weights are equal, by alias table otherwise: O(1), and nothing allocated per pick. */
export function random(): Policy {
  return policy;
}
