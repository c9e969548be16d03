/** What a follower of a list has seen of one instance in it, and when. */
import type { Clock } from '../runtime/clock.js';
import type { SeenList } from './following.js';

export class Sight {
  readonly #clock: Clock;
  readonly #id: string;
  #wanted: { readonly weight: number | undefined; readonly seen: (at: number) => void } | undefined;

  constructor(clock: Clock, id: string) {
    this.#clock = clock;
    this.#id = id;
  }

  /** To be called with each list. */
  readonly onList = ({ weightOf }: SeenList): void => {
    const at = this.#clock.now();
    if (this.#wanted === undefined || weightOf(this.#id) !== this.#wanted.weight) return;
    this.#wanted.seen(at);
    this.#wanted = undefined;
  };

  /** When the next list comes in which the instance has this weight; undefined waits for one without it. */
  next(weight: number | undefined): Promise<number> {
    return new Promise((seen) => {
      this.#wanted = { weight, seen };
    });
  }
}
