/**
 * Notices a member that fell silent while streams from it are open: a stream without news looks the same as one that will
 * never bring any. One small question per member from time to time, however many streams there are.
 */
import { type Clock, sleep } from '../../runtime/clock.js';

interface Followed {
  readonly silent: Set<(error: unknown) => void>;
  readonly stop: AbortController;
}

export class Pulse<T> {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #ask: (member: T, signal: AbortSignal) => Promise<unknown>;
  readonly #followed = new Map<T, Followed>();

  /** @param ask rejects when the member does not answer in time. */
  constructor(clock: Clock, everyMs: number, ask: (member: T, signal: AbortSignal) => Promise<unknown>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#ask = ask;
  }

  /** Calls `onSilent` once when the member does not answer. The returned function ends that. */
  follow(member: T, onSilent: (error: unknown) => void): () => void {
    const followed = this.#followed.get(member) ?? this.#start(member);
    followed.silent.add(onSilent);
    return () => {
      followed.silent.delete(onSilent);
      if (followed.silent.size === 0) this.#end(member, followed);
    };
  }

  #start(member: T): Followed {
    const followed = { silent: new Set<(error: unknown) => void>(), stop: new AbortController() };
    this.#followed.set(member, followed);
    void this.#run(member, followed);
    return followed;
  }

  async #run(member: T, followed: Followed): Promise<void> {
    const { signal } = followed.stop;
    try {
      for (;;) {
        await sleep(this.#clock, this.#everyMs, signal);
        await this.#ask(member, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#end(member, followed);
      for (const onSilent of followed.silent) onSilent(error);
    }
  }

  #end(member: T, followed: Followed): void {
    followed.stop.abort();
    if (this.#followed.get(member) === followed) this.#followed.delete(member);
  }
}
