/**
 * Removes what unfinished registrations may have left in a registry, in the background, as soon as the registry answers.
 * Each is looked for twice: a write that was cut off may be carried out after the first look.
 */
import { linkedAbort } from '../runtime/abort.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { deferred } from '../runtime/deferred.js';
import { PilotfishError } from '../runtime/errors.js';
import type { Random } from '../runtime/random.js';

const LOOKS = 2;
const RETRY = { baseMs: 200, capMs: 5_000 };

/** What may be left, and what ends it. */
export interface Leftover {
  /** Its name in the registry. */
  readonly entry: string;
  /** Removes it if it is there. Rejects while the registry does not answer. */
  readonly look: (signal: AbortSignal) => Promise<void>;
  /** Between the two looks, in milliseconds: by then what was cut off is carried out, or never. */
  readonly pauseMs: number;
  /** True when the registry must have removed it by itself. */
  readonly isOver: () => boolean;
  /** Called when it is over and the registry has not answered a single look. */
  readonly onUnseen?: () => void;
}

interface Removal {
  readonly entry: string;
  readonly stop: () => void;
  /** Resolves after the first look that was answered, or at the end. */
  readonly looked: Promise<void>;
  readonly ended: Promise<void>;
}

export class Leftovers {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #removals = new Set<Removal>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Starts removing it. */
  remove(leftover: Leftover): void {
    const { entry } = leftover;
    const link = linkedAbort();
    const stop = (): void => link.abort(new PilotfishError('CLOSED', `the removal of ${entry} was stopped`));
    const looked = deferred<void>();
    const onLook = (): void => looked.resolve();
    const ended = this.#run(leftover, link.signal, onLook).finally(() => {
      this.#removals.delete(removal);
      onLook();
    });
    const removal: Removal = { entry, stop, looked: looked.promise, ended };
    this.#removals.add(removal);
  }

  /** Resolves when the registry has said of each removal of that entry that it is gone; undefined when there is none. */
  of(entry: string): Promise<void> | undefined {
    const found = this.#removalsOf(entry);
    return found.length === 0 ? undefined : Promise.all(found.map(({ looked }) => looked)).then(() => {});
  }

  /** Before the same entry is registered anew, so that its removal does not hit the new one. */
  stop(entry: string): Promise<void> {
    return stopAll(this.#removalsOf(entry));
  }

  /** Lets the removals end by themselves for up to `limitMs`, then stops them. */
  async close(limitMs: number): Promise<void> {
    const removals = [...this.#removals];
    const cancel = this.#clock.after(limitMs, () => void stopAll(removals));
    await Promise.all(removals.map(({ ended }) => ended));
    cancel();
  }

  #removalsOf(entry: string): readonly Removal[] {
    return [...this.#removals].filter((removal) => removal.entry === entry);
  }

  async #run(leftover: Leftover, signal: AbortSignal, onLook: () => void): Promise<void> {
    const { look, pauseMs, isOver, onUnseen } = leftover;
    let looks = 0;
    for (let failures = 0; looks < LOOKS && !signal.aborted && !isOver(); ) {
      try {
        await look(signal);
        failures = 0;
        onLook();
        if (++looks < LOOKS) await sleep(this.#clock, pauseMs, signal);
      } catch {
        await sleep(this.#clock, backoffMs(failures++, RETRY, this.#random), signal).catch(() => {});
      }
    }
    if (looks === 0 && !signal.aborted) onUnseen?.();
  }
}

async function stopAll(removals: readonly Removal[]): Promise<void> {
  for (const { stop } of removals) stop();
  await Promise.all(removals.map(({ ended }) => ended));
}
