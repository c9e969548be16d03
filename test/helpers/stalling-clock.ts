/** A virtual clock on which time can pass without any callback running: what a blocked loop looks like. */
import type { Clock } from '../../runtime/clock.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

export class StallingClock implements Clock {
  readonly timers = new VirtualClock();
  #stalledMs = 0;

  now(): number {
    return this.timers.now() + this.#stalledMs;
  }

  wallNow(): number {
    return this.timers.wallNow() + this.#stalledMs;
  }

  after(ms: number, callback: () => void): () => void {
    return this.timers.after(ms, callback);
  }

  stall(ms: number): void {
    this.#stalledMs += ms;
  }
}
