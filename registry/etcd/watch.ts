/**
 * The watch of one service: the list at revision r, then its changes from r + 1 on, over one stream of its own. The gateway
 * allows no second watch on a stream that is open, and etcd has no limit of connections per client.
 *
 * Without a quorum no list can be known to be current. Where nothing is known yet, what one member holds is better than
 * nothing: it is yielded, and then the watch throws, so that it counts as stale from its first moment.
 */
import { linkedAbort, withDeadline } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import { jittered } from '../../runtime/random.js';
import type { Snapshot } from '../contract.js';
import type { Format } from '../formats/format.js';
import type { BackendContext } from '../open.js';
import type { EtcdClient } from './client.js';
import { eventOf, listOf } from './decode.js';
import { type EtcdKeys, keysBelow, toBase64 } from './keys.js';
import { type Item, ListedKeys } from './listed-keys.js';
import { mayPass } from './refusal.js';
import type { Store } from './store.js';

/** A list is read anew after this long, ± 20 %, because watches of etcd 3.4 have lost events. */
const RELIST_MS = 60_000;
/** How long to wait for the quorum while there is nothing to show. */
const FIRST_LIST_MS = 2_000;
/** Between watches that break one after the other without any news from the stream. */
const RESTART = { baseMs: 200, capMs: 5_000 };

export interface WatchParts extends BackendContext {
  readonly client: EtcdClient;
  readonly store: Store;
  readonly keys: EtcdKeys;
  readonly format: Pick<Format, 'name' | 'nameIsId' | 'decode'>;
  /** Of each service, how many watches in a row brought nothing; absent before the first list. */
  readonly fruitless: Map<string, number>;
}

/** Ends by throwing only, or when the signal aborts. */
export async function* watchService(
  parts: WatchParts,
  service: string,
  signal: AbortSignal,
): AsyncGenerator<Snapshot, void> {
  const link = linkedAbort(signal);
  const watch = new ServiceWatch(parts, service, link.signal);
  try {
    yield* watch.lists();
  } finally {
    link.abort(new PilotfishError('CLOSED', `the watch of ${service} ended`));
    link.release();
  }
}

class ServiceWatch {
  readonly #parts: WatchParts;
  readonly #service: string;
  readonly #signal: AbortSignal;
  readonly #listed: ListedKeys;
  readonly #bell = new Doorbell();
  #broken: { readonly error: unknown } | undefined;

  constructor(parts: WatchParts, service: string, signal: AbortSignal) {
    this.#parts = parts;
    this.#service = service;
    this.#signal = signal;
    this.#listed = new ListedKeys(service, parts.keys.service(service), parts.format);
  }

  async *lists(): AsyncGenerator<Snapshot, void> {
    const { clock } = this.#parts;
    yield* this.#firstList();
    void this.#listen(this.#listed.revision + 1);
    yield this.#listed.snapshot();
    for (let relistAt = this.#nextRelist(); ; ) {
      await this.#bell.wait(clock, relistAt - clock.now(), this.#signal);
      if (this.#signal.aborted) return;
      if (this.#broken !== undefined) throw this.#broken.error;
      if (clock.now() >= relistAt) {
        await this.#list();
        relistAt = this.#nextRelist();
      }
      yield this.#listed.snapshot();
    }
  }

  #nextRelist(): number {
    const { clock, random } = this.#parts;
    return clock.now() + jittered(RELIST_MS, 0.2, random);
  }

  /** Yields only what may be old; then it throws. */
  async *#firstList(): AsyncGenerator<Snapshot, void> {
    const { clock, fruitless, random } = this.#parts;
    const failures = fruitless.get(this.#service);
    if (failures !== undefined) {
      if (failures > 0) await sleep(clock, backoffMs(failures - 1, RESTART, random), this.#signal);
      await this.#list();
      fruitless.set(this.#service, failures + 1);
      return;
    }
    try {
      const what = `the first list of ${this.#service}`;
      await withDeadline(clock, FIRST_LIST_MS, what, this.#signal, (signal) => this.#list(signal));
      fruitless.set(this.#service, 0);
    } catch (error) {
      if (this.#signal.aborted || !mayPass(error)) throw error;
      yield await this.#staleList(error);
      fruitless.set(this.#service, 0);
      throw error;
    }
  }

  /** What one member holds, whether or not it has heard of the others lately. */
  async #staleList(error: unknown): Promise<Snapshot> {
    const { keys, format } = this.#parts;
    const stale = new ListedKeys(this.#service, keys.service(this.#service), format);
    const { items, revision } = await this.#read(stale, this.#signal, true);
    stale.replace(items, revision);
    const fields = { service: this.#service, cause: messageOf(error) };
    this.#parts.logger.warn(
      fields,
      'no quorum of etcd answers; the list of one member is shown and may be old',
    );
    return stale.snapshot();
  }

  async #list(signal = this.#signal): Promise<void> {
    const { client, clock, logger } = this.#parts;
    const { revision: atLeast } = client.identity;
    const { items, revision } = await this.#read(this.#listed, signal, false);
    const verdict = client.identity.judgeRevision(revision, atLeast, clock.now());
    if (verdict === 'another') {
      throw new PilotfishError(
        'UNAVAILABLE',
        `etcd answered with revision ${revision}, which is from the past`,
      );
    }
    if (verdict === 'new epoch') logger.error({ revision }, 'etcd begins anew with a lower revision');
    this.#listed.replace(items, revision);
  }

  async #read(
    listed: ListedKeys,
    signal: AbortSignal,
    serializable: boolean,
  ): Promise<{ items: readonly Item[]; revision: number }> {
    const { store, keys } = this.#parts;
    const items: Item[] = [];
    const range = keysBelow(keys.service(this.#service));
    const revision = await store.list(range, { signal, serializable }, (page) => {
      for (const kv of page) items.push(listed.read(kv));
    });
    return { items, revision };
  }

  /** Rings for every change, and when it is over. */
  async #listen(from: number): Promise<void> {
    const { client, clock, keys, fruitless } = this.#parts;
    const { from: key, to } = keysBelow(keys.service(this.#service));
    const create = { key: toBase64(key), range_end: toBase64(to), start_revision: String(from) };
    const began = clock.now();
    try {
      for await (const { events } of client.follow(create, this.#signal)) {
        fruitless.set(this.#service, 0);
        if (this.#listed.apply(listOf(events).map(eventOf))) this.#bell.ring();
      }
    } catch (error) {
      if (clock.now() - began > RESTART.capMs) fruitless.set(this.#service, 0);
      this.#broken = { error };
      this.#bell.ring();
    }
  }
}
