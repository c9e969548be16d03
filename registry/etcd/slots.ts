/** A number of things that may go on at a time; the others wait in order, and their deadlines have not begun yet. */
import { abortable } from '../../runtime/abort.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';

export class Slots {
  readonly #waiting = new Set<Deferred<void>>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` once there is a slot. The signal ends only the waiting. */
  async run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  async #take(signal: AbortSignal | undefined): Promise<void> {
    if (this.#free > 0) return void this.#free--;
    const turn = deferred<void>();
    this.#waiting.add(turn);
    try {
      await abortable(turn.promise, signal);
    } catch (error) {
      // Its turn may have come in the same moment.
      if (!this.#waiting.delete(turn)) this.#give();
      throw error;
    }
  }

  #give(): void {
    const [next] = this.#waiting;
    if (next === undefined) return void this.#free++;
    this.#waiting.delete(next);
    next.resolve();
  }
}
