/**
 * What a caller holds of a service. Picking is synchronous and does no I/O; everything slow happens in the cache
 * behind it, which all handles of the service share.
 */
import type { Rejection, Snapshot } from '../registry/contract.js';
import { abortable } from '../runtime/abort.js';
import type { Clock } from '../runtime/clock.js';
import { deferred } from '../runtime/deferred.js';
import { Emitter, type Event } from '../runtime/events.js';
import { describe, reject } from '../runtime/expected.js';
import { Latest } from '../runtime/latest.js';
import type { Balancer } from './balancer.js';
import { call } from './call/call.js';
import type { CallOptions, Work } from './call/options.js';
import type { ServiceCalls } from './call/service-calls.js';
import { type Explanation, explain } from './explain.js';
import { closedError, unusableError } from './failures.js';
import type { Held } from './list/hold.js';
import type { ListChange } from './merged.js';
import type { Pick, PickRequest } from './policy.js';
import type { Counters, ServiceCache, ServiceState } from './service-cache.js';

export interface ReadyOptions {
  /** How long to wait, in milliseconds. Default 10000. */
  readonly timeoutMs?: number;
  /** How many endpoints that can be picked to wait for. Default 1; with 0 a confirmed empty list is enough. */
  readonly minEndpoints?: number;
  /** Ends the wait early; `ready` then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export class ServiceHandle {
  readonly service: string;
  readonly #cache: ServiceCache;
  readonly #counters: Counters;
  readonly #balancer: Balancer;
  readonly #clock: Clock;
  readonly #release: () => Promise<void>;
  readonly #changes = new Emitter<ListChange>();
  readonly #ends = new Emitter<void>();
  readonly #unsubscribe: () => void;
  #closed = false;
  #closing: Promise<void> | undefined;

  /** For `Discovery.service`. @param release Lets go of the cache and the balancer. */
  constructor(cache: ServiceCache, balancer: Balancer, clock: Clock, release: () => Promise<void>) {
    this.service = cache.service;
    this.#cache = cache;
    this.#counters = cache.counters;
    this.#balancer = balancer;
    this.#clock = clock;
    this.#release = release;
    this.#unsubscribe = cache.onChange((change) => this.#changes.emit(change));
  }

  /** Fires for the first list and for each that differs from the one before. Picks made in the listener use it. */
  readonly onChange: Event<ListChange> = this.#changes.event;

  /**
   * The listed instances as last known, also those that drain or are in maintenance, without those whose address may not be
   * used; undefined before the first list.
   */
  get snapshot(): Snapshot | undefined {
    return this.#cache.snapshot;
  }

  get state(): ServiceState {
    return this.#cache.state;
  }

  /**
   * Those of them that the registry lists no more: they vanished with most of the list, and are used while they answer,
   * for `holdMs` at most.
   */
  get held(): readonly Held[] {
    return this.#cache.held;
  }

  /** Why the snapshot file could not be read or written the last time; undefined when it could, or without one. */
  get snapshotError(): unknown {
    return this.#cache.snapshotError;
  }

  /** Milliseconds for which the list has been unconfirmed: 0 while it is current, undefined before the first list. */
  get staleMs(): number | undefined {
    return this.#cache.staleMs;
  }

  /** The listed instances that the address policy keeps out, each with the reason. */
  get refused(): readonly Rejection[] {
    return this.#cache.refused;
  }

  /**
   * Chooses an endpoint, at once and without I/O. Always finds one while the list has one that is not in
   * maintenance, however stale, unless `maxStaleMs` says otherwise.
   * Throws NOT_RESOLVED before the first list, NO_ENDPOINTS when there is nothing to choose, CLOSED after `close()`.
   */
  pick(request?: PickRequest): Pick {
    const pick = this.tryPick(request);
    if (pick === undefined) throw this.#closed ? closedError(this.service) : unusableError(this.#cache);
    return pick;
  }

  /** Like `pick`, but undefined where that throws. */
  tryPick(request?: PickRequest): Pick | undefined {
    if (this.#closed) return undefined;
    const pick = this.#balancer.picker.pick(request);
    if (pick === undefined) this.#counters.emptyPicks++;
    else this.#counters.picks++;
    return pick;
  }

  /**
   * Why a pick goes where it goes: who is listed, who may be picked and who may not, what the policy goes by, and a pick. Plain
   * JSON. The pick is a real one that is given back at once, so round-robin moves on by one. Throws CLOSED after `close()`.
   */
  explain(request?: PickRequest): Explanation {
    if (this.#closed) throw closedError(this.service);
    return explain(this.#cache, this.#balancer, request, this.#clock);
  }

  /** Like `tryPick`, but none of these instances; undefined when there is no other. For calls, which count apart. */
  pickOther(avoided: ReadonlySet<string>, request?: PickRequest): Pick | undefined {
    return this.#closed ? undefined : this.#balancer.pickOther(avoided, request);
  }

  /** What all requests of this service share, for the dispatcher. */
  get calls(): ServiceCalls {
    return this.#cache.calls;
  }

  /**
   * Picks an endpoint, sends a request to it, and again to another where that is safe; see `CallOptions` and
   * docs/retries.md. Ends every pick itself. Rejects with what the last request threw; with TIMEOUT at the deadline,
   * OVERLOADED when every endpoint has as many requests as it may, BAD_INPUT for options that make no sense, and with what
   * `pick` throws.
   */
  call<T>(work: Work<T>, options: CallOptions = {}): Promise<T> {
    return call(this, work, options, this.#cache.calls);
  }

  /**
   * Resolves with the list as soon as it is known and enough of it can be picked; with one from the snapshot file only when the
   * registry does not answer, or not within `snapshotAfterMs`. Rejects when that did not happen in time, with
   * NOT_RESOLVED when no list came at all (the message says how each registry stands) and NO_ENDPOINTS when that
   * is too little; with CLOSED when the handle closes meanwhile; BAD_INPUT for options that make no sense.
   */
  async ready({ timeoutMs = 10_000, minEndpoints = 1, signal }: ReadyOptions = {}): Promise<Snapshot> {
    checkNumber(timeoutMs, 'timeoutMs');
    checkNumber(minEndpoints, 'minEndpoints');
    if (this.#closed) throw closedError(this.service);
    const wait = deferred<Snapshot>();
    const check = (): void => {
      const { snapshot, pickable, isTrusted } = this.#cache;
      if (snapshot !== undefined && isTrusted && pickable.length >= minEndpoints) wait.resolve(snapshot);
    };
    const late = `after ${timeoutMs} ms, expected at least ${minEndpoints}`;
    const ends = [
      this.onChange(check),
      this.#cache.onReview(check),
      this.#ends.event(() => wait.reject(closedError(this.service))),
      this.#clock.after(timeoutMs, () => wait.reject(unusableError(this.#cache, late))),
    ];
    check();
    return abortable(wait.promise, signal).finally(() => {
      for (const end of ends) end();
    });
  }

  /** The current list, if there is one, then each that differs, latest wins. Ends when the handle closes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Snapshot, void, undefined> {
    const lists = new Latest<Snapshot>();
    const ends = [this.onChange(({ snapshot }) => lists.push(snapshot)), this.#ends.event(() => lists.end())];
    if (this.#closed) lists.end();
    else if (this.snapshot !== undefined) lists.push(this.snapshot);
    try {
      yield* lists;
    } finally {
      for (const end of ends) end();
    }
  }

  /** Ends this handle; the watch ends with the last one. Resolves when nothing of it runs any more. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#ends.emit();
    return this.#release();
  }
}

function checkNumber(value: number, path: string): void {
  if (!(value >= 0)) reject(path, 'a number that is not negative', describe(value));
}
