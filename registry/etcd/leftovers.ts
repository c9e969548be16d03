/**
 * Removes what an unfinished registration may have left on our lease, as soon as etcd answers, unless the key is wanted
 * again by then. A put that was cut off may be carried out later, by a member that was frozen, so there is a second look.
 */
import { linkedAbort } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { BackendContext } from '../open.js';
import { unclaim } from './entry.js';
import type { Lease, LeaseKeeper } from './lease.js';
import type { Store } from './store.js';

const RETRY = { baseMs: 100, capMs: 5_000 };
const LOOKS = 2;

export interface LeftoverParts extends BackendContext {
  readonly store: Store;
  readonly keeper: LeaseKeeper;
  readonly isWanted: (key: string) => boolean;
}

export class Leftovers {
  readonly #parts: LeftoverParts;
  readonly #stop = linkedAbort();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: LeftoverParts) {
    this.#parts = parts;
  }

  remove(key: string, lease: Lease): void {
    const running: Promise<void> = this.#run(key, lease).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Stops at once: the end of the lease removes what is left. */
  async close(): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', 'the registry was closed'));
    await Promise.all(this.#running);
  }

  async #run(key: string, lease: Lease): Promise<void> {
    const { clock, random, store, keeper, isWanted } = this.#parts;
    const { signal } = this.#stop;
    for (let looks = 0, failures = 0; looks < LOOKS && !signal.aborted; ) {
      // What hung on a lease that is over is gone, and nothing can be put on it any more.
      if (!keeper.isHeld(lease)) return;
      try {
        await unclaim(store, key, lease.id, { signal }, () => isWanted(key));
        failures = 0;
        if (++looks < LOOKS) await sleep(clock, lease.ttlMs, signal);
      } catch {
        await sleep(clock, backoffMs(failures++, RETRY, random), signal).catch(() => {});
      }
    }
  }
}
