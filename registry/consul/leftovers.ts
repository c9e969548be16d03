/**
 * Removes what an unfinished registration may have left at the agent, in the background, as soon as the agent
 * answers. It gives up after the time in which Consul itself has deleted an entry that nobody keeps alive.
 */
import { linkedAbort } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import type { Random } from '../../runtime/random.js';
import type { ConsulAgent } from './agent.js';

const RETRY = { baseMs: 200, capMs: 10_000 };

/** A request that was cut off may be carried out after the first look, so that one more follows. */
const LOOKS = 2;
const BETWEEN_LOOKS_MS = 1000;

export interface LeftoverParts {
  readonly agent: ConsulAgent;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** When to give up, in milliseconds from the start. */
  readonly limitMs: number;
}

interface Removal {
  readonly id: string;
  readonly stop: () => void;
  /** Resolves after the first look that was answered, or at the end. */
  readonly looked: Promise<void>;
  readonly ended: Promise<void>;
}

export class Leftovers {
  readonly #parts: LeftoverParts;
  readonly #removals = new Set<Removal>();

  constructor(parts: LeftoverParts) {
    this.#parts = parts;
  }

  /** Starts removing the entry `id` as far as `owner` wrote it. */
  remove(id: string, owner: string): void {
    const link = linkedAbort();
    const stop = (): void => link.abort(new PilotfishError('CLOSED', `removal of ${id} stopped`));
    const looked = deferred<void>();
    const onLook = (): void => looked.resolve();
    const ended = this.#run(id, owner, link.signal, onLook).finally(() => {
      this.#removals.delete(removal);
      onLook();
    });
    const removal: Removal = { id, stop, looked: looked.promise, ended };
    this.#removals.add(removal);
  }

  /** Resolves when the agent has said of each removal of that entry that it is gone; undefined when there is none. */
  of(id: string): Promise<void> | undefined {
    const found = [...this.#removals].filter((removal) => removal.id === id);
    return found.length === 0 ? undefined : Promise.all(found.map(({ looked }) => looked)).then(() => {});
  }

  /** Before the same entry is registered anew, so that its removal does not hit the new one. */
  stop(id: string): Promise<void> {
    return stopAll([...this.#removals].filter((removal) => removal.id === id));
  }

  /** Lets the removals end by themselves for up to `limitMs`, then stops them. */
  async close(limitMs: number): Promise<void> {
    const removals = [...this.#removals];
    const ended = Promise.all(removals.map((removal) => removal.ended));
    const cancel = this.#parts.clock.after(limitMs, () => void stopAll(removals));
    await ended;
    cancel();
  }

  async #run(id: string, owner: string, signal: AbortSignal, onLook: () => void): Promise<void> {
    const { agent, clock, random, logger, limitMs } = this.#parts;
    const giveUpAt = clock.now() + limitMs;
    let looks = 0;
    for (let failures = 0; looks < LOOKS && clock.now() < giveUpAt; ) {
      try {
        const found = await agent.find(id, { signal });
        if (found?.owner === owner) await agent.deregister(id, { signal });
        looks++;
        failures = 0;
        onLook();
        await sleep(clock, BETWEEN_LOOKS_MS, signal);
      } catch {
        if (signal.aborted) return;
        await sleep(clock, backoffMs(failures++, RETRY, random), signal).catch(() => {});
      }
    }
    if (looks === 0) logger.warn({ entry: id }, 'gave up removing an unfinished registration; Consul will');
  }
}

async function stopAll(removals: readonly Removal[]): Promise<void> {
  for (const { stop } of removals) stop();
  await Promise.all(removals.map(({ ended }) => ended));
}
