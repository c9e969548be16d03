/**
 * Weighted turns: a member of weight w is due every 1 / w of a virtual time common to all, and whoever is due first
 * has its turn (earliest deadline first, as in weighted fair queueing: Demers, Keshav, Shenker 1989). In any stretch of
 * as many turns as the weights add up to, each member has exactly as many as its weight, and they are spread evenly.
 *
 * Members begin at random phases. With equal phases the light members would all be due at the same moment, at the end
 * of a run of heavy ones, and every client would begin with the heaviest.
 *
 * A binary heap on typed arrays: O(log n) a turn for n members, nothing allocated.
 */
import { fraction, type Random } from '../../runtime/random.js';
import { AliasTable } from './alias-table.js';

export class EarliestDue {
  /** Virtual time from one turn of a member to its next. The unit is one turn of anybody. */
  readonly #strides: Float64Array;
  /** The heap: when each is due, and who. Both move together. */
  readonly #due: Float64Array;
  readonly #members: Int32Array;
  #now = 0;

  /**
   * @param weights All above 0.
   * @param phases For each member how far away its next turn is, as a share of its stride; see `phases`.
   */
  constructor(weights: readonly number[], phases: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#strides = Float64Array.from(weights, (weight) => total / weight);
    const due = phases.map((phase, member) => phase * (this.#strides[member] as number));
    // A sorted array is a heap.
    const order = [...due.keys()].sort((a, b) => (due[a] as number) - (due[b] as number));
    this.#members = Int32Array.from(order);
    this.#due = Float64Array.from(order, (member) => due[member] as number);
  }

  /** The index of the member whose turn it is. */
  next(): number {
    const due = this.#due;
    const members = this.#members;
    const member = members[0] as number;
    this.#now = due[0] as number;
    const again = (due[0] as number) + (this.#strides[member] as number);
    let at = 0;
    for (let child = 1; child < due.length; child = 2 * at + 1) {
      if (child + 1 < due.length && (due[child + 1] as number) < (due[child] as number)) child++;
      if ((due[child] as number) >= again) break;
      due[at] = due[child] as number;
      members[at] = members[child] as number;
      at = child;
    }
    due[at] = again;
    members[at] = member;
    return member;
  }

  /** For each member how far away its next turn is, as a share of its stride. */
  phases(): number[] {
    const phases: number[] = [];
    this.#members.forEach((member, at) => {
      phases[member] = ((this.#due[at] as number) - this.#now) / (this.#strides[member] as number);
    });
    return phases;
  }
}

/** Phases to begin with: the first turn falls to each member with the chance of its weight. */
export function randomPhases(weights: readonly number[], random: Random): number[] {
  const phases = weights.map(() => fraction(random));
  phases[new AliasTable(weights).draw(random)] = 0;
  return phases;
}
