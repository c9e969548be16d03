/** Wakes one waiter. A ring while nobody waits is remembered, so that a change during the work is never missed. */
import type { Clock } from './clock.js';

export class Doorbell {
  #rung = false;
  #wake: () => void = () => {};

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Resolves at the next ring (at once if one is pending), after `ms`, or when the signal aborts. Never rejects. */
  async wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
    if (!this.#rung && !signal?.aborted) await this.#sleep(clock, ms, signal);
    this.#rung = false;
  }

  #sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const cancel = Number.isFinite(ms) ? clock.after(ms, () => this.#wake()) : undefined;
      this.#wake = () => {
        this.#wake = () => {};
        cancel?.();
        signal?.removeEventListener('abort', this.#wakeUp);
        resolve();
      };
      signal?.addEventListener('abort', this.#wakeUp, { once: true });
    });
  }

  readonly #wakeUp = (): void => this.#wake();
}
