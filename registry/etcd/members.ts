/** The members in an order of our own, so that a fleet spreads over them, and the one that is used until it fails. */
import { type Random, shuffled } from '../../runtime/random.js';

export class Members<T> {
  readonly all: readonly T[];
  #current = 0;

  constructor(members: readonly T[], random: Random) {
    this.all = shuffled(members, random);
  }

  /** Each once, the one in use first. */
  inTurn(): readonly T[] {
    return [...this.all.slice(this.#current), ...this.all.slice(0, this.#current)];
  }

  /** This one failed: the next one is used, unless that has been decided already. */
  leave(member: T): void {
    if (this.all[this.#current] === member) this.#current = (this.#current + 1) % this.all.length;
  }
}
