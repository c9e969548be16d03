/**
 * A clock that moves only when told to. Callbacks run in time order, and between two of them the promise queue is
 * drained, so an async state machine advances exactly as it would in real time, in microseconds.
 */
import type { Clock } from './clock.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();
  readonly #wallStart: number;

  /** @param wallStart what `wallNow()` says at the start, in ms since the epoch. */
  constructor(wallStart = 1_700_000_000_000) {
    this.#wallStart = wallStart;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.#wallStart + this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(ms, 0), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many callbacks are waiting: zero after everything was closed. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, running every callback that falls due, each followed by the promises it settled. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#earliest(end); next !== undefined; next = this.#earliest(end)) {
      this.#timers.delete(next);
      this.#now = next.at;
      next.callback();
      await settle();
    }
    this.#now = end;
  }

  #earliest(limit: number): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= limit && (found === undefined || timer.at < found.at)) found = timer;
    }
    return found;
  }
}

/** Enough turns of the event loop for chains of promises to come to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
