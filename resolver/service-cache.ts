/**
 * What all handles of one service share: the watched list, one balancer for each policy in use, and the counters. It
 * lives from the first handle to the last.
 */
import type { Instance, Rejection, Snapshot } from '../registry/contract.js';
import { Emitter, type Event } from '../runtime/events.js';
import { type Logger, silentLogger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import { Balancer } from './balancer.js';
import {
  type ListChange,
  type MergedOptions,
  MergedWatch,
  type Source,
  type SourceStatus,
} from './merged.js';
import { eligible } from './policies/weights.js';
import type { Policy, PolicyContext } from './policy.js';
import { type Lease, Shared } from './shared.js';

/**
 * What the cached list is worth.
 *
 * - `never`: no list arrived yet.
 * - `fresh`: the list is current.
 * - `stale`: the registry, or one of several, cannot be watched now; the last list is kept and used.
 * - `empty`: the registry confirms that nothing can be picked: no instance, or all of them in maintenance.
 */
export type ServiceState = 'never' | 'fresh' | 'stale' | 'empty';

/** Monotonic counts of one service, plain integers because a pick increments one. */
export interface Counters {
  picks: number;
  emptyPicks: number;
  watchUpdates: number;
  watchErrors: number;
}

/** How many different refusals are remembered, so that each is logged once. */
const REMEMBERED_REFUSALS = 1000;

export interface CacheContext extends PolicyContext, MergedOptions {
  readonly logger?: Logger | undefined;
}

export class ServiceCache {
  readonly service: string;
  readonly counters: Counters;
  readonly #watch: MergedWatch;
  readonly #context: CacheContext;
  readonly #balancers = new Shared<Policy, Balancer>(() => {});
  readonly #changes = new Emitter<ListChange>();
  readonly #logged = new Set<string>();
  #pickable: readonly Instance[] = [];

  /** Starts watching at once. `close()` ends it. */
  constructor(service: string, sources: readonly Source[], counters: Counters, context: CacheContext) {
    this.service = service;
    this.counters = counters;
    this.#context = context;
    this.#watch = new MergedWatch(sources, service, context);
    this.#watch.onUpdate((type) => this.#count(type));
    this.#watch.onChange((change) => this.#accept(change));
  }

  /** Fires for the first list and for each that differs from the one before, when picks already use it. */
  readonly onChange: Event<ListChange> = this.#changes.event;

  /** The instances whose address may be used, as last known, whatever their status. */
  get snapshot(): Snapshot | undefined {
    return this.#watch.snapshot;
  }

  /** Those of them that policies choose from, see `eligible`. */
  get pickable(): readonly Instance[] {
    return this.#pickable;
  }

  get state(): ServiceState {
    if (this.snapshot === undefined) return 'never';
    if (this.#watch.stale) return 'stale';
    return this.#pickable.length === 0 ? 'empty' : 'fresh';
  }

  get staleMs(): number | undefined {
    return this.#watch.staleMs;
  }

  get refused(): readonly Rejection[] {
    return this.#watch.refused;
  }

  get sources(): readonly SourceStatus[] {
    return this.#watch.sources;
  }

  /** The balancer that all handles with this policy share, so that together they keep one place in the list. */
  balancer(policy: Policy): Lease<Balancer> {
    return this.#balancers.acquire(policy, () => {
      const balancer = new Balancer(policy, this.#context);
      balancer.rebuild(this.#pickable);
      return balancer;
    });
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  #count(type: 'snapshot' | 'broken'): void {
    if (type === 'broken') this.counters.watchErrors++;
    else this.counters.watchUpdates++;
    this.#logRefused();
  }

  #accept(change: ListChange): void {
    this.#pickable = eligible(change.snapshot.instances);
    for (const balancer of this.#balancers.values()) balancer.rebuild(this.#pickable);
    this.#changes.emit(change);
  }

  #logRefused(): void {
    for (const { entry, reason } of this.refused) {
      const key = `${entry}\n${reason}`;
      if (this.#logged.has(key) || this.#logged.size >= REMEMBERED_REFUSALS) continue;
      this.#logged.add(key);
      const fields = { service: this.service, entry: printable(entry), reason };
      (this.#context.logger ?? silentLogger).warn(fields, 'refused the address of an instance');
    }
  }
}
