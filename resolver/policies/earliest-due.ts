/**
 * Weighted turns: a member of weight w is due every 1 / w of a virtual time common to all, and whoever is due first
 * has its turn (earliest deadline first, as in weighted fair queueing: Demers, Keshav, Shenker 1989). In any stretch of
 * as many turns as the weights add up to, each member has exactly as many as its weight, and they are spread evenly.
 *
 * Members begin at random phases. With equal phases the light members would all be due at the same moment, at the end
 * of a run of heavy ones, and every client would begin with the heaviest.
 *
 * Kept in a calendar queue (Brown, "Calendar Queues", 1988): the virtual time is cut into days of one turn each, and each
 * member is entered at the day on which it is due. One turn a day is due on average, so the next one is found at once or
 * a day on: O(1) a turn on average for any number of members and any weights, nothing allocated. There are two days or
 * more for each member; they are used again and again, and who is due in a later round is passed over.
 */
import { fraction, type Random } from '../../runtime/random.js';
import { AliasTable } from './alias-table.js';

/** Stands for nobody, where members are linked. */
const NONE = -1;

export class EarliestDue {
  /** Virtual time from one turn of a member to its next. The unit is one turn of anybody. */
  readonly #strides: Float64Array;
  /** When each member is due. */
  readonly #due: Float64Array;
  /** The first member entered at each day, and for each member the next one at the same day. */
  readonly #days: Int32Array;
  readonly #following: Int32Array;
  #today = 0;
  #now = 0;

  /**
   * @param weights All above 0.
   * @param phases For each member how far away its next turn is, as a share of its stride; see `phases`.
   */
  constructor(weights: readonly number[], phases: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#strides = Float64Array.from(weights, (weight) => total / weight);
    this.#due = Float64Array.from(phases, (phase, member) => phase * (this.#strides[member] as number));
    // A power of two, so that a day is found by a mask.
    this.#days = new Int32Array(2 ** Math.ceil(Math.log2(2 * weights.length))).fill(NONE);
    this.#following = new Int32Array(weights.length);
    for (const member of weights.keys()) this.#enter(member);
  }

  /** The index of the member whose turn it is. */
  next(): number {
    const days = this.#days;
    const due = this.#due;
    const mask = days.length - 1;
    let today = this.#today;
    let member = days[today & mask] as number;
    while (member === NONE || (due[member] as number) >= today + 1) member = days[++today & mask] as number;
    days[today & mask] = this.#following[member] as number;
    this.#today = today;
    this.#now = due[member] as number;
    due[member] = this.#now + (this.#strides[member] as number);
    this.#enter(member);
    return member;
  }

  /** For each member how far away its next turn is, as a share of its stride. */
  phases(): number[] {
    return Array.from(this.#due, (due, member) => (due - this.#now) / (this.#strides[member] as number));
  }

  /** Behind those at the same day that are due before it, in whatever round. */
  #enter(member: number): void {
    const following = this.#following;
    const due = this.#due[member] as number;
    const day = Math.floor(due) & (this.#days.length - 1);
    let before = NONE;
    let after = this.#days[day] as number;
    while (after !== NONE && (this.#due[after] as number) < due) {
      before = after;
      after = following[after] as number;
    }
    following[member] = after;
    if (before === NONE) this.#days[day] = member;
    else following[before] = member;
  }
}

/** Phases to begin with: the first turn falls to each member with the chance of its weight. */
export function randomPhases(weights: readonly number[], random: Random): number[] {
  const phases = weights.map(() => fraction(random));
  phases[new AliasTable(weights).draw(random)] = 0;
  return phases;
}
