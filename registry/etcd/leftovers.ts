/**
 * Removes what an unfinished registration may have left on our lease, as soon as etcd answers, unless the key is wanted
 * again by then. A put that was cut off may be carried out later, by a member that was frozen, so there is a second look.
 */
import { linkedAbort } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { BackendContext } from '../open.js';
import { unclaim } from './entry.js';
import type { Lease, LeaseKeeper } from './lease.js';
import type { Store } from './store.js';

const RETRY = { baseMs: 100, capMs: 5_000 };
const LOOKS = 2;

interface Removal {
  readonly key: string;
  /** Resolves after the first look that was answered, or at the end. */
  readonly looked: Promise<void>;
  readonly ended: Promise<void>;
}

export interface LeftoverParts extends BackendContext {
  readonly store: Store;
  readonly keeper: LeaseKeeper;
  readonly isWanted: (key: string) => boolean;
}

export class Leftovers {
  readonly #parts: LeftoverParts;
  readonly #stop = linkedAbort();
  readonly #removals = new Set<Removal>();

  constructor(parts: LeftoverParts) {
    this.#parts = parts;
  }

  remove(key: string, lease: Lease): void {
    const looked = deferred<void>();
    const onLook = (): void => looked.resolve();
    const ended = this.#run(key, lease, onLook).finally(() => {
      this.#removals.delete(removal);
      onLook();
    });
    const removal: Removal = { key, looked: looked.promise, ended };
    this.#removals.add(removal);
  }

  /** Resolves when etcd has said of each removal of that key that it is gone; undefined when there is none. */
  of(key: string): Promise<void> | undefined {
    const found = [...this.#removals].filter((removal) => removal.key === key);
    return found.length === 0 ? undefined : Promise.all(found.map(({ looked }) => looked)).then(() => {});
  }

  /** Stops at once: the end of the lease removes what is left. */
  async close(): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', 'the registry was closed'));
    await Promise.all([...this.#removals].map(({ ended }) => ended));
  }

  async #run(key: string, lease: Lease, onLook: () => void): Promise<void> {
    const { clock, random, store, keeper, isWanted } = this.#parts;
    const { signal } = this.#stop;
    for (let looks = 0, failures = 0; looks < LOOKS && !signal.aborted; ) {
      // What hung on a lease that is over is gone, and nothing can be put on it any more.
      if (!keeper.isHeld(lease)) return;
      try {
        await unclaim(store, key, lease.id, { signal }, () => isWanted(key));
        failures = 0;
        onLook();
        if (++looks < LOOKS) await sleep(clock, lease.ttlMs, signal);
      } catch {
        await sleep(clock, backoffMs(failures++, RETRY, random), signal).catch(() => {});
      }
    }
  }
}
