/**
 * What all handles of one service share: the watched list, one balancer for each policy in use, and the counters. It
 * lives from the first handle to the last.
 */
import type { Instance, Rejection, Snapshot } from '../registry/contract.js';
import { Emitter, type Event } from '../runtime/events.js';
import { silentLogger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import { type Balancer, Balancers } from './balancer.js';
import type { RetryCounts } from './call/counters.js';
import { ServiceCalls } from './call/service-calls.js';
import { tellList } from './channels.js';
import type { OutcomeCounts } from './ejection/outcome-counts.js';
import type { EjectionOptions, EjectionRules } from './ejection/rules.js';
import { HeldList, type HeldListContext } from './list/held-list.js';
import type { Held } from './list/hold.js';
import { type Loaded, SnapshotKeeper, type SnapshotPlan } from './list/snapshot-keeper.js';
import { Trouble } from './list/trouble.js';
import {
  type ListChange,
  type MergedOptions,
  MergedWatch,
  type Source,
  type SourceStatus,
} from './merged.js';
import { eligible } from './policies/weights.js';
import type { Policy, PolicyContext } from './policy.js';
import type { Lease } from './shared.js';

/**
 * What the cached list is worth.
 *
 * - `never`: no list arrived yet.
 * - `snapshot`: a list from the snapshot file is used until a registry sends one.
 * - `fresh`: the list is current.
 * - `stale`: the registry, or one of several, cannot be watched now; the last list is kept and used.
 * - `empty`: the registry confirms that nothing can be picked: no instance, or all of them in maintenance; and nothing is
 *   held.
 */
export type ServiceState = 'never' | 'snapshot' | 'fresh' | 'stale' | 'empty';

/** Monotonic counts of one service, plain integers because a pick increments one. */
export interface Counters {
  picks: number;
  emptyPicks: number;
  watchUpdates: number;
  watchErrors: number;
  /** Undefined until some handle ejects: nobody watches the outcomes of picks otherwise. */
  outcomes?: OutcomeCounts;
  readonly retries: RetryCounts;
}

/** How many different refusals are remembered, so that each is logged once. */
const REMEMBERED_REFUSALS = 1000;

/** A list of at most this age counts as what the registry said before this process came. */
const RECENT_MS = 600_000;

export interface CacheContext extends PolicyContext, MergedOptions, HeldListContext {
  /** What `connect` was given for all services. */
  readonly ejection?: EjectionOptions | boolean | undefined;
  /** Undefined: no snapshot file. */
  readonly snapshots?: SnapshotPlan | undefined;
  /** A list that is unconfirmed for longer is not picked from any more. Undefined: never so. */
  readonly maxStaleMs?: number | undefined;
}

export class ServiceCache {
  readonly service: string;
  readonly counters: Counters;
  readonly calls: ServiceCalls;
  readonly #sources: readonly Source[];
  readonly #watch: MergedWatch;
  readonly #list: HeldList;
  readonly #keeper: SnapshotKeeper | undefined;
  readonly #context: CacheContext;
  readonly #balancers: Balancers;
  readonly #changes = new Emitter<ListChange>();
  readonly #reviews = new Emitter<void>();
  readonly #logged = new Set<string>();
  readonly #trouble: Trouble;
  readonly #loading: Promise<void> | undefined;
  #pickable: readonly Instance[] = [];
  /** When the list from the file was saved, on the monotonic clock. */
  #savedAtMs = 0;
  #waitsForRegistry = true;
  #wasTooOld = false;
  #cancelGrace: () => void = () => {};
  #cancelAge: () => void = () => {};
  #closed = false;

  /** Starts watching at once. `close()` ends it. */
  constructor(service: string, sources: readonly Source[], counters: Counters, context: CacheContext) {
    this.service = service;
    this.counters = counters;
    this.calls = new ServiceCalls(counters.retries, context);
    this.#sources = sources;
    this.#context = context;
    this.#balancers = new Balancers(service, counters, context);
    this.#trouble = new Trouble(context.clock);
    this.#list = new HeldList(service, context);
    this.#list.onChange((change) => this.#accept(change));
    this.#keeper = this.#keep();
    this.#watch = new MergedWatch(sources, service, context);
    this.#watch.onUpdate((type) => this.#count(type));
    this.#watch.onChange((change) => this.#hear(change));
    this.#watch.onTurn(() => this.#reviewAge());
    this.#loading = this.#keeper?.load().then((loaded) => this.#restore(loaded));
  }

  /** Fires for the first list and for each that differs from the one before, when picks already use it. */
  readonly onChange: Event<ListChange> = this.#changes.event;

  /** Fires after whatever may change `state`, `isTrusted` or the list. */
  readonly onReview: Event<void> = this.#reviews.event;

  /** The instances whose address may be used, as last known, whatever their status; those that are held among them. */
  get snapshot(): Snapshot | undefined {
    // A list that is only confirmed has a new revision and is no change.
    return this.#list.isAsListed ? this.#watch.snapshot : this.#list.snapshot;
  }

  /** Those of them that policies choose from, see `eligible`. */
  get pickable(): readonly Instance[] {
    return this.#pickable;
  }

  /** Those of them that the registry lists no more, and that are used while they answer. */
  get held(): readonly Held[] {
    return this.#list.held;
  }

  get state(): ServiceState {
    if (this.snapshot === undefined) return 'never';
    if (this.#watch.snapshot === undefined) return 'snapshot';
    if (this.#watch.stale) return 'stale';
    return this.#pickable.length === 0 ? 'empty' : 'fresh';
  }

  /** False for a list from the file while the registry may still send a better one. */
  get isTrusted(): boolean {
    return this.state !== 'snapshot' || !this.#waitsForRegistry;
  }

  get staleMs(): number | undefined {
    return this.state === 'snapshot' ? this.#context.clock.now() - this.#savedAtMs : this.#watch.staleMs;
  }

  /** True when the list may not be used any more because no registry has confirmed it for `maxStaleMs`. */
  get isTooOld(): boolean {
    return this.#usableForMs() <= 0;
  }

  /** Why the snapshot file could not be read or written; undefined when it could, or when there is none. */
  get snapshotError(): unknown {
    return this.#keeper?.error;
  }

  get refused(): readonly Rejection[] {
    return this.#watch.refused;
  }

  get sources(): readonly SourceStatus[] {
    return this.#watch.sources;
  }

  /**
   * The balancer that all handles with this policy and these rules share, so that together they keep one place in the
   * list, and share what they learn of its endpoints.
   */
  balancer(policy: Policy, rules?: EjectionRules): Lease<Balancer> {
    return this.#balancers.acquire(policy, rules, this.#pickable);
  }

  /** How many endpoints are ejected now; undefined where no handle ejects. */
  get ejected(): number | undefined {
    return this.#balancers.ejected;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelGrace();
    await this.#loading;
    await this.#watch.close();
    await this.#list.close();
    this.#cancelAge();
    await this.#keeper?.close();
  }

  #keep(): SnapshotKeeper | undefined {
    const { snapshots, registries } = this.#context;
    if (snapshots === undefined) return undefined;
    const source = [registries, ...this.#sources.map(({ registry }) => registry.url)];
    const isCurrent = (): boolean => this.state === 'fresh' || this.state === 'empty';
    return new SnapshotKeeper({ service: this.service, source }, snapshots, isCurrent, this.#context);
  }

  /** The file is only for the time until a registry answers. */
  #restore(loaded: Loaded | undefined): void {
    if (loaded === undefined || this.#closed || this.snapshot !== undefined) return;
    const { clock, snapshots } = this.#context;
    const usable = screened(this.#sources, loaded.snapshot);
    if (usable.instances.length === 0) return;
    this.#savedAtMs = clock.now() - loaded.ageMs;
    this.#cancelGrace = clock.after(snapshots?.afterMs ?? 0, () => this.#waitNoMore());
    this.#list.restore(usable, loaded.ageMs <= RECENT_MS);
    this.#reviewAge();
  }

  #waitNoMore(): void {
    this.#cancelGrace();
    this.#waitsForRegistry = false;
    this.#reviews.emit();
  }

  #hear(change: ListChange): void {
    this.#trouble.noteRevision(change.snapshot.revision);
    this.#list.accept(change, this.#trouble.isThere);
    this.#save();
    this.#waitNoMore();
  }

  #count(type: 'snapshot' | 'broken'): void {
    if (type === 'broken') this.counters.watchErrors++;
    else this.counters.watchUpdates++;
    this.#trouble.noteUpdate(this.#watch.stale);
    this.#logRefused();
    this.#reviewAge();
    if (type === 'broken') this.#waitNoMore();
  }

  /** For how long the list may still be used if no registry confirms it. */
  #usableForMs(): number {
    const { maxStaleMs = Infinity } = this.#context;
    if (this.state === 'snapshot') return maxStaleMs - (this.staleMs ?? 0);
    return this.#watch.unconfirmedMs === undefined ? Infinity : maxStaleMs - this.#watch.unconfirmedMs;
  }

  /** A list grows too old without any further news. */
  #reviewAge(): void {
    this.#cancelAge();
    if (this.isTooOld !== this.#wasTooOld) this.#rebuild();
    this.#reviews.emit();
    const leftMs = this.#usableForMs();
    if (leftMs <= 0 || leftMs === Infinity) return;
    this.#cancelAge = this.#context.clock.after(leftMs, () => this.#reviewAge());
  }

  #accept(change: ListChange): void {
    this.#rebuild();
    tellList(this.service, change);
    this.#changes.emit(change);
    this.#save();
  }

  /** What came from the file is no news to it. */
  #save(): void {
    if (this.snapshot !== undefined && this.state !== 'snapshot') this.#keeper?.keep(this.snapshot.instances);
  }

  #rebuild(): void {
    this.#wasTooOld = this.isTooOld;
    this.#pickable = this.#wasTooOld ? [] : eligible(this.snapshot?.instances ?? []);
    this.#balancers.rebuild(this.#pickable);
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

/** Without the instances that no registry would be allowed to send. */
function screened(sources: readonly Source[], snapshot: Snapshot): Snapshot {
  const usable = sources.map(({ screen }) => screen().screen(snapshot).usable);
  return usable.reduce((most, each) => (each.instances.length > most.instances.length ? each : most));
}
