/**
 * One list from one or several registries. Each has a supervised watch of its own, so a broken one keeps its last list
 * and never holds up the others. That is how a fleet moves from one registry to another without an outage.
 */
import type { RegistryReader, Rejection, Snapshot } from '../registry/contract.js';
import { diff, snapshotOf } from '../registry/snapshot.js';
import {
  type SupervisedOptions,
  type SupervisedWatch,
  supervise,
  type WatchUpdate,
} from '../registry/supervised.js';
import { Emitter, type Event } from '../runtime/events.js';
import type { AddressScreen } from './address-policy.js';

export interface Source {
  readonly registry: RegistryReader;
  /** A screen for one watch. It may remember, so each watch has its own. */
  readonly screen: () => AddressScreen;
}

/** How one of the registries stands. */
export interface SourceStatus {
  readonly url: string;
  readonly state: RegistryReader['state'];
  /** What broke its watch; undefined while that is whole. */
  readonly error: unknown;
}

type SnapshotUpdate = Extract<WatchUpdate, { readonly type: 'snapshot' }>;

interface Part {
  readonly registry: RegistryReader;
  readonly watch: SupervisedWatch;
  /** The registry's list as it is, and without what the address policy refuses. */
  listed: Snapshot | undefined;
  usable: Snapshot | undefined;
  refused: readonly Rejection[];
}

export class MergedWatch {
  readonly #service: string;
  readonly #parts: readonly Part[];
  readonly #updates = new Emitter<WatchUpdate>();
  #snapshot: Snapshot | undefined;

  /** Starts at once. `close()` ends it. @param sources In order of precedence. */
  constructor(sources: readonly Source[], service: string, options: SupervisedOptions) {
    this.#service = service;
    this.#parts = sources.map((source) => this.#start(source, options));
  }

  /** Fires for every list and every break of any registry; `change` is that of the union. */
  readonly onUpdate: Event<WatchUpdate> = this.#updates.event;

  /** The union of what is known; undefined until the first registry has answered. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** True when a list that is part of the union can be confirmed no more. */
  get stale(): boolean {
    return this.#parts.some(({ watch }) => watch.snapshot !== undefined && watch.error !== undefined);
  }

  /** For how long the oldest part of the union has been unconfirmed; undefined without a list. */
  get staleMs(): number | undefined {
    const ages = this.#parts.map(({ watch }) => watch.staleMs).filter((age) => age !== undefined);
    return ages.length === 0 ? undefined : Math.max(...ages);
  }

  /** The instances that the address policy keeps out. */
  get refused(): readonly Rejection[] {
    return this.#parts.flatMap(({ refused }) => refused);
  }

  get sources(): readonly SourceStatus[] {
    return this.#parts.map(({ registry, watch }) => ({
      url: registry.url,
      state: registry.state,
      error: watch.error,
    }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map(({ watch }) => watch.close()));
  }

  #start(source: Source, options: SupervisedOptions): Part {
    const { registry } = source;
    const screen = source.screen();
    const watch = supervise(registry, this.#service, options);
    const part: Part = { registry, watch, listed: undefined, usable: undefined, refused: [] };
    watch.onUpdate((update) => {
      if (update.type === 'broken') return this.#updates.emit(update);
      const before = part.listed;
      const { usable, refused } = screen.screen(update.snapshot);
      part.listed = update.snapshot;
      part.usable = usable;
      part.refused = refused;
      this.#accept(before, update);
    });
    return part;
  }

  /** @param before What the registry of this update listed until now. */
  #accept(before: Snapshot | undefined, update: SnapshotUpdate): void {
    const lists = this.#parts.map(({ usable }) => usable).filter((list) => list !== undefined);
    const snapshot = union(this.#service, lists);
    // One registry with nothing refused, now as before: the difference is known already.
    const isPlain = snapshot === update.snapshot && this.#snapshot === before;
    const change = isPlain ? update.change : diff(this.#snapshot, snapshot);
    this.#snapshot = snapshot;
    this.#updates.emit({ type: 'snapshot', snapshot, change });
  }
}

/** All instances of all lists; of several with one id, that of the list named first. */
export function union(service: string, lists: readonly Snapshot[]): Snapshot {
  const [only] = lists;
  if (only !== undefined && lists.length === 1) return only;
  return snapshotOf(
    service,
    lists.toReversed().flatMap(({ instances }) => instances),
    lists.reduce((sum, { revision }) => sum + revision, 0),
    lists.flatMap(({ rejected }) => rejected),
  );
}
