/**
 * One list from one or several registries. Each has a supervised watch of its own, so a broken one keeps its last list
 * and never holds up the others. That is how a fleet moves from one registry to another without an outage.
 */
import type { RegistryReader, Rejection, Snapshot } from '../registry/contract.js';
import { type Change, diff, isEmptyChange } from '../registry/snapshot.js';
import {
  type SupervisedOptions,
  type SupervisedWatch,
  supervise,
  type WatchUpdate,
} from '../registry/supervised.js';
import { Emitter, type Event } from '../runtime/events.js';
import type { AddressScreen } from './address-policy.js';
import { type Combination, type Combined, combine, graceEndsInMs, type KnownList } from './combine.js';

export interface Source {
  readonly registry: RegistryReader;
  /** A screen for one watch. It may remember, so each watch has its own. */
  readonly screen: () => AddressScreen;
}

/** How one of the registries stands. */
export interface SourceStatus {
  readonly url: string;
  readonly state: RegistryReader['state'];
  /** What broke its watch, or keeps it from being connected; undefined while both are whole. */
  readonly error: unknown;
}

/** A change of the list together with the list that it led to. */
export interface ListChange extends Change {
  readonly snapshot: Snapshot;
}

export interface MergedOptions extends SupervisedOptions {
  readonly registries: Combination;
}

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
  readonly #options: MergedOptions;
  readonly #parts: readonly Part[];
  readonly #updates = new Emitter<WatchUpdate['type']>();
  readonly #turns = new Emitter<void>();
  readonly #changes = new Emitter<ListChange>();
  #combined: Combined | undefined;
  #cancelReview: () => void = () => {};

  /** Starts at once. `close()` ends it. @param sources In order of precedence. */
  constructor(sources: readonly Source[], service: string, options: MergedOptions) {
    this.#service = service;
    this.#options = options;
    this.#parts = sources.map((source) => this.#start(source));
  }

  /** Fires for every list and every break of any registry, before what it changes. */
  readonly onUpdate: Event<WatchUpdate['type']> = this.#updates.event;

  /** Fires for the first list and for each that differs from the one before. */
  readonly onChange: Event<ListChange> = this.#changes.event;

  /** Fires when a list that is silent for long has lost its preference, whatever the next one says. */
  readonly onTurn: Event<void> = this.#turns.event;

  /** What the registries say together; undefined until the first of them has answered. */
  get snapshot(): Snapshot | undefined {
    return this.#combined?.snapshot;
  }

  /** True when a list that is in use can be confirmed no more. */
  get stale(): boolean {
    return this.#inUse().some(({ watch }) => watch.error !== undefined);
  }

  /** For how long the oldest list in use has been unconfirmed; undefined without a list. */
  get staleMs(): number | undefined {
    const ages = this.#inUse().map(({ watch }) => watch.staleMs ?? 0);
    return ages.length === 0 ? undefined : Math.max(...ages);
  }

  /** For how long none of the lists in use has been confirmed; undefined while one of them is current, and without a list. */
  get unconfirmedMs(): number | undefined {
    const used = this.#inUse();
    if (used.length === 0 || used.some(({ watch }) => watch.error === undefined)) return undefined;
    return Math.min(...used.map(({ watch }) => watch.staleMs ?? 0));
  }

  /** The instances that the address policy keeps out. */
  get refused(): readonly Rejection[] {
    return this.#parts.flatMap(({ refused }) => refused);
  }

  get sources(): readonly SourceStatus[] {
    return this.#parts.map(({ registry, watch }) => ({
      url: registry.url,
      state: registry.state,
      error: watch.error ?? registry.trouble,
    }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map(({ watch }) => watch.close()));
    this.#cancelReview();
  }

  #start({ registry, screen: screenOf }: Source): Part {
    const screen = screenOf();
    const watch = supervise(registry, this.#service, this.#options);
    const part: Part = { registry, watch, listed: undefined, usable: undefined, refused: [] };
    watch.onUpdate((update) => {
      const before = part.listed;
      if (update.type === 'snapshot') {
        const { usable, refused } = screen.screen(update.snapshot);
        part.listed = update.snapshot;
        part.usable = usable;
        part.refused = refused;
      }
      this.#updates.emit(update.type);
      this.#review(update, before);
    });
    return part;
  }

  /** @param before What the registry of the update listed until now. */
  #review(update?: WatchUpdate, before?: Snapshot): void {
    const lists = this.#parts.map(knownList).filter((list) => list !== undefined);
    if (lists.length === 0) return;
    const last = this.snapshot;
    this.#combined = combine(this.#options.registries, this.#service, lists);
    const { snapshot } = this.#combined;
    this.#reviewLater(lists);
    if (snapshot === last) return;
    // One registry with nothing refused, now as before: the difference is known already.
    const isPlain = update?.type === 'snapshot' && snapshot === update.snapshot && last === before;
    const change = isPlain ? update.change : diff(last, snapshot);
    if (last === undefined || !isEmptyChange(change)) this.#changes.emit({ ...change, snapshot });
  }

  /** A list that is silent for long loses its preference without any further news. */
  #reviewLater(lists: readonly KnownList[]): void {
    this.#cancelReview();
    const inMs = this.#options.registries === 'prefer' && lists.length > 1 ? graceEndsInMs(lists) : undefined;
    this.#cancelReview = inMs === undefined ? () => {} : this.#options.clock.after(inMs, () => this.#turn());
  }

  #turn(): void {
    this.#review();
    this.#turns.emit();
  }

  #inUse(): readonly Part[] {
    const used = new Set(this.#combined?.used.map(({ snapshot }) => snapshot));
    return this.#parts.filter(({ usable }) => usable !== undefined && used.has(usable));
  }
}

function knownList({ usable, watch }: Part): KnownList | undefined {
  if (usable === undefined) return undefined;
  return { snapshot: usable, brokenMs: watch.error === undefined ? undefined : watch.staleMs };
}
