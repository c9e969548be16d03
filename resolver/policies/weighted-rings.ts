/**
 * Weighted round-robin: one ring for each weight that occurs, and weighted turns among the rings. Members
 * of one weight then need no bookkeeping of their own, and keep their order.
 */
import type { Instance } from '../../registry/contract.js';
import { fraction, type Random } from '../../runtime/random.js';
import { type Pick, type Picker, type PickerDescription, sameEndpoint } from '../policy.js';
import { described } from './described.js';
import { EarliestDue, randomPhases } from './earliest-due.js';
import { continueRing, type Ring } from './ring.js';
import { byWeight, effectiveWeight } from './weights.js';

export class WeightedRings implements Picker {
  readonly rings: readonly Ring[];
  readonly #turns: EarliestDue;

  constructor(rings: readonly Ring[], turns: EarliestDue) {
    this.rings = rings;
    this.#turns = turns;
  }

  pick(): Pick {
    return (this.rings[this.#turns.next()] as Ring).pick();
  }

  describe(): PickerDescription {
    const members = this.rings.flatMap((ring) => ring.upcoming());
    return described('round-robin', 'each in turn, by weight', members, (instance) => ({
      weight: effectiveWeight(instance),
    }));
  }

  /** For each ring how far away its next turn is, as a share of the time between two of its turns. */
  phases(): readonly number[] {
    return this.#turns.phases();
  }
}

/** What picked before: rings, and how far away the next turn of each was. */
export interface FormerRings {
  readonly rings: readonly Ring[];
  readonly phases: readonly number[];
}

/** Goes on where the former rings stopped. With none of their endpoints left it starts at a random place. */
export function weightedRings(
  candidates: readonly Instance[],
  former: FormerRings,
  random: Random,
): WeightedRings {
  const rings = [...byWeight(candidates)].map(([weight, members]) => {
    const previous = former.rings.find((ring) => ring.weight === weight);
    return continueRing(members, previous, random);
  });
  const weights = rings.map((ring) => ring.weight * ring.size);
  const waits = waitsOf(former);
  const inherited = rings.map((ring) => inheritedPhase(ring, waits));
  const phases = inherited.every((phase) => phase === undefined)
    ? randomPhases(weights, random)
    : inherited.map((phase) => phase ?? fraction(random));
  return new WeightedRings(rings, new EarliestDue(weights, phases));
}

interface Wait {
  readonly instance: Instance;
  /** Until the endpoint's own next pick, as a share of the time between two of its picks. */
  readonly share: number;
}

function waitsOf({ rings, phases }: FormerRings): ReadonlyMap<string, Wait> {
  const waits = new Map<string, Wait>();
  rings.forEach((ring, index) => {
    ring.upcoming().forEach((instance, place) => {
      waits.set(instance.id, { instance, share: ((phases[index] as number) + place) / ring.size });
    });
  });
  return waits;
}

/** The next turn of a ring is that of the member that waits least; undefined when none was there before. */
function inheritedPhase(ring: Ring, waits: ReadonlyMap<string, Wait>): number | undefined {
  let least: number | undefined;
  for (const instance of ring.upcoming()) {
    const wait = waits.get(instance.id);
    if (wait === undefined || !sameEndpoint(wait.instance, instance)) continue;
    if (least === undefined || wait.share < least) least = wait.share;
  }
  return least === undefined ? undefined : least * ring.size;
}
