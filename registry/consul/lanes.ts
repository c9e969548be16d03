/**
 * At most so many calls at a time, in order. Calls that wait here have not begun, so their deadlines measure the
 * agent and not the queue in front of it.
 */
import { abortable } from '../../runtime/abort.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';

export class Lanes {
  #free: number;
  readonly #waiting = new Set<Deferred<void>>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `task` when a lane is free. Rejects with the signal's reason when it aborts before that. */
  async run<T>(signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const turn = deferred<void>();
    this.#waiting.add(turn);
    await abortable(turn.promise, signal).catch((error) => {
      // Given a lane in the same moment: it goes to the next.
      if (!this.#waiting.delete(turn)) this.#leave();
      throw error;
    });
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next.resolve();
  }
}
