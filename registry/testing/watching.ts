/** Follows a watch in a test: remembers every list, and waits for one that satisfies a condition. */
import { systemClock } from '../../runtime/clock.js';
import { seededRandom } from '../../runtime/random.js';
import type { RegistryReader, Snapshot } from '../contract.js';
import { type SupervisedWatch, supervise } from '../supervised.js';

export class Watching {
  readonly #watch: SupervisedWatch;
  /** Every list so far, oldest first. */
  readonly seen: Snapshot[] = [];
  #check: () => void = () => {};

  constructor(registry: RegistryReader, service: string) {
    this.#watch = supervise(registry, service, { clock: systemClock, random: seededRandom(1) });
    this.#watch.onUpdate((update) => {
      if (update.type === 'snapshot') this.seen.push(update.snapshot);
      this.#check();
    });
  }

  get supervised(): SupervisedWatch {
    return this.#watch;
  }

  get latest(): Snapshot | undefined {
    return this.seen.at(-1);
  }

  /** Resolves with the first list, from now on and counting the current one, that satisfies `condition`. */
  async until(
    what: string,
    condition: (snapshot: Snapshot) => boolean,
    withinMs = 30_000,
  ): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      const cancel = systemClock.after(withinMs, () => {
        this.#check = () => {};
        const ids = this.latest?.instances.map(({ id }) => id).slice(0, 10);
        const error = this.#watch.error === undefined ? '' : `; the watch is broken: ${this.#watch.error}`;
        reject(
          new Error(
            `not seen within ${withinMs} ms: ${what}; the last list was ${JSON.stringify(ids)}${error}`,
          ),
        );
      });
      this.#check = () => {
        if (this.latest === undefined || !condition(this.latest)) return;
        this.#check = () => {};
        cancel();
        resolve(this.latest);
      };
      this.#check();
    });
  }

  close(): Promise<void> {
    return this.#watch.close();
  }
}
