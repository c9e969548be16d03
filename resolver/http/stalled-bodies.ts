/**
 * Responses whose caller stopped reading. Their connection stands still until somebody reads on, which may be never, so
 * after a while they no longer count as in flight: nothing is asked of the endpoint. One timer for all of them, and none
 * while there are none.
 */
import type { Clock } from '../../runtime/clock.js';

export interface Stallable {
  /** True while the caller takes nothing more. */
  isPaused(): boolean;
  /** A number that changes whenever something of it arrives. */
  readonly progress: number;
  /** It has stood still for so long that it counts no more. */
  abandoned(): void;
}

interface Standstill {
  sinceMs: number;
  progress: number;
}

export class StalledBodies {
  readonly #clock: Clock;
  readonly #afterMs: number;
  readonly #bodies = new Map<Stallable, Standstill>();
  #cancel: (() => void) | undefined;

  /** @param afterMs How long a body may stand still. */
  constructor(clock: Clock, afterMs: number) {
    this.#clock = clock;
    this.#afterMs = afterMs;
  }

  /** To be called when a body may have paused; again and again does no harm. */
  add(body: Stallable): void {
    if (this.#bodies.has(body)) return;
    this.#bodies.set(body, { sinceMs: this.#clock.now(), progress: body.progress });
    this.#cancel ??= this.#clock.after(this.#afterMs, () => this.#sweep());
  }

  /** It moves again, or has ended. */
  delete(body: Stallable): void {
    this.#bodies.delete(body);
    if (this.#bodies.size === 0) this.#stop();
  }

  close(): void {
    this.#bodies.clear();
    this.#stop();
  }

  #sweep(): void {
    this.#cancel = undefined;
    const now = this.#clock.now();
    for (const [body, standstill] of this.#bodies) {
      if (!body.isPaused() || body.progress !== standstill.progress) {
        standstill.sinceMs = now;
        standstill.progress = body.progress;
      } else if (standstill.sinceMs <= now - this.#afterMs) {
        this.#bodies.delete(body);
        body.abandoned();
      }
    }
    if (this.#bodies.size === 0) return;
    const oldestMs = [...this.#bodies.values()].reduce((least, { sinceMs }) => Math.min(least, sinceMs), now);
    this.#cancel = this.#clock.after(oldestMs + this.#afterMs - now, () => this.#sweep());
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
