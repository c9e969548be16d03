/**
 * Random: each pick independent of all others, in proportion to the weights. Many clients cannot fall into step with
 * one another, at the price of a less even spread than round-robin over few picks.
 */
import { below, type Random } from '../../runtime/random.js';
import type { Pick, Picker, PickerDescription, Policy } from '../policy.js';
import { AliasTable } from './alias-table.js';
import { described } from './described.js';
import { preparedPicks } from './prepared-pick.js';
import { effectiveWeight, haveEqualWeights } from './weights.js';

class EvenChance implements Picker {
  readonly picks: readonly Pick[];
  readonly #random: Random;

  constructor(picks: readonly Pick[], random: Random) {
    this.picks = picks;
    this.#random = random;
  }

  pick(): Pick {
    const { picks } = this;
    return picks[below(this.#random, picks.length)] as Pick;
  }

  describe(): PickerDescription {
    return describedChance(this.picks);
  }
}

class WeightedChance implements Picker {
  readonly picks: readonly Pick[];
  readonly #table: AliasTable;
  readonly #random: Random;

  constructor(picks: readonly Pick[], random: Random) {
    this.picks = picks;
    this.#table = new AliasTable(picks.map(({ instance }) => effectiveWeight(instance)));
    this.#random = random;
  }

  pick(): Pick {
    return this.picks[this.#table.draw(this.#random)] as Pick;
  }

  describe(): PickerDescription {
    return describedChance(this.picks);
  }
}

function describedChance(picks: readonly Pick[]): PickerDescription {
  const members = picks.map(({ instance }) => instance);
  return described('random', 'by chance, by weight', members, (instance) => ({
    weight: effectiveWeight(instance),
  }));
}

const policy: Policy = {
  build(candidates, previous, { random }) {
    const isOurs = previous instanceof EvenChance || previous instanceof WeightedChance;
    const picks = preparedPicks(candidates, isOurs ? previous.picks : []);
    return haveEqualWeights(candidates) ? new EvenChance(picks, random) : new WeightedChance(picks, random);
  },
};

/** Plain when all weights are equal, by alias table otherwise: O(1), and nothing allocated per pick. */
export function random(): Policy {
  return policy;
}
