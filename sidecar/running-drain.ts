/** A drain that goes on: where it is, how long it has taken, and what it waits for. */
import { linkedAbort } from '../runtime/abort.js';
import type { Clock } from '../runtime/clock.js';
import { deferred } from '../runtime/deferred.js';
import { PilotfishError } from '../runtime/errors.js';
import { type DrainPhase, type DrainSettings, type DrainSubject, drain } from './drain.js';

export interface RunningDrainOptions {
  readonly cause: string;
  readonly settings: DrainSettings;
  readonly clock: Clock;
}

export class RunningDrain {
  readonly cause: string;
  /** True when it is over; false when the cap was reached before, or it was taken back. Never rejects. */
  readonly ended: Promise<boolean>;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #stop = linkedAbort();
  #phase: DrainPhase = 'marking';
  #isComplete = false;
  #inFlight: number | undefined;

  /** Starts at once. */
  constructor(subject: DrainSubject, { cause, settings, clock }: RunningDrainOptions) {
    this.cause = cause;
    this.#clock = clock;
    this.#startedAt = clock.now();
    const observed: DrainSubject = {
      ...subject,
      inFlight: async (signal, since) => {
        this.#inFlight = await subject.inFlight(signal, since);
        return this.#inFlight;
      },
    };
    this.ended = drain(observed, {
      settings,
      clock,
      signal: this.#stop.signal,
      onPhase: (phase) => {
        this.#phase = phase;
      },
    }).then(
      (isOver) => {
        this.#isComplete = isOver;
        return isOver;
      },
      () => false,
    );
  }

  get phase(): DrainPhase {
    return this.#phase;
  }

  /** Whether everything had its end; false while it goes on, and when the cap was reached before. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Requests in flight as last known. */
  get inFlight(): number | undefined {
    return this.#inFlight;
  }

  get elapsedMs(): number {
    return Math.round(this.#clock.now() - this.#startedAt);
  }

  /** Resolves as `ended` does, and with false where it is not over within so long; it then goes on. */
  endedWithin(ms: number): Promise<boolean> {
    const { promise, resolve } = deferred<boolean>();
    const cancel = this.#clock.after(ms, () => resolve(false));
    void this.ended.then((isOver) => {
      cancel();
      resolve(isOver);
    });
    return promise;
  }

  /** Ends it where it is. */
  stop(reason: string): void {
    this.#stop.abort(new PilotfishError('CLOSED', reason));
  }
}
