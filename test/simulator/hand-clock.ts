/** A clock that moves only when it is told to; nothing waits on it. */
import type { Clock } from '../../runtime/clock.js';

export class HandClock implements Clock {
  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs;
  }

  after(): () => void {
    throw new Error('a policy starts no timer');
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
