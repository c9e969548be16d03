/**
 * Smooth weighted turns: after any number of turns each member is less than one turn away from its exact share, and a
 * heavy member never takes several turns in a row that it could have spread.
 *
 * Turns are unit jobs. The k-th turn of a member with share s may be taken from floor(k / s) and is due at
 * (k + 1) / s; among those that may, the one due first takes it (Baruah, Cohen, Plaxton, Varvel, "Proportionate
 * Progress", 1996; the same order as WF2Q of Bennett and Zhang, 1996). Due times alone, as in a plain EDF or WFQ
 * balancer, would let a member of weight 10 run ten times before ten members of weight 1 come first.
 *
 * O(log n) for n members, nothing allocated.
 */
import { IndexHeap } from './index-heap.js';

export class SmoothShares {
  /** Turns between two of the same member: total weight / its weight. */
  readonly #strides: Float64Array;
  /** When the current turn of each member begins, in turns. */
  readonly #starts: Float64Array;
  readonly #waiting: IndexHeap;
  readonly #ready: IndexHeap;
  #now = 0;

  /**
   * @param weights All above 0.
   * @param lags For each member, how many turns it is behind (above 0) or ahead of its share, as `lag` tells it.
   *   Their sum is spread over all, because a balance of many cannot be owed to nobody.
   */
  constructor(weights: readonly number[], lags: readonly number[] = weights.map(() => 0)) {
    const total = sum(weights);
    const owed = sum(lags);
    this.#strides = Float64Array.from(weights, (weight) => total / weight);
    this.#starts = this.#strides.map((stride, member) => owed - (lags[member] as number) * stride);
    this.#waiting = new IndexHeap(weights.length);
    this.#ready = new IndexHeap(weights.length);
    this.#starts.forEach((start, member) => {
      this.#waiting.push(member, start);
    });
  }

  /** The index of the member whose turn it is. */
  next(): number {
    const now = this.#now++;
    this.#release(now + 1);
    const member = this.#ready.size > 0 ? this.#ready.pop() : this.#waiting.pop();
    const start = (this.#starts[member] as number) + (this.#strides[member] as number);
    this.#starts[member] = start;
    this.#waiting.push(member, start);
    return member;
  }

  /** How many turns a member is behind its exact share; below 0 when it is ahead. */
  lag(member: number): number {
    return (this.#now - (this.#starts[member] as number)) / (this.#strides[member] as number);
  }

  /** Lets every turn that begins before `end` be taken. */
  #release(end: number): void {
    while (this.#waiting.lowestKey < end) {
      const member = this.#waiting.pop();
      this.#ready.push(member, (this.#starts[member] as number) + (this.#strides[member] as number));
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
