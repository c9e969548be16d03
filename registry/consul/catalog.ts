/**
 * An agent accepts a write at once and tells the servers a moment later, where readers look. Waiting for that moment
 * makes "registered" and "deregistered" true for readers too. While the servers have no leader it does not come, and
 * the entry is the agent's care anyway, so the wait is short and running out of it is no error.
 *
 * All who wait for the same service share one query: a thousand registrations must not ask a thousand times.
 */
import { abortable } from '../../runtime/abort.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { fieldsOf } from '../../runtime/fields.js';
import { META } from './entry.js';
import type { ConsulHttp } from './http.js';

const GRACE_MS = 2000;
/** Of the TTL: heartbeats wait behind a write, and none of them may be late for it. */
const GRACE_SHARE = 1 / 3;
const POLL_MS = 25;

/** One item of the health list: `{ Node, Service, Checks }`. */
export type CatalogItem = Readonly<Record<string, unknown>>;

interface Waiter {
  readonly owner: string;
  readonly settled: (item: CatalogItem | undefined) => boolean;
  readonly done: () => void;
}

export class Catalog {
  readonly #http: Pick<ConsulHttp, 'get'>;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(http: Pick<ConsulHttp, 'get'>, clock: Clock, ttlMs: number) {
    this.#http = http;
    this.#clock = clock;
    this.#graceMs = Math.min(GRACE_MS, ttlMs * GRACE_SHARE);
  }

  /**
   * Resolves when the item of `owner` in the list of `service`, or its absence, satisfies `settled`, and after two
   * seconds or a third of the TTL at the latest. Rejects only when the signal aborts.
   */
  async until(
    service: string,
    owner: string,
    settled: Waiter['settled'],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { promise, resolve } = deferred<void>();
    const waiter = { owner, settled, done: resolve };
    const cancel = this.#clock.after(this.#graceMs, resolve);
    this.#add(service, waiter);
    try {
      await abortable(promise, signal);
    } finally {
      cancel();
      this.#waiters.get(service)?.delete(waiter);
    }
  }

  #add(service: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(service);
    if (waiters !== undefined) return void waiters.add(waiter);
    const fresh = new Set([waiter]);
    this.#waiters.set(service, fresh);
    void this.#serve(service, fresh);
  }

  async #serve(service: string, waiters: ReadonlySet<Waiter>): Promise<void> {
    try {
      while (waiters.size > 0) {
        const items = await this.#itemsByOwner(service);
        for (const { owner, settled, done } of waiters) if (settled(items.get(owner))) done();
        await sleep(this.#clock, POLL_MS);
      }
    } catch {
      for (const { done } of waiters) done();
    } finally {
      this.#waiters.delete(service);
    }
  }

  async #itemsByOwner(service: string): Promise<ReadonlyMap<unknown, CatalogItem>> {
    const path = `/v1/health/service/${encodeURIComponent(service)}`;
    const { json } = await this.#http.get(path, { deadlineMs: this.#graceMs, signal: undefined });
    const items = Array.isArray(json) ? json.map(fieldsOf) : [];
    return new Map(items.map((item) => [fieldsOf(fieldsOf(item.Service).Meta)[META.owner], item]));
  }
}
